//! The operator's handbook against the settings of the services: every variable stands in it as it is.

use service_runtime::settings::Setting;

/// The rows of the handbook's table, made of the settings themselves.
fn rows() -> Vec<String> {
    let services = [
        ("gateway", gateway::config::SETTINGS),
        ("auth", auth_service::SETTINGS),
        ("course", course_service::config::SETTINGS),
    ];
    let all = services
        .iter()
        .flat_map(|(service, settings)| settings.iter().map(move |setting| (*service, setting)));
    let mut names: Vec<&str> = all.clone().map(|(_, setting)| setting.name).collect();
    names.sort_unstable();
    names.dedup();
    let row = |name: &str| {
        let of: Vec<(&str, &Setting)> = all.clone().filter(|(_, setting)| setting.name == name).collect();
        let mut defaults: Vec<&str> = of.iter().filter_map(|(_, setting)| setting.default).collect();
        defaults.dedup();
        let services: Vec<&str> = of.iter().map(|(service, _)| *service).collect();
        let secret = if of[0].1.secret { "Secret. " } else { "" };
        format!(
            "| `{name}` | {} | {} | {secret}{} |",
            services.join(", "),
            defaults
                .iter()
                .map(|text| format!("`{text}`"))
                .collect::<Vec<_>>()
                .join(", "),
            of[0].1.help.replace('|', "\\|"),
        )
    };
    names.into_iter().map(row).collect()
}

#[test]
fn every_variable_stands_in_the_handbook_as_it_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATIONS.md");
    let handbook = std::fs::read_to_string(path).unwrap();
    let table = rows().join("\n");
    assert!(
        handbook.contains(&table),
        "docs/OPERATIONS.md should have:\n{table}"
    );
}

//! Variables that look like settings and are none: most likely a name that was mistyped.

use super::{Setting, command::file_variable};

/// Warns of the variables of the environment that begin with one of `prefixes` and that neither this process nor,
/// by `elsewhere`, another one reads.
pub fn warn_of_unknown(settings: &[Setting], prefixes: &[&str], elsewhere: &[&str]) {
    // The one other place that looks at the environment; it reads names only.
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for name in unknown(names, settings, prefixes, elsewhere) {
        tracing::warn!(name, "nothing reads this variable; is its name right?");
    }
}

/// Which of these names they are, in alphabetical order.
fn unknown(
    names: impl Iterator<Item = String>,
    settings: &[Setting],
    prefixes: &[&str],
    elsewhere: &[&str],
) -> Vec<String> {
    let is_known = |name: &str| {
        let is_setting =
            |setting: &Setting| setting.name == name || setting.secret && file_variable(setting.name) == name;
        settings.iter().any(is_setting) || elsewhere.contains(&name)
    };
    let is_ours = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let mut unknown: Vec<String> = names.filter(|name| is_ours(name) && !is_known(name)).collect();
    unknown.sort();
    unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_looks_like_ours_and_nobody_reads_is_unknown() {
        const SETTINGS: [Setting; 2] = [
            Setting::optional("EMAIL_HOST", "Where"),
            Setting::secret("EMAIL_PASSWORD", "What"),
        ];
        let names = [
            "EMAIL_HOST",
            "EMAIL_PASSWORD_FILE",
            "EMAIL_HOST_FILE",
            "EMAIL_URL",
            "EMAIL_HSOT",
            "PATH",
        ];
        let names = names.into_iter().map(str::to_owned);
        let unknown = unknown(names, &SETTINGS, &["EMAIL_"], &["EMAIL_URL"]);
        assert_eq!(unknown, ["EMAIL_HOST_FILE", "EMAIL_HSOT"]);
    }
}

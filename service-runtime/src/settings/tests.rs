use super::*;

const SETTINGS: [Setting; 3] = [
    Setting::new("LIFETIME", "15m", "How long it lives"),
    Setting::optional("BASE_URL", "Where it is"),
    Setting::secret("SERVICE_TOKEN", "What it shows"),
];

#[test]
fn every_fault_is_named_at_once() {
    let values = Values::default().with("LIFETIME", "soon").with("BASE_URL", "x");
    let mut reader = Reader::new(&values, &SETTINGS);
    let lifetime = reader.read("LIFETIME", crate::duration::parse);
    let token = reader.read("SERVICE_TOKEN", text);
    let faults = reader.finish(lifetime.zip(token)).unwrap_err().to_string();
    assert!(
        faults.contains("LIFETIME: \"soon\" is not a duration"),
        "{faults}"
    );
    assert!(faults.contains("SERVICE_TOKEN must be set"), "{faults}");
}

#[test]
fn a_flag_wins_over_the_default_and_empty_is_not_given() {
    let matches = command("it", "does it", &SETTINGS)
        .try_get_matches_from(["it", "--lifetime", "30s", "--base-url", ""])
        .unwrap();
    let values = Values::from_matches(&matches, &SETTINGS);
    let mut reader = Reader::new(&values, &SETTINGS);
    assert_eq!(reader.read("LIFETIME", text).as_deref(), Some("30s"));
    assert_eq!(reader.read_optional("BASE_URL", text), Some(None));
}

#[test]
fn values_are_not_shown() {
    let shown = format!("{:?}", Values::default().with("SERVICE_TOKEN", "hunter2"));
    assert_eq!(shown, "{\"SERVICE_TOKEN\"}");
}

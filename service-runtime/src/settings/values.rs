//! The values that were given, from wherever they were given: flags, environment, files that hold secrets and, in
//! development, a file `.env`.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use clap::ArgMatches;

use super::{Setting, command::file_variable};
use crate::secret::without_line_end;

/// The values that were given, by variable name, and what was wrong with how they were given.
#[derive(Clone, Default)]
pub struct Values {
    given: BTreeMap<String, String>,
    /// The files from which secrets were read.
    files: BTreeMap<String, PathBuf>,
    faults: Vec<String>,
}

impl Values {
    /// What was given for these settings. A flag wins over its variable, both over the file that is named for a
    /// secret, and all of them over `.env`, which only development reads.
    pub fn from_matches(matches: &ArgMatches, settings: &[Setting]) -> Self {
        Self::gathered(matches, settings, Path::new(".env"))
    }

    fn gathered(matches: &ArgMatches, settings: &[Setting], dotenv: &Path) -> Self {
        let mut values = Self::default();
        let said = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
        for setting in settings {
            values.take(setting, said);
        }
        if values.get("ENVIRONMENT") != Some("production") {
            let noted = values.read_dotenv(dotenv);
            for setting in settings {
                if values.get(setting.name).is_none() {
                    values.take(setting, |name| noted.get(name).cloned());
                }
            }
        }
        values
    }

    /// Takes the value of a setting from one source, itself or from the file that is named for it.
    fn take(&mut self, setting: &Setting, source: impl Fn(&str) -> Option<String>) {
        let given = |name: &str| source(name).filter(|value| !value.is_empty());
        let file = setting.secret.then(|| file_variable(setting.name));
        let file = file.and_then(|variable| Some((given(&variable)?, variable)));
        match (given(setting.name), file) {
            (Some(_), Some((_, variable))) => {
                self.faults
                    .push(format!("{} and {variable} are both set: set one", setting.name));
            }
            (Some(value), None) => {
                self.given.insert(setting.name.to_owned(), value);
            }
            (None, Some((path, _))) => self.read_file(setting.name, path),
            (None, None) => {}
        }
    }

    fn read_file(&mut self, name: &str, path: String) {
        let variable = file_variable(name);
        match fs::read_to_string(&path) {
            Ok(held) => {
                let held = without_line_end(&held).to_owned();
                if held.is_empty() {
                    self.faults.push(format!("{variable}: {path:?} is empty"));
                }
                self.given.insert(name.to_owned(), held);
                self.files.insert(name.to_owned(), path.into());
            }
            Err(error) => self
                .faults
                .push(format!("{variable}: {path:?} cannot be read: {error}")),
        }
    }

    fn read_dotenv(&mut self, path: &Path) -> BTreeMap<String, String> {
        if !path.exists() {
            return BTreeMap::new();
        }
        let read = dotenvy::from_path_iter(path).and_then(Iterator::collect);
        read.unwrap_or_else(|error| {
            // The line that cannot be read may hold a secret.
            let reason = match error {
                dotenvy::Error::Io(error) => error.to_string(),
                dotenvy::Error::LineParse(_, place) => {
                    format!("a line is no NAME=value, near character {place}")
                }
                _ => "it cannot be understood".to_owned(),
            };
            self.faults.push(format!(".env: {reason}"));
            BTreeMap::new()
        })
    }

    /// The same values with one set, for tests and for a process that starts others.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.given.insert(name.to_owned(), value.into());
        self
    }

    /// The same values with a secret from a file.
    #[must_use]
    pub fn with_file(mut self, name: &str, path: impl Into<String>) -> Self {
        self.read_file(name, path.into());
        self
    }

    /// The file from which a secret was read, if it was.
    pub(super) fn file(&self, name: &str) -> Option<&Path> {
        self.files.get(name).map(PathBuf::as_path)
    }

    /// The value given for a setting; an empty one counts as not given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.given
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// What was wrong with how the values were given.
    pub(super) fn faults(&self) -> &[String] {
        &self.faults
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secret; names are not.
        formatter.debug_set().entries(self.given.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Reader, command, text};

    const SETTINGS: [Setting; 3] = [
        Setting::new("ENVIRONMENT", "development", "What it is"),
        Setting::optional("BASE_URL", "Where it is"),
        Setting::secret("SERVICE_TOKEN", "What it shows"),
    ];

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn with(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (name, content) in files {
                fs::write(folder.path().join(name), content).unwrap();
            }
            Self(folder)
        }

        fn path(&self, name: &str) -> String {
            self.0.path().join(name).display().to_string()
        }

        fn values(&self, flags: &[&str]) -> Values {
            let matches = command("it", "does it", &SETTINGS)
                .try_get_matches_from(std::iter::once(&"it").chain(flags))
                .unwrap();
            Values::gathered(&matches, &SETTINGS, &self.0.path().join(".env"))
        }
    }

    #[test]
    fn a_secret_may_stand_in_a_file() {
        let folder = Folder::with(&[("token", "s3cret with spaces \n"), ("empty", "\n")]);
        let values = folder.values(&["--service-token-file", &folder.path("token")]);
        assert_eq!(values.get("SERVICE_TOKEN"), Some("s3cret with spaces "));
        for (flags, fault) in [
            (vec!["--service-token-file", &*folder.path("empty")], "is empty"),
            (
                vec!["--service-token-file", &*folder.path("none")],
                "cannot be read: No such file",
            ),
            (
                vec![
                    "--service-token-file",
                    &*folder.path("token"),
                    "--service-token",
                    "s3cret",
                ],
                "are both set",
            ),
        ] {
            let values = folder.values(&flags);
            let mut reader = Reader::new(&values, &SETTINGS);
            let read = reader.read_optional("SERVICE_TOKEN", text);
            let faults = reader.finish(read).unwrap_err().to_string();
            assert!(
                faults.contains("SERVICE_TOKEN_FILE") && faults.contains(fault),
                "{faults}"
            );
            assert!(!faults.contains("s3cret"), "{faults}");
        }
        let known = command("it", "does it", &SETTINGS);
        assert!(
            known
                .try_get_matches_from(["it", "--base-url-file", "x"])
                .is_err(),
            "only secrets need files"
        );
    }

    #[test]
    fn development_reads_dotenv_and_production_does_not() {
        let dotenv = "# ours\nBASE_URL='http://a b'\nexport SERVICE_TOKEN=from-dotenv\nOTHER=1\n";
        let folder = Folder::with(&[(".env", dotenv), ("token", "from-file")]);
        let values = folder.values(&[]);
        assert_eq!(
            (values.get("BASE_URL"), values.get("OTHER")),
            (Some("http://a b"), None)
        );
        assert_eq!(values.get("SERVICE_TOKEN"), Some("from-dotenv"));
        let values = folder.values(&[
            "--base-url",
            "http://flag",
            "--service-token-file",
            &folder.path("token"),
        ]);
        assert_eq!(values.get("BASE_URL"), Some("http://flag"));
        assert_eq!(values.get("SERVICE_TOKEN"), Some("from-file"));
        let values = folder.values(&["--environment", "production"]);
        assert_eq!(
            (values.get("BASE_URL"), values.get("SERVICE_TOKEN")),
            (None, None)
        );
    }

    #[test]
    fn a_dotenv_that_cannot_be_read_is_a_fault_that_repeats_nothing() {
        let folder = Folder::with(&[(".env", "SERVICE_TOKEN='s3cret\n")]);
        let values = folder.values(&[]);
        let faults = Reader::new(&values, &SETTINGS)
            .finish(Some(()))
            .unwrap_err()
            .to_string();
        assert!(faults.contains(".env:") && !faults.contains("s3cret"), "{faults}");
    }
}

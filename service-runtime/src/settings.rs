//! Settings: one table per process gives the environment variables, the flags and `--help`; all of them are
//! read and checked before anything is bound, and every fault is named at once.

use std::{collections::BTreeMap, fmt};

use clap::{Arg, ArgMatches, Command};

use crate::secret::Secret;

/// One setting: the variable `BASE_URL` is also the flag `--base-url`.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// What holds when it is not given; shown by `--help`.
    pub default: Option<&'static str>,
    /// What it means, with its unit.
    pub help: &'static str,
    /// Whether its value must not be shown, not even as a default of `--help`.
    pub secret: bool,
}

impl Setting {
    /// A setting with a default.
    pub const fn new(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self {
            name,
            default: Some(default),
            help,
            secret: false,
        }
    }

    /// A setting that may be left out.
    pub const fn optional(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            default: None,
            help,
            secret: false,
        }
    }

    /// A setting that may be left out and that no output shows.
    pub const fn secret(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            default: None,
            help,
            secret: true,
        }
    }

    fn flag(&self) -> String {
        self.name.to_lowercase().replace('_', "-")
    }
}

/// A command whose flags and variables are the given settings. A name that stands twice counts once.
pub fn command(name: &'static str, about: &'static str, settings: &[Setting]) -> Command {
    let mut known = Vec::new();
    let mut command = Command::new(name).about(about).version(env!("CARGO_PKG_VERSION"));
    for setting in settings {
        if known.contains(&setting.name) {
            continue;
        }
        known.push(setting.name);
        let help = match setting.default {
            Some("") | None => setting.help.to_owned(),
            Some(default) => format!("{} [default: {default}]", setting.help),
        };
        command = command.arg(
            Arg::new(setting.name)
                .long(setting.flag())
                .env(setting.name)
                .hide_env_values(true)
                .value_name("VALUE")
                .global(true)
                .help(help),
        );
    }
    command
}

/// The values that were given, by variable name.
#[derive(Clone, Default)]
pub struct Values(BTreeMap<String, String>);

impl Values {
    /// What flags and environment gave for these settings; a flag wins over its variable.
    pub fn from_matches(matches: &ArgMatches, settings: &[Setting]) -> Self {
        let given = settings.iter().filter_map(|setting| {
            let value = matches.get_one::<String>(setting.name)?;
            Some((setting.name.to_owned(), value.clone()))
        });
        Self(given.collect())
    }

    /// The same values with one set, for tests and for a process that starts others.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The value given for a setting; an empty one counts as not given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values may be secret; names are not.
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

/// Everything that is wrong with the settings, one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} of the settings cannot be used:{}", .0.len(), .0.iter().map(|fault| format!("\n  - {fault}")).collect::<String>())]
pub struct Faults(pub Vec<String>);

/// Reads settings one by one and collects what is wrong with them.
#[derive(Debug)]
pub struct Reader<'a> {
    values: &'a Values,
    settings: &'a [Setting],
    faults: Vec<String>,
}

impl<'a> Reader<'a> {
    /// Reads `values` by the table `settings`.
    pub const fn new(values: &'a Values, settings: &'a [Setting]) -> Self {
        Self {
            values,
            settings,
            faults: Vec::new(),
        }
    }

    /// A setting that has a value or a default. `None` means that a fault was noted.
    pub fn read<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let default = self
            .settings
            .iter()
            .find(|setting| setting.name == name)
            .and_then(|s| s.default);
        match self.values.get(name).or(default) {
            Some(text) => self.parsed(name, text, parse),
            None => {
                self.fault(name, "must be set");
                None
            }
        }
    }

    /// A setting that may be left out: `Some(None)` when it was, `None` when a fault was noted.
    pub fn read_optional<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        match self.values.get(name) {
            Some(text) => self.parsed(name, text, parse).map(Some),
            None => Some(None),
        }
    }

    /// Notes something that is wrong with a setting.
    pub fn fault(&mut self, name: &str, sentence: impl fmt::Display) {
        self.faults.push(format!("{name} {sentence}"));
    }

    /// What was built from the settings, or everything that is wrong with them.
    ///
    /// # Errors
    /// [`Faults`] if any was noted.
    pub fn finish<T>(self, built: Option<T>) -> Result<T, Faults> {
        match built {
            Some(built) if self.faults.is_empty() => Ok(built),
            _ => Err(Faults(self.faults)),
        }
    }

    fn parsed<T>(
        &mut self,
        name: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        parse(text)
            .map_err(|sentence| self.faults.push(format!("{name}: {sentence}")))
            .ok()
    }
}

/// Reads a switch: `true` or `false`, also `1`, `0`, `yes`, `no`, `on`, `off` in any case.
///
/// # Errors
/// A sentence naming the accepted words.
pub fn switch(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("{text:?} is neither true nor false")),
    }
}

/// Reads anything that has a standard text form, such as a number or a socket address.
///
/// # Errors
/// A sentence with the parser's own reason.
pub fn from_str<T: std::str::FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|reason| format!("{text:?} cannot be used: {reason}"))
}

/// Reads a list separated by commas; spaces around the items and empty items do not count.
///
/// # Errors
/// Never; it has the form that [`Reader::read`] takes.
pub fn list(text: &str) -> Result<Vec<String>, String> {
    Ok(text
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect())
}

/// Reads one secret of at least 32 characters, or two separated by a comma while it is being changed.
///
/// # Errors
/// A sentence that says so, without the secret.
pub fn secrets(text: &str) -> Result<Vec<Secret<String>>, String> {
    let secrets = list(text)?;
    let usable = |secret: &String| secret.len() >= 32 && secret.bytes().all(|byte| byte.is_ascii_graphic());
    if (1..=2).contains(&secrets.len()) && secrets.iter().all(usable) {
        Ok(secrets.into_iter().map(Secret::new).collect())
    } else {
        Err(
            "takes one secret of at least 32 visible ASCII characters, or two separated by a comma"
                .to_owned(),
        )
    }
}

/// The database of a service: the variable that is its own, else `DATABASE_URL`, else `file` under `DATA_DIR`.
pub fn database_url(reader: &mut Reader<'_>, own: &str, file: &str) -> Option<Secret<String>> {
    let is_postgres = |url: &str| url.starts_with("postgres://") || url.starts_with("postgresql://");
    // The address itself may hold a password: no fault repeats it.
    let own = reader.read_optional(own, |url| {
        let known = is_postgres(url) || url.starts_with("sqlite:");
        if known {
            Ok(url.to_owned())
        } else {
            Err("begins with neither postgres:// nor sqlite:".to_owned())
        }
    });
    let shared = reader.read_optional("DATABASE_URL", |url| {
        let sentence =
            "must begin with postgres://; a SQLite file is one service's: set that service's own variable";
        if is_postgres(url) {
            Ok(url.to_owned())
        } else {
            Err(sentence.to_owned())
        }
    });
    let folder = reader.read("DATA_DIR", text)?;
    let folder = folder.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    Some(Secret::new(
        own?.or(shared?)
            .unwrap_or_else(|| format!("sqlite:{folder}/{file}")),
    ))
}

/// `DATABASE_URL`, which services with data have.
pub const DATABASE_URL: Setting = Setting::secret(
    "DATABASE_URL",
    "postgres://… of a server that services share, each in its own schema; without it a SQLite file under DATA_DIR",
);

/// Reads any text as it is.
///
/// # Errors
/// Never; it has the form that [`Reader::read`] takes.
pub fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

/// What kind of place the process runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    /// A developer's machine: secrets may be made up, mail may stay in a folder.
    Development,
    /// Real people: insecure defaults stop the start.
    Production,
}

impl Environment {
    /// Reads `development` or `production`.
    ///
    /// # Errors
    /// A sentence naming the two words.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "development" => Ok(Self::Development),
            "production" => Ok(Self::Production),
            _ => Err(format!("{text:?} is neither development nor production")),
        }
    }
}

/// `ENVIRONMENT`, which every process has.
pub const ENVIRONMENT: Setting = Setting::new(
    "ENVIRONMENT",
    "development",
    "development or production; production refuses insecure defaults",
);

/// `DATA_DIR`, where a process keeps what is not in a database server.
pub const DATA_DIR: Setting = Setting::new(
    "DATA_DIR",
    "./data",
    "Folder of the embedded databases and of what development keeps",
);

/// `ENABLE_LOGGING`, which every process has.
pub const ENABLE_LOGGING: Setting = Setting::new("ENABLE_LOGGING", "true", "Whether to log: true or false");

/// `SHUTDOWN_GRACE`, which every process has.
pub const SHUTDOWN_GRACE: Setting = Setting::new(
    "SHUTDOWN_GRACE",
    "30s",
    "How long running requests may take to finish once the process is told to stop",
);

/// `RUST_LOG`, which every process has.
pub const RUST_LOG: Setting = Setting::optional(
    "RUST_LOG",
    "What to log, such as warn or info,auth_service=debug [default: info]",
);

/// `SERVICE_TOKEN`, which every process has.
pub const SERVICE_TOKEN: Setting = Setting::secret(
    "SERVICE_TOKEN",
    "What services show each other on internal calls, at least 32 characters; two, comma-separated, while it is being changed",
);

#[cfg(test)]
mod tests {
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
}

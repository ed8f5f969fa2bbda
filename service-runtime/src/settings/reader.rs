//! Reads settings one by one and collects everything that is wrong with them.

use std::fmt;

use super::{Setting, Values};
use crate::secret::LiveSecret;

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
    pub fn new(values: &'a Values, settings: &'a [Setting]) -> Self {
        Self {
            values,
            settings,
            faults: values.faults().to_vec(),
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

    /// A secret that may be left out, and may change if it stands in a file; otherwise as
    /// [`Reader::read_optional`] does.
    pub fn read_secret(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<String, String>,
    ) -> Option<Option<LiveSecret>> {
        let file = self.values.file(name).map(Into::into);
        let secret = self.read_optional(name, parse)?;
        Some(secret.map(|text| LiveSecret::new(text, file)))
    }

    /// Notes something that is wrong with a setting.
    pub fn fault(&mut self, name: &str, sentence: impl fmt::Display) {
        self.faults.push(format!("{name} {sentence}"));
    }

    /// Notes a fault that names its setting itself.
    pub fn note(&mut self, fault: impl fmt::Display) {
        self.faults.push(fault.to_string());
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

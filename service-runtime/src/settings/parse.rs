//! Readers of the kinds of values that settings have.

use std::fmt;

use crate::secret::Secret;

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
/// Never; it has the form that [`Reader::read`](super::Reader::read) takes.
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

/// Reads any text as it is.
///
/// # Errors
/// Never; it has the form that [`Reader::read`](super::Reader::read) takes.
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

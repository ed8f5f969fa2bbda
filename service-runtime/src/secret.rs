//! Values that must not be seen: no `Debug`, log line or error shows what a [`Secret`] holds.

use std::{fmt, io, path::PathBuf};

/// Something secret. It is read by [`Secret::expose`] alone, so every reading can be found.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps it.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// What it holds, for the one who needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

/// A secret text that may be another one while the process runs, if it stands in a file.
#[derive(Debug, Clone)]
pub struct LiveSecret {
    text: Secret<String>,
    file: Option<PathBuf>,
}

impl LiveSecret {
    /// This text, until its file holds another one.
    pub const fn new(text: String, file: Option<PathBuf>) -> Self {
        Self {
            text: Secret::new(text),
            file,
        }
    }

    /// What it was when the settings were read.
    pub const fn expose(&self) -> &String {
        self.text.expose()
    }

    /// Whether it may be another one later.
    pub const fn may_change(&self) -> bool {
        self.file.is_some()
    }

    /// What it is now.
    ///
    /// # Errors
    /// When its file cannot be read, or is empty.
    pub async fn now(&self) -> io::Result<Secret<String>> {
        let Some(file) = &self.file else {
            return Ok(self.text.clone());
        };
        let held = tokio::fs::read_to_string(file).await?;
        let held = without_line_end(&held);
        if held.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Secret::new(held.to_owned()))
    }
}

/// What a file with a secret holds: editors end it with a line break, which is none of it.
pub(crate) fn without_line_end(held: &str) -> &str {
    held.trim_end_matches(['\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_in_a_file_is_what_the_file_holds_now() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let secret = LiveSecret::new("old".to_owned(), Some(file.path().to_owned()));
        secret.now().await.unwrap_err();
        std::fs::write(file.path(), "new \n").unwrap();
        assert_eq!(secret.now().await.unwrap().expose(), "new ");
        assert_eq!(secret.expose(), "old");
        drop(file);
        secret.now().await.unwrap_err();
        let fixed = LiveSecret::new("old".to_owned(), None);
        assert_eq!(fixed.now().await.unwrap().expose(), "old");
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "[secret]");
    }
}

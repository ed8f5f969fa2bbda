//! The secret that development makes once and keeps beside the data, so that a second start can read what the
//! first one wrote.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use service_runtime::{entropy::Entropy, secret::Secret};

/// Where the secrets are. Reading settings makes no file; opening this may.
#[derive(Debug, Clone)]
pub enum SecretKeys {
    /// Given, the one in use first.
    Given(Vec<Secret<Vec<u8>>>),
    /// In the folder, where the first one to open it makes it.
    KeptIn(PathBuf),
}

impl SecretKeys {
    /// The secrets, the one in use first.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn open(&self) -> io::Result<Vec<Secret<Vec<u8>>>> {
        match self {
            Self::Given(secrets) => Ok(secrets.clone()),
            Self::KeptIn(folder) => {
                let secret = read_or_make(folder)?;
                Ok(vec![Secret::new(secret.expose().as_bytes().to_vec())])
            }
        }
    }
}

/// Reads the secret under `data_dir`, or makes it. Of two processes that make it at once, one does.
///
/// # Errors
/// When the folder cannot be written.
fn read_or_make(data_dir: &Path) -> io::Result<Secret<String>> {
    let path = data_dir.join("secret.key");
    fs::create_dir_all(data_dir)?;
    let bytes: [u8; 32] = Entropy::default().bytes().map_err(io::Error::other)?;
    let fresh: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    // Written whole under another name first: nobody ever reads half a secret.
    let draft = data_dir.join(format!("secret.key.{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(fresh.as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, &path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(Secret::new(fs::read_to_string(&path)?.trim().to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_for_the_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let first = read_or_make(folder.path()).unwrap();
        assert_eq!(first.expose().len(), 64);
        assert_eq!(read_or_make(folder.path()).unwrap(), first);
        let mode = fs::metadata(folder.path().join("secret.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

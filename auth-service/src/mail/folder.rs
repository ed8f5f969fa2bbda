//! Mail of a development machine, kept as `<id>.eml` files that sort by time. A file is there as a whole or not
//! at all, and a mail that is sent twice is still one file.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use super::{SendError, message::Message};

/// A folder that keeps mail.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) async fn keep(&self, message: &Message) -> Result<(), SendError> {
        let (folder, id, bytes) = (self.0.clone(), message.id, message.bytes.clone());
        let kept = tokio::task::spawn_blocking(move || write(&folder, id, &bytes)).await;
        match kept {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(SendError::Transient(format!("the mail folder: {error}"))),
            Err(_) => Err(SendError::Transient(
                "the mail folder: writing was cut off".to_owned(),
            )),
        }
    }
}

fn write(folder: &Path, id: Uuid, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let unfinished = folder.join(format!(".{id}.unfinished"));
    // Links in mails act for their readers, so other users of the machine must not read them.
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(format!("{id}.eml")))?;
    // The new name is on the disk only once its folder is.
    File::open(folder)?.sync_all()
}

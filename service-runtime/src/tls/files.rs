//! The files: where they are, and what they hold at one moment.

use std::{fmt, fs, path::PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

/// A file, and the variable that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) path: PathBuf,
}

/// A file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {} {what}", .path.display())]
pub(super) struct BadFile {
    name: &'static str,
    path: PathBuf,
    what: String,
}

impl File {
    pub(super) fn read(&self) -> Result<Vec<u8>, BadFile> {
        fs::read(&self.path).map_err(|error| self.bad(format_args!("cannot be read: {error}")))
    }

    pub(super) fn bad(&self, what: impl fmt::Display) -> BadFile {
        BadFile {
            name: self.name,
            path: self.path.clone(),
            what: what.to_string(),
        }
    }
}

/// Everything that a process shows and trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) certificate: File,
    pub(super) key: File,
    /// Whom to trust, where others are asked who they are.
    pub(super) authority: Option<File>,
}

/// What the files held when they were read.
pub(super) struct Contents {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) authority: Option<Vec<u8>>,
}

impl Files {
    pub(super) fn read(&self) -> Result<Contents, BadFile> {
        Ok(Contents {
            certificate: self.certificate.read()?,
            key: self.key.read()?,
            authority: self.authority.as_ref().map(File::read).transpose()?,
        })
    }
}

impl Contents {
    /// Tells these contents from others without keeping a private key.
    pub(super) fn digest(&self) -> Vec<u8> {
        let mut context = Context::new(&SHA256);
        for file in [&self.certificate, &self.key].into_iter().chain(&self.authority) {
            context.update(&file.len().to_be_bytes());
            context.update(file);
        }
        context.finish().as_ref().to_vec()
    }
}

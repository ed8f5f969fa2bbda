//! The way out of the house for mail: a queued mail becomes a message, and the message goes to a mail server or,
//! in development, into a folder. A message is the same bytes at every attempt, and nothing here logs one.

pub mod folder;
mod letter;
mod link;
pub mod message;
pub mod smtp;
mod validity;

use std::path::PathBuf;

use folder::Folder;
use message::Message;
use smtp::{Smtp, SmtpConfig};

/// Where mail goes.
#[derive(Debug, Clone)]
pub enum MailDestination {
    /// To a mail server.
    Smtp(SmtpConfig),
    /// Into a folder, as `.eml` files.
    Folder(PathBuf),
}

/// Sends messages to one destination.
#[derive(Debug)]
pub enum Mailer {
    /// To a mail server.
    Smtp(Smtp),
    /// Into a folder.
    Folder(Folder),
}

/// Why a message was not taken. The text is free of addresses, tokens and the mail server's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Trying again may help.
    #[error("{0}")]
    Transient(String),
    /// This message will never be taken.
    #[error("{0}")]
    Permanent(String),
}

impl Mailer {
    /// Gets ready to send; nothing is connected to yet.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the destination.
    pub fn new(destination: MailDestination) -> Result<Self, String> {
        match destination {
            MailDestination::Smtp(config) => Smtp::new(config).map(Self::Smtp),
            MailDestination::Folder(path) => Ok(Self::Folder(Folder::new(path))),
        }
    }

    /// Sends a message. To stop waiting, drop the future: nothing of it is left that could disturb another one.
    ///
    /// # Errors
    /// [`SendError`]; after a transient one the message may still have been taken, if the answer was lost.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        match self {
            Self::Smtp(smtp) => smtp.send(message).await,
            Self::Folder(folder) => folder.keep(message).await,
        }
    }
}

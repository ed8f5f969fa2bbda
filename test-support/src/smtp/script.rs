//! What a test says to a mail server: what to do at which step of a conversation.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::Message;

/// The step at which a server asks its script what to do. It has read what the client said and not answered
/// yet, except at [`Stage::Accepted`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// A client has connected and waits for the greeting.
    Connected,
    /// `EHLO` or `HELO`, with the name the client gives itself.
    Ehlo(String),
    /// `STARTTLS`.
    StartTls,
    /// `AUTH`, with the user name; the credentials are judged after this.
    Auth(String),
    /// `MAIL FROM`, with the address.
    MailFrom(String),
    /// `RCPT TO`, with the address.
    RcptTo(String),
    /// `DATA`.
    Data,
    /// The whole mail has been read and is not yet kept. Whatever is done here but to continue, it never will
    /// be.
    Body(Message),
    /// The mail is kept, and the client does not know it yet: to drop the connection here loses the answer,
    /// not the mail.
    Kept(Message),
    /// The client has been told that the mail is kept.
    Accepted(Message),
    /// `QUIT`.
    Quit,
}

/// What to do at a [`Stage`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Answer as a server with no script would.
    Continue,
    /// Answer with this code and text instead. A code of 400 or more refuses what the client asked for.
    Reply(u16, String),
    /// Answer as usual, but one byte at a time with this pause between bytes.
    Dribble(Duration),
    /// Close the connection without an answer.
    Drop,
    /// Never answer, and keep the connection open until the client leaves.
    Stall,
}

impl Action {
    /// Answer with this code and text instead.
    #[must_use]
    pub fn reply(code: u16, text: impl Into<String>) -> Self {
        Self::Reply(code, text.into())
    }
}

/// A script as a server holds it.
pub(super) type Script = Arc<dyn Fn(Stage) -> Pin<Box<dyn Future<Output = Action> + Send>> + Send + Sync>;

/// The script of a server that behaves.
pub(super) fn well_behaved() -> Script {
    at_once(|_| Action::Continue)
}

/// A script that answers without waiting for anything.
pub(super) fn at_once(script: impl Fn(Stage) -> Action + Send + Sync + 'static) -> Script {
    Arc::new(move |stage| Box::pin(std::future::ready(script(stage))))
}

/// A script that may wait, for a signal of the test say, before it answers.
pub(super) fn in_time<F, Answer>(script: F) -> Script
where
    F: Fn(Stage) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Action> + Send + 'static,
{
    Arc::new(move |stage| Box::pin(script(stage)))
}

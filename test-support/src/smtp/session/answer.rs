//! Answering as the script says.

use std::io::{self, ErrorKind};

use tokio::io::AsyncWriteExt;

use super::Session;
use crate::smtp::{Action, Stage};

/// What the script decided, once the decisions that end a conversation are out of the way.
pub(super) struct Verdict(pub(super) Action);

impl Verdict {
    pub(super) fn refuses(&self) -> bool {
        matches!(self.0, Action::Reply(code, _) if code >= 400)
    }
}

impl Session {
    /// Asks the script and answers. Returns whether the client got what it asked for.
    pub(super) async fn answer(&mut self, stage: Stage, code: u16, text: &str) -> io::Result<bool> {
        let verdict = self.decide(stage).await?;
        let is_accepted = !verdict.refuses();
        self.pronounce(verdict, code, text).await?;
        Ok(is_accepted)
    }

    /// Asks the script, and carries out what ends the conversation.
    pub(super) async fn decide(&mut self, stage: Stage) -> io::Result<Verdict> {
        match self.shared.ask(stage).await {
            Action::Drop => {
                self.note("S", "(drops the connection)");
                Err(ErrorKind::ConnectionAborted.into())
            }
            Action::Stall => {
                self.note("S", "(stalls)");
                // Reading on is how the client's leaving is noticed.
                tokio::io::copy(&mut self.stream, &mut tokio::io::sink()).await?;
                Err(ErrorKind::ConnectionAborted.into())
            }
            action => Ok(Verdict(action)),
        }
    }

    /// Answers as decided; `code` and `text` are the usual answer.
    pub(super) async fn pronounce(&mut self, verdict: Verdict, code: u16, text: &str) -> io::Result<()> {
        match verdict.0 {
            Action::Reply(code, text) => self.say(code, &text).await,
            Action::Dribble(pause) => {
                for byte in self.reply(code, text).into_bytes() {
                    self.stream.write_all(&[byte]).await?;
                    self.stream.flush().await?;
                    tokio::time::sleep(pause).await;
                }
                Ok(())
            }
            _ => self.say(code, text).await,
        }
    }

    pub(super) async fn say(&mut self, code: u16, text: &str) -> io::Result<()> {
        let reply = self.reply(code, text);
        self.stream.write_all(reply.as_bytes()).await?;
        self.stream.flush().await
    }

    /// The lines of `text` as the lines of one reply.
    fn reply(&self, code: u16, text: &str) -> String {
        let lines: Vec<&str> = text.split('\n').collect();
        let mut reply = String::new();
        for (place, line) in lines.iter().enumerate() {
            let separator = if place + 1 == lines.len() { ' ' } else { '-' };
            let line = format!("{code}{separator}{line}");
            self.note("S", &line);
            reply.push_str(&line);
            reply.push_str("\r\n");
        }
        reply
    }

    pub(super) fn note(&self, who: &str, line: &str) {
        self.shared
            .transcript
            .lock()
            .expect("nothing panics under the lock")
            .push(format!("{who}: {line}"));
    }
}

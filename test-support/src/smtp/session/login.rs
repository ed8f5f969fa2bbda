//! `AUTH` (RFC 4954), by the mechanisms PLAIN and LOGIN.

use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::Session;
use crate::smtp::{Login, Stage, command};

impl Session {
    pub(super) async fn authenticate(&mut self, argument: &str) -> io::Result<()> {
        let (mechanism, initial) = command::split(argument);
        let given = match (
            mechanism.as_str(),
            self.shared.credentials.is_some() && !self.offers_tls(),
        ) {
            (_, false) => return self.say(502, "no AUTH here").await,
            ("PLAIN", _) => self.plain(initial).await?,
            ("LOGIN", _) => self.login(initial).await?,
            _ => return self.say(504, "unknown mechanism").await,
        };
        let Some((username, password)) = given else {
            return self.say(501, "not understood").await;
        };
        let verdict = self.decide(Stage::Auth(username.clone())).await?;
        let given = (username, password);
        let accepted = !verdict.refuses() && self.shared.credentials.as_ref() == Some(&given);
        let (username, password) = given;
        self.login = accepted.then(|| username.clone());
        let login = Login {
            mechanism,
            username,
            password,
            encrypted: self.encrypted,
            accepted,
        };
        self.shared
            .logins
            .lock()
            .expect("nothing panics under the lock")
            .push(login);
        let (code, text) = if accepted {
            (235, "welcome")
        } else {
            (535, "wrong credentials")
        };
        self.pronounce(verdict, code, text).await
    }

    /// `AUTH PLAIN` (RFC 4616): both words in one answer. `None`: it could not be read.
    async fn plain(&mut self, initial: &str) -> io::Result<Option<(String, String)>> {
        let words = if initial.is_empty() {
            self.challenge("").await?
        } else {
            decode(initial)
        };
        Ok(words.and_then(|words| {
            let mut words = words.split('\0').skip(1).map(str::to_owned);
            words.next().zip(words.next())
        }))
    }

    /// `AUTH LOGIN`: one question for each word. `None`: an answer could not be read.
    async fn login(&mut self, initial: &str) -> io::Result<Option<(String, String)>> {
        let username = if initial.is_empty() {
            self.challenge("Username:").await?
        } else {
            decode(initial)
        };
        let password = self.challenge("Password:").await?;
        Ok(username.zip(password))
    }

    async fn challenge(&mut self, question: &str) -> io::Result<Option<String>> {
        self.say(334, &BASE64_STANDARD.encode(question)).await?;
        Ok(decode(&self.read_line().await?))
    }
}

fn decode(word: &str) -> Option<String> {
    String::from_utf8(BASE64_STANDARD.decode(word).ok()?).ok()
}

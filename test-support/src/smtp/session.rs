//! One conversation with one client (RFC 5321), which asks the script before every answer.

use std::io::{self, ErrorKind};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::builder::Tls;
use super::server::Shared;
use super::{Action, Login, Message, Stage, command};

/// A connection, encrypted or not.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The state of one conversation. An error of any of its methods is its end: the client left, or the script
/// cut it.
pub(super) struct Session {
    stream: BufReader<Box<dyn Stream>>,
    shared: Arc<Shared>,
    encrypted: bool,
    login: Option<String>,
    from: Option<String>,
    recipients: Vec<String>,
}

/// What the script decided, once the decisions that end a conversation are out of the way.
struct Verdict(Action);

impl Verdict {
    fn refuses(&self) -> bool {
        matches!(self.0, Action::Reply(code, _) if code >= 400)
    }
}

impl Session {
    /// Talks with a client until one of both leaves.
    pub(super) async fn converse(stream: TcpStream, shared: Arc<Shared>) {
        // How a conversation ends is for the client to notice.
        let _ = Self::begin(stream, shared).await;
    }

    async fn begin(stream: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
        let acceptor = match &shared.tls {
            Tls::FromStart(acceptor) => Some(acceptor.clone()),
            Tls::Never | Tls::OnRequest(_) => None,
        };
        let encrypted = acceptor.is_some();
        let stream: Box<dyn Stream> = match acceptor {
            Some(acceptor) => Box::new(acceptor.accept(stream).await?),
            None => Box::new(stream),
        };
        let stream = BufReader::new(stream);
        let mut session = Self {
            stream,
            shared,
            encrypted,
            login: None,
            from: None,
            recipients: Vec::new(),
        };
        session.answer(Stage::Connected, 220, "localhost ESMTP").await?;
        loop {
            let line = session.read_line().await?;
            let (verb, argument) = command::split(&line);
            // Credentials stay out of the transcript, which is printed.
            let shown = if verb == "AUTH" { "AUTH …" } else { &line };
            session.note("C", shown);
            match verb.as_str() {
                "STARTTLS" => session = session.start_tls().await?,
                "QUIT" => {
                    session.answer(Stage::Quit, 221, "bye").await?;
                    return session.stream.shutdown().await;
                }
                _ => session.obey(&verb, argument).await?,
            }
        }
    }

    async fn obey(&mut self, verb: &str, argument: &str) -> io::Result<()> {
        match verb {
            "EHLO" => {
                self.forget_mail();
                let greeting = self.capabilities().join("\n");
                self.answer(Stage::Ehlo(argument.to_owned()), 250, &greeting)
                    .await?;
            }
            "HELO" => {
                self.forget_mail();
                self.answer(Stage::Ehlo(argument.to_owned()), 250, "localhost")
                    .await?;
            }
            "AUTH" => self.authenticate(argument).await?,
            "MAIL" => self.mail(argument).await?,
            "RCPT" => self.recipient(argument).await?,
            "DATA" => self.data().await?,
            "RSET" => {
                self.forget_mail();
                self.say(250, "forgotten").await?;
            }
            "NOOP" => self.say(250, "nothing done").await?,
            _ => self.say(500, "unknown command").await?,
        }
        Ok(())
    }

    fn capabilities(&self) -> Vec<&'static str> {
        let mut lines = vec!["localhost", "8BITMIME", "SMTPUTF8"];
        if self.offers_tls() {
            lines.push("STARTTLS");
        } else if self.shared.credentials.is_some() {
            lines.push("AUTH PLAIN LOGIN");
        }
        lines
    }

    fn offers_tls(&self) -> bool {
        matches!(self.shared.tls, Tls::OnRequest(_)) && !self.encrypted
    }

    async fn start_tls(mut self) -> io::Result<Self> {
        let Tls::OnRequest(acceptor) = self.shared.tls.clone() else {
            self.say(502, "no STARTTLS here").await?;
            return Ok(self);
        };
        if self.encrypted {
            self.say(503, "already encrypted").await?;
            return Ok(self);
        }
        if !self.answer(Stage::StartTls, 220, "go ahead").await? {
            return Ok(self);
        }
        // What a client sent after the command in the clear goes with the buffer: it must not count as
        // encrypted.
        let stream: Box<dyn Stream> = Box::new(acceptor.accept(self.stream.into_inner()).await?);
        let stream = BufReader::new(stream);
        Ok(Self {
            stream,
            encrypted: true,
            login: None,
            from: None,
            recipients: Vec::new(),
            ..self
        })
    }

    async fn authenticate(&mut self, argument: &str) -> io::Result<()> {
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

    async fn mail(&mut self, argument: &str) -> io::Result<()> {
        if self.shared.credentials.is_some() && self.login.is_none() {
            return self.say(530, "log in first").await;
        }
        let Some(address) = command::address(argument, "FROM:") else {
            return self.say(501, "MAIL FROM:<address>").await;
        };
        self.forget_mail();
        if self
            .answer(Stage::MailFrom(address.clone()), 250, "sender ok")
            .await?
        {
            self.from = Some(address);
        }
        Ok(())
    }

    async fn recipient(&mut self, argument: &str) -> io::Result<()> {
        if self.from.is_none() {
            return self.say(503, "MAIL first").await;
        }
        let Some(address) = command::address(argument, "TO:") else {
            return self.say(501, "RCPT TO:<address>").await;
        };
        if self
            .answer(Stage::RcptTo(address.clone()), 250, "recipient ok")
            .await?
        {
            self.recipients.push(address);
        }
        Ok(())
    }

    async fn data(&mut self) -> io::Result<()> {
        if self.recipients.is_empty() {
            return self.say(503, "RCPT first").await;
        }
        if !self
            .answer(Stage::Data, 354, "end with a dot on a line of its own")
            .await?
        {
            return Ok(());
        }
        let message = Message {
            data: self.read_mail().await?,
            envelope_from: self.from.take().unwrap_or_default(),
            recipients: std::mem::take(&mut self.recipients),
            encrypted: self.encrypted,
            login: self.login.clone(),
        };
        let mut verdict = self.decide(Stage::Body(message.clone())).await?;
        if !verdict.refuses() {
            self.shared
                .messages
                .send_modify(|messages| messages.push(message.clone()));
            let later = self.decide(Stage::Kept(message.clone())).await?;
            if later.0 != Action::Continue {
                verdict = later;
            }
        }
        let is_accepted = !verdict.refuses();
        self.pronounce(verdict, 250, "kept").await?;
        if is_accepted && let Action::Reply(code, text) = self.decide(Stage::Accepted(message)).await?.0 {
            self.say(code, &text).await?;
        }
        Ok(())
    }

    fn forget_mail(&mut self) {
        self.from = None;
        self.recipients.clear();
    }

    /// Asks the script and answers. Returns whether the client got what it asked for.
    async fn answer(&mut self, stage: Stage, code: u16, text: &str) -> io::Result<bool> {
        let verdict = self.decide(stage).await?;
        let is_accepted = !verdict.refuses();
        self.pronounce(verdict, code, text).await?;
        Ok(is_accepted)
    }

    /// Asks the script, and carries out what ends the conversation.
    async fn decide(&mut self, stage: Stage) -> io::Result<Verdict> {
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
    async fn pronounce(&mut self, verdict: Verdict, code: u16, text: &str) -> io::Result<()> {
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

    async fn say(&mut self, code: u16, text: &str) -> io::Result<()> {
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

    fn note(&self, who: &str, line: &str) {
        self.shared
            .transcript
            .lock()
            .expect("nothing panics under the lock")
            .push(format!("{who}: {line}"));
    }

    async fn read_line(&mut self) -> io::Result<String> {
        let line = self.read_raw_line().await?;
        Ok(String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_owned())
    }

    /// Reads up to the line with nothing but a dot, and takes away the dots that were stuffed in front of
    /// others.
    async fn read_mail(&mut self) -> io::Result<Vec<u8>> {
        let mut mail = Vec::new();
        loop {
            let line = self.read_raw_line().await?;
            if line == b".\r\n" {
                return Ok(mail);
            }
            mail.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    async fn read_raw_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await?;
        // Half a line is what a client leaves behind that dies while writing: no command, and no end of a
        // mail.
        if line.ends_with(b"\n") {
            Ok(line)
        } else {
            Err(ErrorKind::UnexpectedEof.into())
        }
    }
}

fn decode(word: &str) -> Option<String> {
    String::from_utf8(BASE64_STANDARD.decode(word).ok()?).ok()
}

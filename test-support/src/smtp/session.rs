//! One conversation with one client (RFC 5321), which asks the script before every answer.

mod answer;
mod login;
mod read;

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::builder::Tls;
use super::server::Shared;
use super::{Action, Message, Stage, command};

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
}

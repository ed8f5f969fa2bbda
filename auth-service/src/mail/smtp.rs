//! Mail over SMTP. Each message has a connection of its own, so that one that was cut off in the middle cannot
//! be taken for the answer to another. What is wrong with the server or our account there can be mended and is
//! transient; only a refusal of this recipient or this content is permanent.
//!
//! lettre's `tracing` feature stays off: it logs whole messages, with the links in them.

mod fault;

use std::time::Duration;

use futures_util::FutureExt;
use lettre::transport::smtp::{
    Error,
    authentication::{Credentials, DEFAULT_MECHANISMS},
    client::{AsyncSmtpConnection, TlsParameters},
    commands::{Data, Mail, Rcpt},
    extension::ClientId,
    response::Response,
};
use service_runtime::secret::LiveSecret;

use super::{SendError, message::Message};

/// How long the server may take until mail may be sent: to answer, to greet, to encrypt, to take our login. One that
/// is slower is not well, and holds up mail that others would take.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long one of its network addresses may take to answer, so that the next one has its turn.
const ADDRESS_WITHIN: Duration = Duration::from_secs(4);
/// The port on which a server speaks TLS from the first byte (RFC 8314).
const SUBMISSIONS_PORT: u16 = 465;
/// The codes of a server that takes no mail from whoever is not, or not well enough, logged in (RFC 4954).
const WANTS_LOGIN: [u16; 4] = [530, 534, 535, 538];

/// A mail server, and how to talk to it.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// Its name, which its certificate must hold.
    pub host: String,
    /// Its port; on 465 TLS begins with the first byte.
    pub port: u16,
    /// The name to log in with; without one nobody logs in.
    pub username: Option<String>,
    /// The password to log in with.
    pub password: Option<LiveSecret>,
    /// Whether nothing may be sent but over TLS.
    pub use_tls: bool,
}

/// When a connection changes to TLS.
enum Encryption {
    Never,
    ByStartTls(TlsParameters),
    FromStart(TlsParameters),
}

/// Sends messages to a mail server.
pub struct Smtp {
    host: String,
    port: u16,
    encryption: Encryption,
    username: Option<String>,
    password: Option<LiveSecret>,
    /// What we call ourselves.
    name: ClientId,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Smtp");
        shown
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Smtp {
    pub(super) fn new(config: SmtpConfig) -> Result<Self, String> {
        let tls = || {
            TlsParameters::new(config.host.clone())
                .map_err(|error| format!("TLS to the mail server cannot be set up: {error}"))
        };
        let encryption = match (config.use_tls, config.port) {
            (false, _) => Encryption::Never,
            (true, SUBMISSIONS_PORT) => Encryption::FromStart(tls()?),
            (true, _) => Encryption::ByStartTls(tls()?),
        };
        Ok(Self {
            host: config.host,
            port: config.port,
            encryption,
            username: config.username,
            password: config.password,
            name: ClientId::default(),
        })
    }

    pub(super) async fn send(&self, message: &Message) -> Result<(), SendError> {
        let connecting = tokio::time::timeout(CONNECT_WITHIN, self.connect()).await;
        let mut connection =
            connecting.unwrap_or_else(|_| Err(SendError::Transient("connecting: too slow".to_owned())))?;
        let from = Mail::new(message.envelope.from().cloned(), Vec::new());
        connection.command(from).await.map_err(transient("MAIL FROM"))?;
        for recipient in message.envelope.to() {
            let to = Rcpt::new(recipient.clone(), Vec::new());
            connection.command(to).await.map_err(of_recipient)?;
        }
        let ready = connection.command(Data).await.map_err(by_code("DATA"))?;
        expect_go_ahead(&ready)?;
        connection
            .message(&message.bytes)
            .await
            .map_err(by_code("the end of the message"))?;
        // The message is taken, and its sender should know at once: goodbye is said, but no answer waited for.
        let _ = connection.quit().now_or_never();
        Ok(())
    }

    /// A connection on which mail may be sent: encrypted and logged in as far as that is wanted.
    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let tls_from_start = match &self.encryption {
            Encryption::FromStart(tls) => Some(tls.clone()),
            Encryption::Never | Encryption::ByStartTls(_) => None,
        };
        let server = (self.host.as_str(), self.port);
        let within = Some(ADDRESS_WITHIN);
        let connecting =
            AsyncSmtpConnection::connect_tokio1(server, within, &self.name, tls_from_start, None);
        let mut connection = connecting.await.map_err(transient("connecting"))?;
        if let Encryption::ByStartTls(tls) = &self.encryption {
            connection
                .starttls(tls.clone(), &self.name)
                .await
                .map_err(transient("STARTTLS"))?;
        }
        if let Some(username) = &self.username {
            let credentials = Credentials::new(username.clone(), self.password_now().await?);
            connection
                .auth(DEFAULT_MECHANISMS, &credentials)
                .await
                .map_err(transient("logging in"))?;
        }
        Ok(connection)
    }

    /// The password as it is now: it may be changed while the service runs.
    async fn password_now(&self) -> Result<String, SendError> {
        let Some(password) = &self.password else {
            return Ok(String::new());
        };
        match password.now().await {
            Ok(password) => Ok(password.expose().clone()),
            Err(error) => Err(SendError::Transient(format!("EMAIL_PASSWORD_FILE: {error}"))),
        }
    }
}

/// Only 354 asks for the message; whatever else counts as success would end in a message nobody keeps.
fn expect_go_ahead(answer: &Response) -> Result<(), SendError> {
    if answer.has_code(354) {
        Ok(())
    } else {
        Err(SendError::Transient(format!(
            "DATA: {} instead of 354",
            answer.code()
        )))
    }
}

/// A failure of a step that is not about this message.
fn transient(step: &'static str) -> impl FnOnce(Error) -> SendError {
    move |error| SendError::Transient(format!("{step}: {}", fault::describe(&error)))
}

/// A refusal at a recipient: many servers tell only then what they think of the sender, or that they relay nothing
/// for us. Enhanced codes 5.7.x, 5.1.7 and 5.1.8 (RFC 3463) are about that and not about the recipient.
fn of_recipient(error: Error) -> SendError {
    let about_us = ["5.7.", "5.1.7", "5.1.8"];
    match fault::enhanced(&error) {
        Some(code) if about_us.iter().any(|about| code.starts_with(about)) => transient("RCPT TO")(error),
        _ => by_code("RCPT TO")(error),
    }
}

/// A failure of a step that is about this message: the server's code says whether it is for good.
fn by_code(step: &'static str) -> impl FnOnce(Error) -> SendError {
    move |error| {
        let reason = format!("{step}: {}", fault::describe(&error));
        let is_about_us = error
            .status()
            .is_some_and(|code| WANTS_LOGIN.contains(&u16::from(code)));
        if error.is_permanent() && !is_about_us {
            SendError::Permanent(reason)
        } else {
            SendError::Transient(reason)
        }
    }
}

//! How a mail server is set before it starts.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::script::{self, Script};
use super::{Action, SmtpServer, Stage};
use crate::certificate::Certificate;

/// When a server changes to TLS.
#[derive(Clone)]
pub(super) enum Tls {
    Never,
    /// When the client asks by `STARTTLS`.
    OnRequest(TlsAcceptor),
    /// Before the first word.
    FromStart(TlsAcceptor),
}

/// The settings of a server that is to be started. Made by [`SmtpServer::builder`].
pub struct Builder {
    pub(super) address: SocketAddr,
    pub(super) credentials: Option<(String, String)>,
    pub(super) tls: Tls,
    pub(super) script: Script,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            credentials: None,
            tls: Tls::Never,
            script: script::well_behaved(),
        }
    }

    /// Listens here, for instance where a stopped server did, instead of at a free port of 127.0.0.1.
    #[must_use]
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Offers `AUTH PLAIN` and `AUTH LOGIN`, takes these credentials, and no mail from anyone without them. A
    /// server that also has STARTTLS offers `AUTH` only after it.
    #[must_use]
    pub fn credentials(mut self, username: impl Into<String>, password: impl Into<String>) -> Self {
        self.credentials = Some((username.into(), password.into()));
        self
    }

    /// Offers STARTTLS with this certificate; clients may go on without.
    #[must_use]
    pub fn starttls(mut self, certificate: &Certificate) -> Self {
        self.tls = Tls::OnRequest(certificate.acceptor());
        self
    }

    /// Speaks TLS with this certificate from the first byte.
    #[must_use]
    pub fn implicit_tls(mut self, certificate: &Certificate) -> Self {
        self.tls = Tls::FromStart(certificate.acceptor());
        self
    }

    /// Asks `script` at each stage of each conversation what to do.
    #[must_use]
    pub fn script(mut self, script: impl Fn(Stage) -> Action + Send + Sync + 'static) -> Self {
        self.script = script::at_once(script);
        self
    }

    /// The same for a script that waits for something before it answers.
    #[must_use]
    pub fn script_async<F, Answer>(mut self, script: F) -> Self
    where
        F: Fn(Stage) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Action> + Send + 'static,
    {
        self.script = script::in_time(script);
        self
    }

    /// Starts the server. It takes connections when this returns.
    ///
    /// # Panics
    ///
    /// If the address cannot be listened at.
    pub async fn start(self) -> SmtpServer {
        let listener = TcpListener::bind(self.address)
            .await
            .expect("an address for the SMTP server of a test");
        SmtpServer::serve(listener, self)
    }
}

//! The mail server of a test: what it has received, and its life.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::builder::{Builder, Tls};
use super::script::{self, Script};
use super::session::Session;
use super::{Action, Login, Message, Stage};

/// A running SMTP server. It stops, with all its connections, when it is dropped.
pub struct SmtpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Which mails [`SmtpServer::next_to`] has handed out, by their place among all and the address in lower
    /// case.
    handed_out: Mutex<HashSet<(usize, String)>>,
    accepting: JoinHandle<()>,
}

/// What all conversations of a server have in common.
pub(super) struct Shared {
    pub(super) credentials: Option<(String, String)>,
    pub(super) tls: Tls,
    pub(super) messages: watch::Sender<Vec<Message>>,
    pub(super) logins: Mutex<Vec<Login>>,
    pub(super) transcript: Mutex<Vec<String>>,
    script: RwLock<Script>,
    connections: AtomicUsize,
}

impl Shared {
    /// Asks the script of this moment what to do.
    pub(super) async fn ask(&self, stage: Stage) -> Action {
        // Clone and let go of the lock: the test may replace the script while this one waits.
        let script = Arc::clone(&self.script.read().expect("no script panics under the lock"));
        script(stage).await
    }
}

impl SmtpServer {
    /// Starts a server that takes every mail, without TLS and logins, at a free port of 127.0.0.1.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A server with settings of its own.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port it listens at.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From the next stage on asks `script`, also in conversations that are under way.
    pub fn set_script(&self, script: impl Fn(Stage) -> Action + Send + Sync + 'static) {
        *self
            .shared
            .script
            .write()
            .expect("no script panics under the lock") = script::at_once(script);
    }

    /// From the next stage on answers as a server with no script.
    pub fn behave(&self) {
        self.set_script(|_| Action::Continue);
    }

    /// All mail kept so far, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.shared.messages.borrow().clone()
    }

    /// All attempts to log in so far, oldest first.
    #[must_use]
    pub fn logins(&self) -> Vec<Login> {
        self.shared
            .logins
            .lock()
            .expect("nothing panics under the lock")
            .clone()
    }

    /// Every command and answer line so far, of all connections as they came, each after `C: ` or `S: `. Mail
    /// and credentials are not in it.
    #[must_use]
    pub fn transcript(&self) -> Vec<String> {
        self.shared
            .transcript
            .lock()
            .expect("nothing panics under the lock")
            .clone()
    }

    /// How many connections there have been so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Waits until `count` mails have been kept since the start, and returns all there are then.
    ///
    /// # Panics
    ///
    /// If that takes longer than `timeout`; the message says what was received.
    pub async fn wait_for(&self, count: usize, timeout: Duration) -> Vec<Message> {
        self.when(timeout, &format!("{count} mails"), |messages| {
            (messages.len() >= count).then(|| messages.to_vec())
        })
        .await
    }

    /// The oldest mail to this address that was not returned before, waited for if need be.
    ///
    /// # Panics
    ///
    /// If there is none within `timeout`; the message says what was received.
    pub async fn next_to(&self, address: &str, timeout: Duration) -> Message {
        self.when(timeout, &format!("another mail to {address}"), |messages| {
            let mut handed_out = self.handed_out.lock().expect("nothing panics under the lock");
            let mut to_address = messages
                .iter()
                .enumerate()
                .filter(|(_, message)| message.is_to(address));
            let next =
                to_address.find(|(place, _)| handed_out.insert((*place, address.to_ascii_lowercase())));
            next.map(|(_, message)| message.clone())
        })
        .await
    }

    /// Stops listening and cuts every connection. Returns when the port is free again, and can be given to
    /// [`Builder::address`].
    pub async fn stop(mut self) -> SocketAddr {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
        self.address
    }

    pub(super) fn serve(listener: TcpListener, settings: Builder) -> Self {
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared {
            credentials: settings.credentials,
            tls: settings.tls,
            messages: watch::Sender::new(Vec::new()),
            logins: Mutex::default(),
            transcript: Mutex::default(),
            script: RwLock::new(settings.script),
            connections: AtomicUsize::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            handed_out: Mutex::default(),
            accepting,
        }
    }

    async fn when<T>(
        &self,
        timeout: Duration,
        what: &str,
        mut find: impl FnMut(&[Message]) -> Option<T>,
    ) -> T {
        let mut messages = self.shared.messages.subscribe();
        let search = async {
            loop {
                if let Some(found) = find(&messages.borrow_and_update()) {
                    return found;
                }
                messages
                    .changed()
                    .await
                    .expect("the sender lives as long as the server");
            }
        };
        match tokio::time::timeout(timeout, search).await {
            Ok(found) => found,
            Err(_) => panic!(
                "no {what} within {timeout:?}. The conversations:\n{}",
                self.transcript().join("\n")
            ),
        }
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Takes connections until it is aborted, which ends the conversations too: they belong to it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut conversations = JoinSet::new();
    loop {
        // A failed accept is a client that has already left.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        shared.connections.fetch_add(1, Ordering::Relaxed);
        conversations.spawn(Session::converse(stream, Arc::clone(&shared)));
        while conversations.try_join_next().is_some() {}
    }
}

//! TLS: what a process shows of itself and whom it trusts, read from files and again whenever they change.
//!
//! - A process that has a certificate speaks TLS on every listener.
//! - One that also has an authority is called by other services only with a certificate of that authority, shows
//!   its own when it calls, and calls nobody in the clear.
//! - The files are read every few seconds. What cannot be used is logged, and what was read before goes on.
//!   Connections that are open stay open.

mod files;
mod pinned;
mod roles;
mod settings;

pub use self::settings::{TLS_CA, TLS_CERT, TLS_KEY};

use std::{
    fmt, io,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor, TlsConnector, client,
    rustls::{ClientConfig, ServerConfig, pki_types::ServerName},
    server,
};

use self::{
    files::{BadFile, Files},
    roles::Roles,
};
use crate::lifecycle::Tasks;

/// How often the files are read.
const REREAD: Duration = Duration::from_secs(5);

/// What a process shows of itself and whom it trusts; nothing by default. Cheap to clone; clones follow the files
/// together.
#[derive(Clone, Default)]
pub struct Tls(Option<Arc<Read>>);

/// The files, and what was last made of them.
struct Read {
    files: Files,
    roles: RwLock<Arc<Roles>>,
}

impl Tls {
    fn from_files(files: Files) -> Result<Self, BadFile> {
        let roles = Roles::of(&files, &files.read()?)?;
        let roles = RwLock::new(Arc::new(roles));
        Ok(Self(Some(Arc::new(Read { files, roles }))))
    }

    /// For listeners that services call: mutual where there is an authority. `None` without a certificate.
    pub fn for_services(&self) -> Option<Acceptor> {
        self.acceptor(|roles| &roles.for_services)
    }

    /// For listeners that anybody calls: nobody is asked for a certificate. `None` without one of our own.
    pub fn for_anyone(&self) -> Option<Acceptor> {
        self.acceptor(|roles| &roles.for_anyone)
    }

    /// For calling other services. `None` without an authority that tells who they are.
    pub fn for_calls(&self) -> Option<Connector> {
        self.connector(|roles| roles.calls.as_ref())
    }

    /// For calling the process that shows the very same certificate. `None` without one.
    pub(crate) fn for_itself(&self) -> Option<Connector> {
        self.connector(|roles| Some(&roles.itself))
    }

    /// How addresses of our listeners begin: `http` or `https`.
    pub const fn scheme(&self) -> &'static str {
        match self.0 {
            Some(_) => "https",
            None => "http",
        }
    }

    /// Reads the files again and again until the tasks are asked to stop.
    pub fn follow(&self, tasks: &Tasks) {
        let (Some(read), stop) = (self.0.clone(), tasks.clone()) else {
            return;
        };
        tasks.spawn("certificates", async move {
            let mut complaint = None;
            while stop.sleep(REREAD).await {
                let reading = Arc::clone(&read);
                // A file may be slow to come.
                match tokio::task::spawn_blocking(move || reading.again()).await {
                    Ok(Ok(is_new)) => {
                        complaint = None;
                        if is_new {
                            let certificate = read.files.certificate.path.display();
                            tracing::info!(%certificate, "certificates have changed");
                        }
                    }
                    Ok(Err(bad)) if complaint.as_ref() != Some(&bad) => {
                        tracing::error!(%bad, "changed certificates cannot be used; the former ones go on");
                        complaint = Some(bad);
                    }
                    Ok(Err(_)) | Err(_) => {}
                }
            }
        });
    }

    fn acceptor(&self, role: fn(&Roles) -> &Arc<ServerConfig>) -> Option<Acceptor> {
        let read = self.0.clone()?;
        Some(Acceptor { read, role })
    }

    fn connector(&self, role: fn(&Roles) -> Option<&Arc<ClientConfig>>) -> Option<Connector> {
        let read = self.0.clone()?;
        role(&read.roles()).is_some().then_some(Connector { read, role })
    }
}

impl Read {
    fn roles(&self) -> Arc<Roles> {
        Arc::clone(&self.roles.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over what the files hold now; says whether that is something else than before.
    fn again(&self) -> Result<bool, BadFile> {
        let contents = self.files.read()?;
        let is_new = contents.digest() != self.roles().digest;
        if is_new {
            let roles = Arc::new(Roles::of(&self.files, &contents)?);
            *self.roles.write().unwrap_or_else(PoisonError::into_inner) = roles;
        }
        Ok(is_new)
    }
}

/// Only where the files are.
impl fmt::Debug for Read {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(formatter)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Tls").field(&self.0).finish()
    }
}

/// Takes TLS connections.
#[derive(Debug, Clone)]
pub struct Acceptor {
    read: Arc<Read>,
    role: fn(&Roles) -> &Arc<ServerConfig>,
}

impl Acceptor {
    /// Shakes hands as the files say now.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<server::TlsStream<TcpStream>> {
        let config = Arc::clone((self.role)(&self.read.roles()));
        TlsAcceptor::from(config).accept(stream).await
    }
}

/// Opens TLS connections.
#[derive(Debug, Clone)]
pub struct Connector {
    read: Arc<Read>,
    role: fn(&Roles) -> Option<&Arc<ClientConfig>>,
}

impl Connector {
    /// Shakes hands, as the files say now, with whoever is to show a certificate for `host`.
    pub(crate) async fn connect(
        &self,
        host: &str,
        stream: TcpStream,
    ) -> io::Result<client::TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        // Files that have an authority keep having one.
        let config = (self.role)(&self.read.roles()).cloned();
        let config = config.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        TlsConnector::from(config).connect(name, stream).await
    }
}

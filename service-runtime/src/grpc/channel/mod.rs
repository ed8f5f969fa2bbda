//! The channel to another service: spread over every address its name resolves to, and honest about what became
//! of a request.
//!
//! - Each request goes to the connected address that has the fewest unanswered ones, in turn where that is equal.
//! - A request that was never sent, because its connection was just closed, goes to another address by itself.
//!   One that may have arrived is never repeated here: its caller alone knows whether that is safe.
//! - No more than a fixed number of requests wait for answers; one more is refused at once, so that a service that is
//!   slow takes neither all the memory of its callers nor all their time.
//! - An address that stops answering is noticed by keepalive, left out, and tried again in the background; it gets
//!   requests when it has said something.
//! - The name is resolved anew every few seconds; what an address that is gone still answers is waited for.
//!
//! The `Channel` of tonic keeps sending to addresses that refuse connections, and cannot tell a request that was
//! never sent from one that was.

mod address;
mod keeper;
mod timer;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::BoxFuture;
use http::{
    Request, Response, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::Instant,
};
use tonic::{Status, body::Body};

pub use self::address::{Address, BadAddress, Upstream};
use super::{
    context::{LONGEST_REQUEST, grpc_timeout},
    refusal::overloaded,
};
use crate::tls::{Connector, Tls};

/// How long a request waits for a connection while there is none.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many requests may wait for answers at once.
const MOST_UNANSWERED: usize = 256;
/// How many connections a request may find closed before it is given up.
const MOST_ATTEMPTS: usize = 3;

/// A channel. Cheap to clone; it lives on the runtime that it was made on, and ends with its last clone.
#[derive(Debug, Clone)]
pub struct Channel {
    scheme: Scheme,
    authority: Authority,
    connections: watch::Receiver<Vec<Arc<Connection>>>,
    turn: Arc<AtomicUsize>,
    places: Arc<Semaphore>,
    _keeper: Arc<JoinSet<()>>,
}

/// One place where the service may answer, and the name it answers to there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Endpoint {
    address: SocketAddr,
    host: Arc<str>,
}

/// An open connection to one address.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<Body>,
    unanswered: AtomicUsize,
}

impl Channel {
    /// A channel to `http://host:port`, or to several of those, separated by commas. It connects in the background.
    ///
    /// # Errors
    /// [`BadAddress`].
    pub fn to(addresses: &str) -> Result<Self, BadAddress> {
        Ok(Self::at(&Upstream::read(addresses, &Tls::default())?))
    }

    /// A channel to a service, wherever it is. It connects in the background.
    pub fn at(upstream: &Upstream) -> Self {
        let hosts: Arc<[(Arc<str>, u16)]> = upstream
            .addresses()
            .map(|address| (address.host().into(), address.port()))
            .collect();
        let resolve = move || {
            let hosts = Arc::clone(&hosts);
            async move {
                let (mut found, mut failed) = (Vec::new(), None);
                for (host, port) in hosts.iter() {
                    match tokio::net::lookup_host((&**host, *port)).await {
                        Ok(addresses) => found.extend(addresses.map(|address| Endpoint {
                            address,
                            host: Arc::clone(host),
                        })),
                        Err(error) => failed = Some(error),
                    }
                }
                // A name that nobody knows does not take the others away.
                match failed {
                    Some(error) if found.is_empty() => Err(error),
                    _ => Ok(found),
                }
            }
        };
        Self::resolved_by(upstream.first(), upstream.tls().cloned(), resolve)
    }

    fn resolved_by<R>(
        first: &Address,
        tls: Option<Connector>,
        resolve: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self
    where
        R: Future<Output = io::Result<Vec<Endpoint>>> + Send + 'static,
    {
        let (list, connections) = watch::channel(Vec::new());
        let (scheme, authority) = (first.scheme().clone(), first.authority().clone());
        let mut keeper = JoinSet::new();
        keeper.spawn(keeper::keep(authority.clone(), tls, resolve, list));
        Self {
            scheme,
            authority,
            connections,
            turn: Arc::default(),
            places: Arc::new(Semaphore::new(MOST_UNANSWERED)),
            _keeper: Arc::new(keeper),
        }
    }

    /// Sends a request and waits for its answer, within the deadline that it carries.
    async fn send(mut self, mut request: Request<Body>) -> Result<Response<Incoming>, Status> {
        let places = Arc::clone(&self.places);
        let _place = places.try_acquire().map_err(|_full| overloaded())?;
        let allowed = request.headers().get("grpc-timeout").and_then(grpc_timeout);
        let deadline = Instant::now() + allowed.unwrap_or(LONGEST_REQUEST).min(LONGEST_REQUEST);
        *request.uri_mut() = self.addressed(request.uri().path_and_query().cloned())?;
        tokio::time::timeout_at(deadline, self.attempt(request))
            .await
            .unwrap_or_else(|_elapsed| Err(Status::deadline_exceeded("no answer in time")))
    }

    async fn attempt(&mut self, mut request: Request<Body>) -> Result<Response<Incoming>, Status> {
        for _ in 0..MOST_ATTEMPTS {
            let connection = self.least_busy().await?;
            let _unanswered = Unanswered::count(&connection);
            match connection.sender.clone().try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(lost(error.into_error())),
                },
            }
        }
        Err(Status::unavailable("every connection was closed at once"))
    }

    /// The open connection with the fewest unanswered requests.
    async fn least_busy(&mut self) -> Result<Arc<Connection>, Status> {
        // Of those that are equally busy each gets its turn.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let choose = |connections: &Vec<Arc<Connection>>| {
            let (first, last) = connections.split_at(turn % connections.len().max(1));
            let open = last
                .iter()
                .chain(first)
                .filter(|connection| !connection.sender.is_closed());
            open.min_by_key(|connection| connection.unanswered.load(Ordering::Relaxed))
                .cloned()
        };
        // Bound to a name: the lock of the list must not be held while waiting.
        let chosen = choose(&self.connections.borrow_and_update());
        if let Some(connection) = chosen {
            return Ok(connection);
        }
        let choosing = async {
            loop {
                // The keeper ends with the last channel, not before.
                let _ended = self.connections.changed().await;
                let chosen = choose(&self.connections.borrow_and_update());
                if let Some(connection) = chosen {
                    return connection;
                }
            }
        };
        tokio::time::timeout(PATIENCE, choosing)
            .await
            .map_err(|_elapsed| Status::unavailable(format!("nothing answers at {}", self.authority)))
    }

    fn addressed(&self, path: Option<PathAndQuery>) -> Result<Uri, Status> {
        Uri::builder()
            .scheme(self.scheme.clone())
            .authority(self.authority.clone())
            .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
            .build()
            .map_err(|error| Status::internal(error.to_string()))
    }
}

/// Counts a request as unanswered for as long as this lives.
struct Unanswered<'a>(&'a AtomicUsize);

impl<'a> Unanswered<'a> {
    fn count(connection: &'a Connection) -> Self {
        connection.unanswered.fetch_add(1, Ordering::Relaxed);
        Self(&connection.unanswered)
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connection ended before the answer came: nobody knows whether the request was acted on. Unlike a refusal
/// that the other side sent, this status has a source.
fn lost(error: hyper::Error) -> Status {
    let mut status = Status::unavailable("the connection was lost before the answer came");
    status.set_source(Arc::new(error));
    status
}

impl tower::Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Incoming>, Status>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

#[cfg(test)]
mod tests;

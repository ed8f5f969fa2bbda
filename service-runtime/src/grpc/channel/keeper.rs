//! Keeps a channel connected: resolves its name again and again, and holds one connection to every address.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use http::uri::Authority;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    sync::{oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::{either::Either, io::InspectReader, sync::CancellationToken};
use tonic::body::Body;

use super::{Connection, Endpoint, timer::LooksTwice};
use crate::tls::Connector;

/// How often the name is resolved.
const RESOLVE: Duration = Duration::from_secs(3);
/// How long connecting to one address may take, until the other side has said something: longer than TCP waits before
/// it sends its first packet again.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a connection is silent before the other side is asked whether it is there, and how long it may take to
/// answer that. A process that is busy beyond measure is late with it, and is not given up for that.
const PING: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));
/// How long to wait before connecting again, at first and at most. After what lasted for longer than the most, a
/// connection or the attempt at one, it is as at first.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type List = watch::Sender<Vec<Arc<Connection>>>;

/// Runs until it is dropped.
pub(super) async fn keep<R>(authority: Authority, tls: Option<Connector>, resolve: impl Fn() -> R, list: List)
where
    R: Future<Output = io::Result<Vec<Endpoint>>>,
{
    let list = Arc::new(list);
    let mut wanted: HashMap<Endpoint, CancellationToken> = HashMap::new();
    let mut keepers = JoinSet::new();
    let mut is_known = true;
    loop {
        match resolve().await {
            Ok(found) => {
                let found: BTreeSet<Endpoint> = found.into_iter().collect();
                wanted.retain(|endpoint, unwanted| {
                    let stays = found.contains(endpoint);
                    if !stays {
                        unwanted.cancel();
                    }
                    stays
                });
                for endpoint in found {
                    wanted.entry(endpoint.clone()).or_insert_with(|| {
                        let unwanted = CancellationToken::new();
                        let list = Arc::clone(&list);
                        keepers.spawn(connected(endpoint, tls.clone(), list, unwanted.clone()));
                        unwanted
                    });
                }
                is_known = true;
            }
            // The addresses known before may still be right.
            Err(error) if is_known => {
                tracing::warn!(%authority, %error, "a name cannot be resolved");
                is_known = false;
            }
            Err(_) => {}
        }
        sleep(RESOLVE).await;
        while keepers.try_join_next().is_some() {}
    }
}

/// Holds a connection to an address until that is unwanted; what it still answers then is waited for.
async fn connected(endpoint: Endpoint, tls: Option<Connector>, list: Arc<List>, unwanted: CancellationToken) {
    let address = endpoint.address;
    let (mut pause, mut is_up) = (PAUSE.0, true);
    while !unwanted.is_cancelled() {
        let begun = Instant::now();
        match timeout(CONNECT, connect(&endpoint, tls.as_ref()))
            .await
            .unwrap_or_else(|late| Err(late.into()))
        {
            Ok((sender, mut connection)) => {
                let mut listed = Some(Listed::add(&list, sender));
                is_up = true;
                let ended = tokio::select! {
                    ended = &mut connection => ended,
                    () = unwanted.cancelled() => {
                        listed.take();
                        connection.await
                    }
                };
                drop(listed);
                if let Err(error) = ended {
                    tracing::warn!(%address, %error, "a connection was lost");
                }
            }
            Err(error) if is_up => {
                tracing::warn!(%address, %error, "cannot connect");
                is_up = false;
            }
            Err(_) => {}
        }
        if begun.elapsed() > PAUSE.1 {
            pause = PAUSE.0;
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = unwanted.cancelled() => {}
        }
        pause = (pause * 2).min(PAUSE.1);
    }
}

/// Opens a connection, which lives as long as the future that is given back is asked to go on.
async fn connect(
    endpoint: &Endpoint,
    tls: Option<&Connector>,
) -> Result<
    (
        http2::SendRequest<Body>,
        impl Future<Output = hyper::Result<()>> + Unpin,
    ),
    BoxError,
> {
    let stream = TcpStream::connect(endpoint.address).await?;
    stream.set_nodelay(true)?;
    let stream = match tls {
        Some(tls) => Either::Right(tls.connect(&endpoint.host, stream).await?),
        None => Either::Left(stream),
    };
    let (hear, heard) = oneshot::channel();
    let mut hear = Some(hear);
    let stream = InspectReader::new(stream, move |said| {
        if let Some(hear) = hear.take_if(|_| !said.is_empty()) {
            // Nobody listens any more when connecting took too long.
            let _unheard = hear.send(());
        }
    });
    let (sender, mut connection) = http2::Builder::new(TokioExecutor::new())
        .timer(LooksTwice)
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024)
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await?;
    // The kernel takes connections in the name of a process that is frozen, and the library does not wait for an
    // answer. What is there says its settings first (RFC 9113, section 3.4), whatever else it can do.
    tokio::select! {
        ended = &mut connection => Err(ended.err().map_or_else(|| "closed at once".into(), BoxError::from)),
        Ok(()) = heard => Ok((sender, connection)),
    }
}

/// A connection in the list, for as long as this lives.
struct Listed<'a> {
    list: &'a List,
    connection: Arc<Connection>,
}

impl<'a> Listed<'a> {
    fn add(list: &'a List, sender: http2::SendRequest<Body>) -> Self {
        let connection = Arc::new(Connection {
            sender,
            unanswered: AtomicUsize::new(0),
        });
        list.send_modify(|all| all.push(Arc::clone(&connection)));
        Self { list, connection }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        self.list
            .send_modify(|all| all.retain(|other| !Arc::ptr_eq(other, &self.connection)));
    }
}

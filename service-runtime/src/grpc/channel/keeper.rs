//! Keeps a channel connected: resolves its name again and again, and holds one connection to every address.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use http::uri::Authority;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use super::Connection;

/// How often the name is resolved.
const RESOLVE: Duration = Duration::from_secs(3);
/// How long connecting to one address may take.
const CONNECT: Duration = Duration::from_secs(1);
/// How long to wait before connecting again, at first and at most; a connection that lived longer than the most
/// counts as a success.
const PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

type List = watch::Sender<Vec<Arc<Connection>>>;

/// Runs until it is dropped.
pub(super) async fn keep<R>(authority: Authority, resolve: impl Fn() -> R, list: List)
where
    R: Future<Output = io::Result<Vec<SocketAddr>>>,
{
    let list = Arc::new(list);
    let mut wanted: HashMap<SocketAddr, CancellationToken> = HashMap::new();
    let mut keepers = JoinSet::new();
    let mut is_known = true;
    loop {
        match resolve().await {
            Ok(found) => {
                let found: BTreeSet<SocketAddr> = found.into_iter().collect();
                wanted.retain(|address, unwanted| {
                    let stays = found.contains(address);
                    if !stays {
                        unwanted.cancel();
                    }
                    stays
                });
                for address in found {
                    wanted.entry(address).or_insert_with(|| {
                        let unwanted = CancellationToken::new();
                        keepers.spawn(connected(address, Arc::clone(&list), unwanted.clone()));
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
async fn connected(address: SocketAddr, list: Arc<List>, unwanted: CancellationToken) {
    let (mut pause, mut is_up) = (PAUSE.0, true);
    while !unwanted.is_cancelled() {
        let begun = Instant::now();
        match timeout(CONNECT, connect(address))
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

type Opened = (
    http2::SendRequest<Body>,
    http2::Connection<TokioIo<TcpStream>, Body, TokioExecutor>,
);

async fn connect(address: SocketAddr) -> Result<Opened, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let opened = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(1024 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024)
        .keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await?;
    Ok(opened)
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

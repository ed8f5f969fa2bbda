//! The accept loop: bounded connections, errors that pass, and an end that waits for what runs.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::server::graceful::GracefulShutdown;
use service_runtime::lifecycle::Tasks;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time,
};

use super::connection;
use crate::edge::Edge;

/// The most connections of one thread; more wait in the kernel.
const MOST_CONNECTIONS: usize = 4096;

/// How long to wait when the process can accept nothing, such as without free file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the tasks are asked to stop, then waits at most `grace` for the requests that run.
pub async fn until_stopped(listener: TcpListener, edge: &Arc<Edge>, stop: &Tasks, grace: Duration) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let accepting = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, accept(&listener).await)
        };
        tokio::select! {
            (place, (stream, client)) = accepting => {
                let serving = connection::serve(stream, client, Arc::clone(edge), &graceful);
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            Some(_ended) = connections.join_next() => {}
            () = stop.stopping() => break,
        }
    }
    drop(listener);
    if time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(running = connections.len(), "requests did not finish in time");
    }
}

/// The next connection. What goes wrong with one is no reason to stop.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether it was the connection that failed, before it was accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

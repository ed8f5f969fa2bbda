//! The accept loop: bounded connections, errors that pass, and an end that waits for what runs.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::FutureExt;
use http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    service::Service,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time,
};

use super::connection::{self, BoxError, Limits};
use crate::{lifecycle::Tasks, tls::Acceptor};

/// How long to wait when the process can accept nothing, such as without free file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the tasks are asked to stop, then lets each connection finish the requests that run, until they
/// are cut off. With `tls`, nothing is said in the clear. `service` makes what answers the requests of one connection,
/// given the address it comes from.
pub async fn serve<S, B>(
    listener: TcpListener,
    tls: Option<Acceptor>,
    limits: Limits,
    service: impl Fn(SocketAddr) -> S,
    stop: &Tasks,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let accepting = async {
            let place = Arc::clone(&room).acquire_owned().await;
            (place, accept(&listener).await)
        };
        tokio::select! {
            (place, (stream, client)) = accepting => {
                let serving = connection::serve(stream, tls.clone(), limits, service(client), stop.clone());
                connections.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
            Some(_ended) = connections.join_next() => {}
            () = stop.stopping() => break,
        }
    }
    // Who is connected as far as they know must not find the door shut.
    while let Some(Ok((stream, client))) = listener.accept().now_or_never() {
        connections.spawn(connection::serve(
            stream,
            tls.clone(),
            limits,
            service(client),
            stop.clone(),
        ));
    }
    drop(listener);
    tokio::select! {
        () = async { while connections.join_next().await.is_some() {} } => {}
        () = stop.cut_off() => tracing::warn!(running = connections.len(), "requests did not finish in time"),
    }
}

/// The next connection. What goes wrong with one is no reason to stop, and is told once until there is another.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut is_told = false;
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                if !is_told {
                    tracing::warn!(%error, "cannot accept connections");
                    is_told = true;
                }
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

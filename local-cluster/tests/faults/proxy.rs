//! A way to a server that can be made long, or never end.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// Passes bytes on between its port and another one of 127.0.0.1, after a delay. It ends with this value.
pub struct Proxy {
    port: u16,
    delay: watch::Sender<Duration>,
    _passing: JoinSet<()>,
}

impl Proxy {
    /// Before the server at this port, without a delay at first.
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (delay, delayed) = watch::channel(Duration::ZERO);
        let mut passing = JoinSet::new();
        passing.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let delayed = delayed.clone();
                connections.spawn(async move {
                    let Ok(far) = TcpStream::connect(("127.0.0.1", server)).await else {
                        return;
                    };
                    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                    // Only answers are late: a delay each way would count twice.
                    let asking = pass(from_near, to_far, watch::channel(Duration::ZERO).1);
                    tokio::select! {
                        () = asking => {}
                        () = pass(from_far, to_near, delayed) => {}
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            port,
            delay,
            _passing: passing,
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on answers come this much later; after [`Duration::MAX`], not before it is made less.
    pub fn delay(&self, delay: Duration) {
        self.delay.send_replace(delay);
    }
}

/// Passes on what comes, late, until either side ends.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut delay: watch::Receiver<Duration>,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let came = Instant::now();
        loop {
            let due = came.checked_add(*delay.borrow_and_update());
            let wait = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = wait => break,
                Ok(()) = delay.changed() => {}
            }
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

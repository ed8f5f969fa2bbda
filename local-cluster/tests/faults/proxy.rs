//! A way to a server that can be made long, never end, or break again and again.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

/// How long a connection lasts while half of them fail.
const LASTS: Duration = Duration::from_millis(500);

/// Passes bytes on between its port and another one of 127.0.0.1, after a delay. It ends with this value.
pub struct Proxy {
    port: u16,
    delay: watch::Sender<Duration>,
    fail: watch::Sender<bool>,
    _passing: JoinSet<()>,
}

impl Proxy {
    /// Before the server at this port, without a delay at first.
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (delay, delayed) = watch::channel(Duration::ZERO);
        let (fail, fails) = watch::channel(false);
        let mut passing = JoinSet::new();
        passing.spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0_u64.. {
                let (near, _) = listener.accept().await.unwrap();
                if number % 2 == 0 && *fails.borrow() {
                    continue;
                }
                let (delayed, mut fails) = (delayed.clone(), fails.clone());
                connections.spawn(async move {
                    let Ok(far) = TcpStream::connect(("127.0.0.1", server)).await else {
                        return;
                    };
                    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
                    // Only answers are late: a delay each way would count twice.
                    let asking = pass(from_near, to_far, watch::channel(Duration::ZERO).1);
                    let cut = async {
                        drop(fails.wait_for(|fails| *fails).await);
                        sleep(LASTS).await;
                    };
                    tokio::select! {
                        () = asking => {}
                        () = pass(from_far, to_near, delayed) => {}
                        () = cut => {}
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            port,
            delay,
            fail,
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

    /// From now on every other connection fails at once, and the others after half a second; or none does any more.
    pub fn fail(&self, fail: bool) {
        self.fail.send_replace(fail);
    }
}

/// Passes on what comes, each piece as late as the other, until either side ends.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut delay: watch::Receiver<Duration>,
) {
    let (come, mut came) = mpsc::channel(1024);
    let reading = async move {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = from.read(&mut bytes).await {
            if come
                .send((Instant::now(), bytes[..count].to_vec()))
                .await
                .is_err()
            {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((came, bytes)) = came.recv().await {
            is_due(came, &mut delay).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, writing);
}

/// Waits until what came then is to be passed on.
async fn is_due(came: Instant, delay: &mut watch::Receiver<Duration>) {
    loop {
        let due = came.checked_add(*delay.borrow_and_update());
        let wait = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => return,
            Ok(()) = delay.changed() => {}
        }
    }
}

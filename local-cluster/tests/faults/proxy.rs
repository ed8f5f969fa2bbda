//! A way to a server that can be made long, never end, or break again and again.

use std::{pin::pin, time::Duration};

use service_runtime::entropy::Entropy;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

/// How much may be on the way, in reads.
const MOST: usize = 1024;

/// How long a connection lasts while half of them fail.
const LASTS: Duration = Duration::from_millis(500);

/// By how much answers are late.
#[derive(Debug, Clone, Copy, Default)]
struct Late {
    delay: Duration,
    /// The most that is added to that, by chance.
    jitter: Duration,
}

/// Passes bytes on between its port and another one of 127.0.0.1, after a delay. It ends with this value.
pub struct Proxy {
    port: u16,
    late: watch::Sender<Late>,
    fail: watch::Sender<bool>,
    _passing: JoinSet<()>,
}

impl Proxy {
    /// Before the server at this port, without a delay at first.
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (late, delayed) = watch::channel(Late::default());
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
                    let asking = pass(from_near, to_far, watch::channel(Late::default()).1);
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
            late,
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
        self.delay_and_jitter(delay, Duration::ZERO);
    }

    /// From now on answers come this much later, and by chance up to `jitter` later than that.
    pub fn delay_and_jitter(&self, delay: Duration, jitter: Duration) {
        self.late.send_replace(Late { delay, jitter });
    }

    /// From now on every other connection fails at once, and the others after half a second; or none does any more.
    pub fn fail(&self, fail: bool) {
        self.fail.send_replace(fail);
    }
}

/// Passes on what comes, late and in order, until either side ends.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut late: watch::Receiver<Late>,
) {
    let (read, mut waiting) = mpsc::channel(MOST);
    let reading = async move {
        let mut bytes = Vec::with_capacity(64 * 1024);
        while let Ok(1..) = from.read_buf(&mut bytes).await {
            let [chance] = Entropy::default().bytes::<1>().unwrap();
            let came = (Instant::now(), chance, bytes.clone());
            if read.send(came).await.is_err() {
                return;
            }
            bytes.clear();
        }
    };
    let writing = async {
        while let Some((came, chance, bytes)) = waiting.recv().await {
            wait(came, chance, &mut late).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let mut writing = pin!(writing);
    tokio::select! {
        () = writing.as_mut() => {}
        () = reading => writing.await,
    }
}

/// Waits until it is time for what came at a moment; `chance` says how much of the jitter is its.
async fn wait(came: Instant, chance: u8, late: &mut watch::Receiver<Late>) {
    loop {
        let Late { delay, jitter } = *late.borrow_and_update();
        let due = came.checked_add(delay.saturating_add(jitter * u32::from(chance) / 255));
        let wait = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => return,
            Ok(()) = late.changed() => {}
        }
    }
}

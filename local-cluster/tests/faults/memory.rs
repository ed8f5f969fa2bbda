//! A process may have no more memory than it has and a little: what it takes on is bounded, and if it ends all the same,
//! it is as if it had been killed.

use std::{
    net::SocketAddr,
    os::unix::process::ExitStatusExt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    asking::{PATIENCE, reads},
    fleet::{Filter, Fleet, Ground, Writers, millis, row},
};

/// How many send large bodies that never end, and how much of each.
const BODIES: usize = 1500;
const BODY: usize = 240 * 1024;
/// How much more memory the gateway may have then, in MiB; the bodies alone are twice as much.
const ROOM: f64 = 175.0;
/// How much more a service may have that is to run out of it.
const NO_ROOM: f64 = 2.0;
/// How many connect to it.
const CONNECTIONS: usize = 1000;

pub async fn run(filter: &Filter) {
    if filter.wants("memory_is_short") {
        gateway_sheds().await;
    }
    if filter.wants("memory_runs_out") {
        for part in ["course-service", "auth-service"] {
            runs_out(part).await;
        }
    }
}

async fn gateway_sheds() {
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    let reads = reads(&fleet.gateways);
    reads.served_again(Instant::now(), PATIENCE).await;
    let before = fleet.part("gateway").memory();
    fleet.part("gateway").limit_memory(ROOM);
    let (gateway, refused) = (fleet.gateways[0], Arc::new(AtomicUsize::new(0)));
    let from = Instant::now();
    let mut bodies = JoinSet::new();
    for _ in 0..BODIES {
        let refused = Arc::clone(&refused);
        bodies.spawn(async move {
            if send_body(gateway)
                .await
                .is_ok_and(|status| status.starts_with("HTTP/1.1 429"))
            {
                refused.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    sleep(Duration::from_secs(4)).await;
    let (to, most) = (Instant::now(), fleet.part("gateway").memory());
    drop(bodies);
    let again = reads.served_again(to, PATIENCE).await;
    let read = reads.between(from, to).await;
    fleet.is_whole();
    let refused = refused.load(Ordering::Relaxed);
    row(
        &format!(
            "gateway may have {ROOM} MiB more (`prlimit --data`), and {BODIES} send {} KiB each and never the rest",
            BODY / 1024
        ),
        "bodies that find no room are refused; reads are served; it does not end",
        &format!(
            "{refused} refused with 429; memory {before:.0} MiB, then {most:.0}; reads: {read}, served again {} after",
            millis(again)
        ),
    );
    assert!(refused > BODIES / 4, "{refused}");
    read.is_served_as_ever();
}

/// Sends a body but for its end; says how the answer begins.
async fn send_body(gateway: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(gateway).await?;
    let head = format!(
        "POST /api/v1/auth/login HTTP/1.1\r\nhost: edu.test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        BODY + 1
    );
    stream.write_all(head.as_bytes()).await?;
    let (mut reading, mut writing) = stream.split();
    let sending = async {
        // Who is refused need not take the rest.
        let _refused = writing.write_all(&vec![b' '; BODY]).await;
        std::future::pending::<()>().await;
    };
    let mut answer = [0; 64];
    tokio::select! {
        read = reading.read(&mut answer) => Ok(String::from_utf8_lossy(&answer[..read?]).into_owned()),
        () = sending => unreachable!("it waits for ever"),
    }
}

async fn runs_out(part: &str) {
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    let writers = Writers::start(&fleet.gateways, 3).await;
    sleep(Duration::from_secs(1)).await;
    fleet.part(part).limit_memory(NO_ROOM);
    let address = fleet.part(part).address;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            let _gone = stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
            connections.push(stream);
        }
    }
    let ended = timeout(PATIENCE, fleet.part(part).ends()).await;
    let ended = ended.unwrap_or_else(|_| panic!("{part} has enough memory"));
    drop(connections);
    fleet.part(part).start();
    let ready = fleet.part(part).becomes_ready().await;
    sleep(Duration::from_secs(1)).await;
    let found = writers.finish().await;
    row(
        &format!("{part} may have {NO_ROOM} MiB more (`prlimit --data`), and {CONNECTIONS} connect to it"),
        "it ends as if it were killed; started again it goes on; nothing acknowledged is lost",
        &format!(
            "ended by signal {}; ready {} after its start; {}",
            ended.signal().unwrap_or_default(),
            millis(ready),
            found.told(),
        ),
    );
    found.is_whole(&fleet);
    fleet.is_whole();
}

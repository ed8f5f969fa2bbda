//! What the machine gives to a process runs out: open files, and somebody who reads its log.

use std::time::{Duration, Instant};

use reqwest::Method;
use tokio::{net::TcpStream, time::sleep};

use crate::{
    asking::{at_once, logins, reads},
    fleet::{Filter, Fleet, Ground, millis, people::Person, row},
};

/// How long a recovery may take on a machine that does much else; how long it took is in the row.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long a fault lasts.
const LASTS: Duration = Duration::from_secs(3);
/// How long a refusal may take on such a machine.
const QUICK: Duration = Duration::from_secs(8);

pub async fn run(filter: &Filter) {
    if filter.wants("process_without_files") {
        for part in ["gateway", "course-service", "auth-service"] {
            no_more_files(part).await;
        }
    }
    if filter.wants("process_whose_log_nobody_reads") {
        nobody_reads_the_log().await;
    }
}

/// A process may open no more files: who is connected is served, who is not waits, and when files can be opened again
/// everybody is served.
async fn no_more_files(part: &str) {
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let reads = reads(&fleet.gateways);
    reads.served_again(Instant::now(), PATIENCE).await;
    let replica = fleet.part(part);
    replica.limit_open_files(replica.open_files());
    let from = Instant::now();
    // What comes now cannot be accepted; the kernel connects it all the same.
    let mut waiting = Vec::new();
    for _ in 0..20 {
        waiting.push(TcpStream::connect(replica.address).await.unwrap());
    }
    sleep(LASTS).await;
    let many = at_once(&staff).await;
    let to = Instant::now();
    fleet.part(part).limit_open_files(1024);
    // A client of its own, and so a connection of its own.
    Person::staff(&fleet.gateways, 0).await;
    let again = to.elapsed();
    let log = fleet.part(part).log();
    let warned = log.matches("cannot accept connections").count();
    let read = reads.between(from, to).await;
    row(
        &format!("{part} may open no more files (`prlimit --nofile`) for 3 s, and 20 want to connect"),
        "who is connected is served or told 503; the accept loop survives and recovers at once",
        &format!(
            "reads: {read}; 60 at once: {many}; a login over a new connection served {} after; {warned} warnings",
            millis(again)
        ),
    );
    drop(waiting);
    fleet.is_whole();
    assert!(warned > 0, "{part} accepted although it could not: {log}");
    read.is_served_as_ever();
    many.is_served_or_refused_within(QUICK);
}

/// The log is a pipe that is full.
async fn nobody_reads_the_log() {
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    for part in ["auth-service", "course-service", "gateway"] {
        let replica = fleet.part(part);
        assert!(replica.stop().await.success());
        replica.nobody_reads_its_log = true;
        replica.start();
        replica.becomes_ready().await;
    }
    let (reads, logins) = (reads(&fleet.gateways), logins(&fleet.gateways));
    let stranger = Person::stranger(&fleet.gateways, 0);
    let from = Instant::now();
    // Lines of a hundred bytes and more, each request one at least: more than pipe and queue hold.
    let mut asked = 0;
    while fleet.part("gateway").number("log_lines_dropped_total").await == 0.0 {
        assert!(asked < 100_000, "nothing is dropped");
        let many = (0..500).map(|_| stranger.send(Method::GET, "/nothing", None, &[]));
        for answer in futures::future::join_all(many).await {
            assert_eq!(answer.unwrap().status, 404);
            asked += 1;
        }
    }
    sleep(Duration::from_secs(1)).await;
    let to = Instant::now();
    let dropped = fleet.part("gateway").number("log_lines_dropped_total").await;
    let memory = fleet.part("gateway").memory();
    let (read, login) = (reads.between(from, to).await, logins.between(from, to).await);
    fleet.part("gateway").becomes_ready().await;
    drop((reads, logins));
    let stopping = Instant::now();
    for part in ["gateway", "course-service", "auth-service"] {
        let ended = fleet.part(part).stop().await;
        assert!(ended.success(), "{part} ended with {ended}");
    }
    row(
        "nobody reads the log: a full pipe",
        "no request waits; lines beyond a bound are dropped and counted; SIGTERM still ends the process",
        &format!(
            "{asked} requests answered, {dropped} lines dropped; meanwhile reads: {read}; logins: {login}; gateway \
             {memory:.0} MiB; all three stopped in {}",
            millis(stopping.elapsed()),
        ),
    );
    read.is_served_as_ever();
    login.is_served_as_ever();
}

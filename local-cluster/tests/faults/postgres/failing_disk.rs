//! The disk under the server does not say that it keeps what it took. The server panics, as it must: what the disk
//! forgot is in its log, which it reads again.

use std::time::{Duration, Instant};

use test_support::postgres::Cluster;
use tokio::time::sleep;

use super::{PATIENCE, QUICK, comes_back, tell};
use crate::{
    asking::reads,
    disk::Failing,
    fleet::{Fleet, Ground, Summary, Writers, millis, row},
};

/// How long that lasts.
const LASTS: Duration = Duration::from_secs(3);

pub async fn run(cluster: &Cluster) {
    if !Failing::can_be_made("the test of PostgreSQL on a failing disk") {
        return;
    }
    // Test servers do without.
    tell(
        cluster,
        &["ALTER SYSTEM SET fsync = on", "SELECT pg_reload_conf()"],
    )
    .await;
    let mut fleet = Fleet::start(Ground::on(cluster).await, 1).await;
    let writers = Writers::start(&fleet.gateways, 4).await;
    let reads = reads(&fleet.gateways);
    sleep(Duration::from_secs(1)).await;
    let panics = || cluster.log().matches("PANIC:").count();
    let before = panics();
    let failing = Failing::calls(&cluster.processes(), "fsync,fdatasync", "error=EIO").await;
    let from = Instant::now();
    sleep(LASTS).await;
    let (count, to) = (failing.count(), Instant::now());
    drop(failing);
    let came_back = comes_back(cluster).await;
    let up = Instant::now();
    let read_again = reads.served_again(up, PATIENCE).await;
    sleep(Duration::from_secs(1)).await;
    let found = writers.finish().await;
    fleet.is_whole();
    let read = reads.between(from, to).await;
    let panicked = panics() - before;
    tell(cluster, &["ALTER SYSTEM RESET fsync", "SELECT pg_reload_conf()"]).await;
    let failures = Summary::of(&found.failures);
    let last = found.failures.iter().map(|failure| failure.begun).max();
    let last = last.unwrap_or(from).saturating_duration_since(up);
    row(
        "`fsync` and `fdatasync` fail with EIO under PostgreSQL for 3 s",
        "it panics and recovers; 503 meanwhile, until 1 s after; no acknowledged write lost, twice or half",
        &format!(
            "{count} calls failed, {panicked} panics, it {came_back}; reads: {read}, served again {} after; writes: \
             longest failure {}, last one begun {} after; {}",
            millis(read_again),
            millis(failures.longest),
            millis(last),
            found.told(),
        ),
    );
    found.is_whole(&fleet);
    read.is_served_or_refused_within(QUICK);
    failures.is_served_or_refused_within(QUICK);
    assert!(
        panicked > 0 && failures.refused > 0,
        "{count} calls failed, {panicked} panics"
    );
    assert!(last < QUICK, "{last:?}");
}

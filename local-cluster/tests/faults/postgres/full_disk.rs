//! The disk under the server is full. What it has no room for is refused; when there is none for its log either, it
//! ends, and reads its log again when there is room.

use std::{
    fs,
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};
use test_support::postgres::Cluster;
use tokio::time::sleep;

use super::{PATIENCE, QUICK, comes_back};
use crate::{
    asking::{logins, profiles, reads},
    disk::fill,
    fleet::{Fleet, Ground, Summary, Writers, millis, people::Person, row},
};

/// How long that lasts.
const LASTS: Duration = Duration::from_secs(4);
/// How large the disk is.
const DISK: u64 = 192 * 1024 * 1024;

pub async fn run() {
    const WHAT: &str = "the test of PostgreSQL on a full disk";
    let Some(cluster) = Cluster::start_on_small_disk(DISK, WHAT).await else {
        return;
    };
    let mut fleet = Fleet::start(Ground::on(&cluster).await, 1).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let (reads, profiles, logins) = (reads(&fleet.gateways), profiles(&staff), logins(&fleet.gateways));
    let filler = cluster.directory().join("data/filler");
    let writers = Writers::start(&fleet.gateways, 6).await;
    sleep(Duration::from_secs(1)).await;

    // Files that are there can be written; none can grow.
    fill(&filler);
    let from = Instant::now();
    sleep(LASTS).await;
    let to = Instant::now();
    fs::remove_file(&filler).unwrap();
    let logged_in_again = logins.served_again(to, PATIENCE).await;
    let (read, profile) = (reads.between(from, to).await, profiles.between(from, to).await);
    sleep(Duration::from_secs(1)).await;

    // Now the server's log needs a new file.
    fill(&filler);
    let down = Instant::now();
    end(&cluster).await;
    sleep(Duration::from_secs(1)).await;
    fs::remove_file(&filler).unwrap();
    let came_back = comes_back(&cluster).await;
    let up = Instant::now();
    let read_again = reads.served_again(up, PATIENCE).await;
    sleep(Duration::from_secs(1)).await;
    let found = writers.finish().await;
    fleet.is_whole();
    let read_while_down = reads.between(down, up).await;
    let failed = |from: Instant, to: Instant| {
        let failures = found.failures.iter();
        let failures = failures.filter(|failure| (from..to).contains(&failure.begun));
        Summary::of(&failures.cloned().collect::<Vec<_>>())
    };
    let (full, ended) = (failed(from, to), failed(down, up));
    row(
        "the disk under PostgreSQL is full for 4 s",
        "writes that need room 503 at once, reads are served as ever; recovery within 1 s without a restart",
        &format!(
            "writes: {full}; logins served again {} after; reads: {read}; profiles: {profile}",
            millis(logged_in_again)
        ),
    );
    row(
        "the same until PostgreSQL has no room for its log and ends",
        "as when it crashes; no acknowledged write lost, twice or half",
        &format!(
            "it {came_back} when there was room; reads: {read_while_down}, served again {} after; writes: {ended}; both \
             times: {}",
            millis(read_again),
            found.told()
        ),
    );
    found.is_whole(&fleet);
    for seen in [full, ended, read_while_down] {
        seen.is_served_or_refused_within(QUICK);
        assert!(seen.refused > 0, "{seen:?}");
    }
    for seen in [read, profile] {
        seen.is_served_as_ever();
    }
}

/// Makes the server begin new files of its log until there is no room for one, which ends it.
async fn end(cluster: &Cluster) {
    let begun = Instant::now();
    while !cluster.log().contains("PANIC:") {
        assert!(begun.elapsed() < PATIENCE, "it has room for its log");
        if let Ok(mut operator) = PgConnection::connect(&cluster.url("postgres")).await {
            let next = sqlx::raw_sql("SELECT pg_switch_wal()");
            let _refused = next.execute(&mut operator).await;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

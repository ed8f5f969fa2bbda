//! Somebody holds a lock that every write to a table waits for, as building an index does.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use test_support::postgres::Cluster;
use tokio::time::sleep;

use super::{PATIENCE, QUICK};
use crate::{
    asking::{creates, profiles, reads},
    fleet::{Fleet, Ground, millis, people::Person, row},
};

/// How long the lock is held.
const HELD: Duration = Duration::from_secs(6);

pub async fn run(cluster: &Cluster) {
    let ground = Ground::on(cluster).await;
    let mut holder = PgConnection::connect(ground.database_url().unwrap())
        .await
        .unwrap();
    let mut fleet = Fleet::start(ground, 1).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let (reads, profiles) = (reads(&fleet.gateways), profiles(&staff));
    // Each waits for seconds: soon there are more of them than connections.
    let writes = creates(&staff, Duration::from_millis(50));
    writes.served_again(Instant::now(), PATIENCE).await;

    let mut held = holder.begin().await.unwrap();
    let lock = sqlx::raw_sql("LOCK TABLE course.courses IN SHARE MODE");
    lock.execute(&mut *held).await.unwrap();
    let from = Instant::now();
    sleep(HELD).await;
    let to = Instant::now();
    held.rollback().await.unwrap();
    let again = writes.served_again(to, PATIENCE).await;
    let (written, read) = (writes.between(from, to).await, reads.between(from, to).await);
    let profile = profiles.between(from, to).await;
    fleet.is_whole();
    row(
        "a lock that all writes of courses wait for, held for 6 s under 20 writes/s",
        "writes 503 within 4 s; reads, and all that is not courses, are served as ever",
        &format!(
            "writes: {written}, served again {} after; reads: {read}; profiles: {profile}",
            millis(again)
        ),
    );
    written.is_served_or_refused_within(QUICK);
    assert!(written.refused > 20, "{written:?}");
    read.is_served_as_ever();
    profile.is_served_as_ever();
}

//! The server takes no writes, as one that was demoted.

use std::time::{Duration, Instant};

use test_support::postgres::Cluster;
use tokio::time::sleep;

use super::{PATIENCE, QUICK, tell};
use crate::{
    asking::{creates, logins, profiles, reads},
    fleet::{Fleet, Ground, millis, people::Person, row},
};

const DEMOTE: [&str; 2] = [
    "ALTER SYSTEM SET default_transaction_read_only = on",
    "SELECT pg_reload_conf()",
];
const PROMOTE: [&str; 3] = [
    "SET default_transaction_read_only = off",
    "ALTER SYSTEM RESET default_transaction_read_only",
    "SELECT pg_reload_conf()",
];

pub async fn run(cluster: &Cluster) {
    let mut fleet = Fleet::start(Ground::on(cluster).await, 1).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let (reads, profiles) = (reads(&fleet.gateways), profiles(&staff));
    let (writes, logins) = (
        creates(&staff, Duration::from_millis(100)),
        logins(&fleet.gateways),
    );
    writes.served_again(Instant::now(), PATIENCE).await;
    tell(cluster, &DEMOTE).await;
    // Every connection hears of it a moment later.
    sleep(Duration::from_secs(1)).await;
    let from = Instant::now();
    sleep(Duration::from_secs(3)).await;
    let to = Instant::now();
    for part in ["auth-service", "course-service"] {
        fleet.part(part).is_ready().await.unwrap();
    }
    // Answered before the server changes again.
    let (written, login) = (writes.between(from, to).await, logins.between(from, to).await);
    tell(cluster, &PROMOTE).await;
    let up = Instant::now();
    let written_again = writes.served_again(up, PATIENCE).await;
    let logged_in_again = logins.served_again(up, PATIENCE).await;
    let (read, profile) = (reads.between(from, to).await, profiles.between(from, to).await);
    fleet.is_whole();
    row(
        "PostgreSQL takes no writes for 3 s",
        "writes 503 at once, reads are served as ever, the services stay ready; recovery within 1 s",
        &format!(
            "writes: {written}, served again {} after; logins: {login}, served again {} after; reads: {read}; \
             profiles: {profile}",
            millis(written_again),
            millis(logged_in_again),
        ),
    );
    for refused in [written, login] {
        refused.is_served_or_refused_within(QUICK);
        assert_eq!(refused.served, 0);
    }
    for served in [read, profile] {
        served.is_served_as_ever();
    }
}

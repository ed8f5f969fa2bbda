//! There is no room left.

use std::{
    fs,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{PATIENCE, QUICK, check};
use crate::{
    asking::{logins, profiles, reads},
    disk::fill,
    fleet::{Fleet, Ground, Summary, Writers, millis, people::Person, row},
};

/// How long that lasts.
const LASTS: Duration = Duration::from_secs(4);
/// How large the disk is.
const DISK: u64 = 24 * 1024 * 1024;

pub async fn run() {
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    for part in ["auth-service", "course-service"] {
        let replica = fleet.part(part);
        assert!(replica.stop().await.success());
        replica.small_disk = Some(DISK);
        replica.start();
        replica.becomes_ready().await;
    }
    let writers = Writers::start(&fleet.gateways, 3).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let (reads, profiles, logins) = (reads(&fleet.gateways), profiles(&staff), logins(&fleet.gateways));
    sleep(Duration::from_secs(1)).await;
    let fillers = ["auth-service", "course-service"].map(|part| fleet.part(part).file("filler"));
    let from = Instant::now();
    fillers.iter().for_each(|filler| fill(filler));
    sleep(LASTS).await;
    let to = Instant::now();
    fillers.iter().for_each(|filler| fs::remove_file(filler).unwrap());
    let logged_in_again = logins.served_again(to, PATIENCE).await;
    let found = writers.finish().await;
    let (read, profile) = (reads.between(from, to).await, profiles.between(from, to).await);
    let login = logins.between(from, to).await;
    fleet.is_whole();
    let integrity = check(&mut fleet).await;
    let failures = Summary::of(&found.failures);
    let last = found.failures.last().map_or(from, |failure| failure.begun);
    row(
        "the disks under SQLite are full for 4 s",
        "writes 503 at once, reads are served as ever, nothing acknowledged is lost, recovery within 1 s",
        &format!(
            "writes: {failures}, last one refused {} after there was room; logins: {login}, served again {} after; \
             reads: {read}; profiles: {profile}; integrity checks {integrity:?}; {}",
            millis(last.saturating_duration_since(to)),
            millis(logged_in_again),
            found.told(),
        ),
    );
    found.is_whole(&fleet);
    for seen in [failures, login] {
        seen.is_served_or_refused_within(QUICK);
        assert!(seen.refused > 0, "{seen:?}");
    }
    for seen in [read, profile] {
        seen.is_served_as_ever();
    }
    assert_eq!(integrity, ["ok", "ok"]);
}

//! The disk takes nothing, or does not say that it keeps what it took.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::time::sleep;

use super::{PATIENCE, QUICK, check};
use crate::{
    asking::{logins, profiles, reads},
    disk::Failing,
    fleet::{Fleet, Ground, Summary, Writers, millis, people::Person, row},
};

/// How long each fault lasts.
const LASTS: Duration = Duration::from_secs(2);
/// What fails, how, and how that is told.
const FAULTS: [(&str, &str, &str); 3] = [
    (
        "fsync,fdatasync",
        "error=EIO",
        "`fsync` and `fdatasync` fail with EIO",
    ),
    ("pwrite64", "error=EIO", "`pwrite` fails with EIO"),
    ("pwrite64", "retval=0", "`pwrite` writes nothing and says so"),
];

pub async fn run() {
    // They mostly wait.
    join_all(FAULTS.map(fails)).await;
}

/// One of them is done to services of its own.
async fn fails((calls, how, told): (&str, &str, &str)) {
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    let processes = ["auth-service", "course-service"].map(|part| fleet.part(part).id());
    let staff = Person::staff(&fleet.gateways, 0).await;
    let (reads, profiles, logins) = (reads(&fleet.gateways), profiles(&staff), logins(&fleet.gateways));
    let writers = Writers::start(&fleet.gateways, 3).await;
    sleep(Duration::from_secs(1)).await;
    let failing = Failing::calls(&processes, calls, how).await;
    let from = Instant::now();
    sleep(LASTS).await;
    let (count, to) = (failing.count(), Instant::now());
    drop(failing);
    let well = Instant::now();
    let logged_in_again = logins.served_again(well, PATIENCE).await;
    sleep(Duration::from_secs(1)).await;
    let found = writers.finish().await;
    let (read, profile) = (reads.between(from, to).await, profiles.between(from, to).await);
    let login = logins.between(from, to).await;
    fleet.is_whole();
    let integrity = check(&mut fleet).await;
    let failures = Summary::of(&found.failures);
    let last = found.failures.last().map_or(from, |failure| failure.begun);
    row(
        &format!("{told}, for 2 s, in both services on SQLite"),
        "writes 503 at once, reads are served as ever, nothing acknowledged is lost, recovery within 1 s without a \
         restart",
        &format!(
            "{count} calls failed; writes: {failures}, last one refused {} after; logins: {login}, served again {} \
             after; reads: {read}; profiles: {profile}; integrity checks {integrity:?}; {}",
            millis(last.saturating_duration_since(well)),
            millis(logged_in_again),
            found.told(),
        ),
    );
    found.is_whole(&fleet);
    for seen in [failures, login] {
        seen.is_served_or_refused_within(QUICK);
        // The last ones may have been served by a disk that was well again.
        assert!(seen.refused > seen.served, "{seen:?}");
    }
    for seen in [read, profile] {
        seen.is_served_as_ever();
    }
    assert_eq!(integrity, ["ok", "ok"]);
}

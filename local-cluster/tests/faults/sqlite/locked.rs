//! Another process has the file.

use std::time::{Duration, Instant};

use sqlx::{Connection, SqliteConnection};
use tokio::time::sleep;

use super::PATIENCE;
use crate::{
    asking::{creates, logins, profiles, reads},
    fleet::{Fleet, Ground, millis, people::Person, row},
};

/// How long it has: longer than anybody waits for it.
const LOCKED: Duration = Duration::from_secs(7);
/// What the gateway waits for.
const DEADLINE: Duration = Duration::from_secs(10);

pub async fn run() {
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let (reads, profiles, logins) = (reads(&fleet.gateways), profiles(&staff), logins(&fleet.gateways));
    let writes = creates(&staff, Duration::from_millis(200));
    writes.served_again(Instant::now(), PATIENCE).await;
    let mut others = Vec::new();
    for (part, file) in [("auth-service", "auth.db"), ("course-service", "course.db")] {
        let url = format!("sqlite:{}", fleet.part(part).file(file).display());
        let mut other = SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql("BEGIN EXCLUSIVE")
            .execute(&mut other)
            .await
            .unwrap();
        others.push(other);
    }
    let from = Instant::now();
    sleep(LOCKED).await;
    let to = Instant::now();
    for mut other in others {
        sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    }
    let written_again = writes.served_again(to, PATIENCE).await;
    let logged_in_again = logins.served_again(to, PATIENCE).await;
    let (written, login) = (writes.between(from, to).await, logins.between(from, to).await);
    let (read, profile) = (reads.between(from, to).await, profiles.between(from, to).await);
    fleet.is_whole();
    row(
        "another process has SQLite's files (`BEGIN EXCLUSIVE`) for 7 s",
        "writes wait for their turn, some 503 within the deadline; reads are served as ever; recovery within 1 s",
        &format!(
            "writes: {written}, served again {} after; logins: {login}, served again {} after; reads: {read}; \
             profiles: {profile}",
            millis(written_again),
            millis(logged_in_again)
        ),
    );
    for seen in [written, login] {
        seen.is_served_or_refused_within(DEADLINE);
        assert!(seen.refused > 0, "{seen:?}");
    }
    for seen in [read, profile] {
        seen.is_served_as_ever();
    }
}

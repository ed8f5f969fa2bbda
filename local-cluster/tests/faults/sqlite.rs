//! The disk under SQLite is full, or another process has the file.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use test_support::left_out;
use tokio::time::sleep;

use crate::{
    asking::{creates, logins, profiles, reads},
    fleet::{Filter, Fleet, Ground, Summary, Writers, millis, people::Person, row},
};

/// How long a recovery may take on a machine that does much else; how long it took is in the row.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a fault lasts.
const LASTS: Duration = Duration::from_secs(4);
/// How long another process has the file: longer than anybody waits for it.
const LOCKED: Duration = Duration::from_secs(7);
/// How long a refusal may take on such a machine.
const QUICK: Duration = Duration::from_secs(8);
/// What the gateway waits for.
const DEADLINE: Duration = Duration::from_secs(10);
/// How large the disk is.
const DISK: u64 = 24 * 1024 * 1024;

pub async fn run(filter: &Filter) {
    if filter.wants("sqlite_on_a_full_disk") && disks_can_be_made() {
        full_disk().await;
    }
    if filter.wants("sqlite_locked_by_another_process") {
        locked().await;
    }
}

/// Whether a process can be given a disk of its own here.
fn disks_can_be_made() -> bool {
    const WHAT: &str = "the test of SQLite on a full disk";
    let tried = Command::new("unshare")
        .args([
            "--map-root-user",
            "--mount",
            "mount",
            "-t",
            "tmpfs",
            "none",
            "/mnt",
        ])
        .output();
    let why = match tried {
        Ok(tried) if tried.status.success() => {
            left_out::is_here(WHAT);
            return true;
        }
        Ok(tried) => String::from_utf8_lossy(&tried.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    let install = "it needs unshare of util-linux, and root or user namespaces";
    left_out::leave_out(WHAT, &why, install);
    false
}

async fn full_disk() {
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
    let mut integrity = Vec::new();
    for (part, file) in [("auth-service", "auth.db"), ("course-service", "course.db")] {
        integrity.push(check(&fleet.part(part).file(file)).await);
    }
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

/// Takes all the room there is.
fn fill(path: &Path) {
    let mut filler = File::create(path).unwrap();
    for size in [64 * 1024, 4096, 1] {
        while filler.write_all(&vec![0; size]).is_ok() {}
    }
}

async fn check(file: &Path) -> String {
    let mut reader = SqliteConnectOptions::new()
        .filename(file)
        .connect()
        .await
        .unwrap();
    let check = sqlx::query_scalar("PRAGMA integrity_check");
    check.fetch_one(&mut reader).await.unwrap()
}

async fn locked() {
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

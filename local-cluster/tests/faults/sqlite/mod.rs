//! The disk under SQLite is full or fails, or another process has the file.

mod failing_disk;
mod full_disk;
mod locked;

use std::{path::Path, process::Command, time::Duration};

use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

use crate::{
    disk::Failing,
    fleet::{Filter, Fleet},
    possible::possible,
};

/// How long a recovery may take on a machine that does much else; how long it took is in the row.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a refusal may take on such a machine.
const QUICK: Duration = Duration::from_secs(8);

pub async fn run(filter: &Filter) {
    if filter.wants("sqlite_on_a_full_disk") && disks_can_be_made() {
        full_disk::run().await;
    }
    if filter.wants("sqlite_on_a_failing_disk")
        && Failing::can_be_made("the test of SQLite on a failing disk")
    {
        failing_disk::run().await;
    }
    if filter.wants("sqlite_locked_by_another_process") {
        locked::run().await;
    }
}

/// Whether a process can be given a disk of its own here.
fn disks_can_be_made() -> bool {
    let mut mount = Command::new("unshare");
    mount.args(["--map-root-user", "--mount"]);
    mount.args(["mount", "-t", "tmpfs", "none", "/mnt"]);
    possible(
        "the test of SQLite on a full disk",
        &mut mount,
        "it needs unshare of util-linux, and root or user namespaces",
    )
}

/// What SQLite finds wrong with the files of the services.
async fn check(fleet: &mut Fleet) -> Vec<String> {
    let mut found = Vec::new();
    for (part, file) in [("auth-service", "auth.db"), ("course-service", "course.db")] {
        found.push(check_file(&fleet.part(part).file(file)).await);
    }
    found
}

async fn check_file(file: &Path) -> String {
    let mut reader = SqliteConnectOptions::new()
        .filename(file)
        .connect()
        .await
        .unwrap();
    let check = sqlx::query_scalar("PRAGMA integrity_check");
    check.fetch_one(&mut reader).await.unwrap()
}

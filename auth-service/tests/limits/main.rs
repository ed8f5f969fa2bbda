//! What is limited and what is not: throttles, and passwords beyond what the machine can hash. A binary of its own, so
//! that no other test waits for its turn behind so many passwords.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test should stop where its ground is missing"
)]

#[path = "../support/mod.rs"]
mod support;

mod asking;
mod full_queue;
mod login;

use service_runtime::on;
use support::Service;

const ADA: &str = "ada@example.org";
const HOME: &str = "198.51.100.7";
const SCHOOL: &str = "203.0.113.1";

fn pupil(place: usize) -> String {
    format!("pupil{place}@example.org")
}

/// Fills every lane of a limit.
async fn fill(service: &Service, kind: &str) {
    let filled = on!(&service.database, |pool| {
        sqlx::query("UPDATE throttles SET paid_at = most WHERE kind = $1")
            .bind(kind)
            .execute(pool)
            .await
            .map(|done| done.rows_affected())
    });
    assert!(filled.unwrap() > 0, "there is a lane of {kind}");
}

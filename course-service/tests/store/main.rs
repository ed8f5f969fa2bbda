//! One suite for every database: each statement of the store runs on SQLite and on PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]

mod course;
mod enrollment;
mod idempotency;
mod instructor;
mod listing;
mod samples;
mod slug;
#[path = "../support/mod.rs"]
mod support;

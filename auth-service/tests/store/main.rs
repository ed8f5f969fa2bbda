//! The contract of the store: one suite, every method and query in it, run on SQLite and on PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test should stop where its ground is missing"
)]

mod world;

mod accounts;
mod alarms;
mod cleanup;
mod database;
mod erasure;
mod erasure_told;
mod events;
mod export;
mod factors;
mod passwords;
mod security_changes;
mod sessions;
mod signing_keys;
mod throttles;
mod user_changes;
mod user_lists;
mod users;

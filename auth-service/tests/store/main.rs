//! The contract of the store: one suite, every method and query in it, run on SQLite and on PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test should stop where its ground is missing"
)]

#[path = "../support/database.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod ground;
mod world;

mod accounts;
mod cleanup;
mod database;
mod passwords;
mod sessions;
mod signing_keys;
mod user_changes;
mod user_lists;
mod users;

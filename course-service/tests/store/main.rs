//! One suite for every database: each statement of the store runs on SQLite and on PostgreSQL.

mod course;
mod idempotency;
mod instructor;
mod listing;
mod samples;
mod slug;
#[path = "../support/mod.rs"]
mod support;

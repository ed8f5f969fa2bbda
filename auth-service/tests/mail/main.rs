//! Mail from the outbox to a real mail server: the table's contract, the letters, and the worker in between.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]

#[path = "../mail_support/mod.rs"]
mod mail_support;

mod delivery;
mod expiry;
mod message;
mod misbehaving_server;
mod outbox;
mod running;
mod stopping;
mod tls;

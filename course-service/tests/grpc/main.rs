//! Every RPC over a real socket, beside an auth-service whose users and moods the tests choose.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]

mod auth_down;
mod caller;
mod concurrency;
mod create;
mod deletion;
mod enrollment;
mod fake_auth;
mod get;
mod hostile;
mod instructors;
mod list;
mod names;
mod person;
mod process;
mod rights;
mod searches;
#[path = "../support/mod.rs"]
mod support;
mod update;
mod world;

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

mod full_queue;
mod throttle;

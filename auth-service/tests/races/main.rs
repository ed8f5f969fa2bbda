//! Many callers at the same moment, over real sockets and on both databases, round after round: exactly one of
//! them does what can be done once, and the others are told the truth.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test should stop where its ground is missing"
)]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod factors;
mod key_kills;
mod keys;
mod lost_answers;
mod refresh;
mod staff;

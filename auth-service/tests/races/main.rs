//! Many callers at the same moment, over real sockets and on both databases, round after round: exactly one of
//! them does what can be done once, and the others are told the truth.

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod refresh;
mod staff;

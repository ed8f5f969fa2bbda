//! The real parts that tests stand on, each real enough to fail the way production fails.
//!
//! - [`postgres`]: a temporary PostgreSQL server that cannot outlive the test process
//! - [`ground`]: a folder and a database of either kind, for one test
//! - [`rows`]: a search through everything that a database holds
//! - [`smtp`]: a mail server that can be told to misbehave at any step, and [`mail`] to read what it received
//! - [`authenticator`]: an authenticator app
//! - [`certificate`]: self-signed TLS certificates
//! - [`left_out`]: what could not be tested here, so that it is said and, in CI, refused
//!
//! Only `dev-dependencies` name this crate: a part that cannot start ends the test with a panic that says
//! why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "only tests use this crate, and a test whose ground is missing should stop at once"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "the time, ids and environment that the ban protects are the product's, not a test's"
)]

pub mod authenticator;
pub mod certificate;
pub mod ground;
pub mod left_out;
pub mod mail;
pub mod postgres;
pub mod rows;
pub mod smtp;

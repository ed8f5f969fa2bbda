//! What every process needs and no product word: a fourth, unrelated service would want each of these rooms
//! unchanged.
//!
//! - [`settings`]: environment, flags and `--help` from one table; every fault named at once
//! - [`clock`], [`entropy`]: time and chance as parameters
//! - [`database`]: one SQL text, two databases; [`database::idempotency`]: retries that act once
//! - [`secret`], [`mac`]: values that never reach a log; keys derived per purpose
//! - [`page_token`]: tamper-evident cursors of keyset-paged lists
//! - [`grpc`]: server, client channel, request context and refusals
//! - [`process`], [`lifecycle`], [`listen`], [`readiness`], [`admin`]: starting, being watched, stopping
//! - [`reports`]: what was seen, told off the request
//! - [`tls`]: certificates, ours and those of others
//! - [`telemetry`], [`metrics`](mod@metrics), [`causes`]: what an operator sees

pub mod admin;
pub mod causes;
pub mod clock;
pub mod database;
pub mod duration;
pub mod entropy;
pub mod field;
pub mod grpc;
pub mod lifecycle;
pub mod listen;
pub mod mac;
pub mod metrics;
pub mod page_token;
pub mod process;
pub mod readiness;
pub mod reports;
pub mod secret;
pub mod settings;
pub mod telemetry;
pub mod tls;

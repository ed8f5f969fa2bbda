//! The rules. Knows neither gRPC nor SQL.

pub mod account;
mod address;
pub mod alarm;
pub mod cleanup;
pub mod erasure;
pub mod error;
pub mod event;
pub mod export;
pub mod factor;
mod login;
pub mod mail_token;
pub mod outbox;
mod page;
mod password;
pub mod password_hash;
pub mod password_pool;
pub mod profile;
pub mod refresh_token;
pub(crate) mod sealing;
pub mod security_state;
pub mod session;
pub mod sighting;
pub mod signing_key;
mod step_up;
pub mod throttle;
mod totp;
pub mod user;

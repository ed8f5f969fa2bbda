//! The rules. Knows neither gRPC nor SQL.

pub mod account;
mod address;
pub mod cleanup;
pub mod erasure;
pub mod error;
pub mod export;
pub mod mail_token;
pub mod outbox;
mod password;
pub mod password_hash;
pub mod password_pool;
pub mod profile;
pub mod refresh_token;
pub mod security_state;
pub mod session;
pub mod signing_key;
pub mod user;

//! The vocabulary: parsed types without I/O. Past a `parse` nothing is checked twice.

pub mod alarm;
pub mod client;
pub mod erasure;
pub mod event;
pub mod event_kind;
pub mod export;
pub mod factor;
pub mod id;
pub mod mail;
pub mod mail_token;
pub mod network;
pub mod password;
pub mod profile;
pub mod security_change;
pub mod session;
pub mod signing_key;
pub mod throttle;
pub mod user;
pub mod username;

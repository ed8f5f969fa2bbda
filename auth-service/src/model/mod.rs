//! The vocabulary: parsed types without I/O. Past a `parse` nothing is checked twice.

pub mod client;
pub mod event;
pub mod id;
pub mod mail;
pub mod mail_token;
pub mod password;
pub mod profile;
pub mod security_change;
pub mod session;
pub mod user;
pub mod username;

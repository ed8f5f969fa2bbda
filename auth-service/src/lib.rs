//! auth-service owns users, issues and validates tokens, and sends the mail.
//!
//! A request crosses four rooms, and imports, calls and data all run the same way: `grpc` (decode, call,
//! encode) → `domain` (rules) → `store` and `mail` (the outside) → `model` (vocabulary).

mod config;
pub mod domain;
pub mod grpc;
pub mod mail;
pub mod model;
mod secret_file;
mod server;
pub mod store;

pub use config::{Config, ELSEWHERE, PREFIXES, SETTINGS};
pub use server::{StartError, Started, open_keys, open_store, serve};

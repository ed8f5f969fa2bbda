//! auth-service owns users, issues and validates tokens, and sends the mail.
//!
//! A request crosses four rooms, and imports, calls and data all run the same way: `grpc` (decode, call,
//! encode) → `domain` (rules) → `store`, `mail` and `course_client` (the outside) → `model` (vocabulary).

pub mod commands;
mod config;
pub mod course_client;
pub mod domain;
pub mod grpc;
pub mod mail;
pub mod model;
mod secret_file;
mod server;
pub mod store;

pub use config::{Config, ELSEWHERE, PREFIXES, SETTINGS};
pub use server::{Rules, StartError, Started, open_keys, open_rules, open_store, serve};

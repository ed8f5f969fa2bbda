//! auth-service owns users, issues and validates tokens, and sends the mail.
//!
//! A request crosses four rooms, and imports, calls and data all run the same way: `grpc` (decode, call,
//! encode) → `domain` (rules) → `store` and `mail` (the outside) → `model` (vocabulary).

pub mod domain;
pub mod mail;
pub mod model;
pub mod store;

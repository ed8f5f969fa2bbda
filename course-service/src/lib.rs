//! Owns courses and asks auth-service who is staff and who teaches.
//!
//! A request crosses four rooms, and imports, calls and data all run the same way: `grpc` (decode, call, encode)
//! → `domain` (rules) → `store` and auth-client (the outside) → `model` (vocabulary). [`server`] puts them
//! together.

pub mod config;
pub mod domain;
pub mod grpc;
pub mod model;
pub mod server;
pub mod store;

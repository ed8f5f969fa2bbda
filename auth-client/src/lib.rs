#![doc = include_str!("../README.md")]

pub mod access;
pub mod access_token;
pub mod authorize;
pub mod callers;
pub mod reporter;
mod security_state;

//! Transport: each method decodes, calls the domain and encodes. No rules here.

pub mod account;
mod caller;
pub(crate) mod encode;
mod export;
mod mask;
mod once;
mod profile;
mod refusal;
pub mod session;
pub mod token;
pub mod user;

pub use caller::Callers;

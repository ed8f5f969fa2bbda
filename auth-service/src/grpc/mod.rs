//! Transport: each method decodes, calls the domain and encodes. No rules here.

pub mod account;
mod caller;
pub(crate) mod encode;
mod event;
mod export;
pub mod factor;
mod mask;
mod once;
mod profile;
mod qr;
mod refusal;
pub mod session;
pub mod token;
pub mod user;

pub use caller::Callers;

//! What is to be answered alike takes the same time. A binary of its own, so that nothing else is measured along.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test should stop where its ground is missing"
)]

mod alike;
mod login;
mod mail;
mod registration;
#[path = "../support/mod.rs"]
mod support;

use auth_service::model::user::User;

/// The account while its address waits to be verified.
fn waiting(user: User) -> User {
    User {
        is_active: false,
        verified_at: None,
        ..user
    }
}

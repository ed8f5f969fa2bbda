//! Every RPC of auth-service over a real socket: what works, and what is refused in which words.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test should stop where its ground is missing"
)]

#[path = "../support/mod.rs"]
mod support;

mod alarm;
mod factor;
mod factor_kept;
mod factor_time;
mod fake_courses;
mod hiding;
mod hostile;
mod journeys;
mod key_replicas;
mod keys;
mod mail_links;
mod messenger;
mod own_data;
mod password;
mod profile;
mod purposes;
mod register;
mod security_changes;
mod security_events;
mod security_state;
mod session;
mod start;
mod surroundings;
mod time;
mod token;
mod user;
mod user_list;

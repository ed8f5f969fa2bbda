//! Every RPC over a real socket, beside an auth-service whose users and moods the tests choose.

mod auth_down;
mod concurrency;
mod create;
mod fake_auth;
mod get;
mod hostile;
mod instructors;
mod list;
mod names;
mod process;
mod rights;
#[path = "../support/mod.rs"]
mod support;
mod update;
mod world;

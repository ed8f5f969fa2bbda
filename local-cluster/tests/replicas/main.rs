//! Many processes on one PostgreSQL, and what happens to their users when processes are restarted one by one, or
//! killed at any moment; and what a receiver of traces learns of a request that crosses them.
//!
//! `KILLS=400 cargo test -p local-cluster --test replicas kills` kills for longer than the tests do by themselves.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed step is a failed test"
)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "what the bans protect is the product's, not a test's"
)]

mod alarm_kills;
mod erasure_kills;
#[path = "../fleet/mod.rs"]
mod fleet;
mod kills;
mod receiver;
mod rolling_restart;
mod traces;

use std::process::ExitCode;

use fleet::Ground;

fn main() -> ExitCode {
    fleet::run(async |filter| {
        if filter.wants("rolling_restart")
            && let Some(ground) = Ground::postgres().await
        {
            rolling_restart::run(ground).await;
        }
        if filter.wants("traces") {
            traces::run(Ground::sqlite(), "sqlite").await;
            traces::one_process_is_three_services().await;
            traces::a_failure_is_seen_where_it_happened().await;
            traces::nobody_waits_for_the_receiver().await;
            traces::nobody_is_traced_unasked().await;
            if let Some(ground) = Ground::postgres().await {
                traces::run(ground, "postgresql").await;
            }
        }
        if filter.wants("kills_on_sqlite") {
            kills::run("SQLite", Ground::sqlite()).await;
        }
        if filter.wants("kills_on_postgres")
            && let Some(ground) = Ground::postgres().await
        {
            kills::run("PostgreSQL", ground).await;
        }
        if filter.wants("erasure_kills_on_sqlite") {
            erasure_kills::run("SQLite", Ground::sqlite()).await;
        }
        if filter.wants("erasure_kills_on_postgres")
            && let Some(ground) = Ground::postgres().await
        {
            erasure_kills::run("PostgreSQL", ground).await;
        }
        if filter.wants("alarm_kills_on_sqlite") {
            alarm_kills::run("SQLite", Ground::sqlite()).await;
        }
        if filter.wants("alarm_kills_on_postgres")
            && let Some(ground) = Ground::postgres().await
        {
            alarm_kills::run("PostgreSQL", ground).await;
        }
    })
}

/// How often to kill: what `KILLS` says, or so often.
fn kills_or(usual: usize) -> usize {
    std::env::var("KILLS").map_or(usual, |kills| kills.parse().unwrap())
}

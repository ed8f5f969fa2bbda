//! Many processes on one PostgreSQL, and what happens to their users when processes are restarted one by one, or
//! killed at any moment; and what a receiver of traces learns of a request that crosses them.
//!
//! It starts itself as the processes that it restarts and kills, so it has a main function of its own.
//! `KILLS=400 cargo test -p local-cluster --test replicas` kills for longer than the tests do by themselves.

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

mod fleet;
mod kills;
mod part;
mod people;
mod receiver;
mod rolling_restart;
mod traces;

use std::process::ExitCode;

use fleet::Ground;

fn main() -> ExitCode {
    if let Some(orders) = part::orders() {
        return part::live(orders);
    }
    // A listing, or a filter that is after other tests, is not for this one.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filter = arguments
        .iter()
        .find(|argument| !argument.starts_with('-'))
        .cloned();
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let wanted = |name: &str| {
        filter
            .as_ref()
            .is_none_or(|filter| name.contains(filter.as_str()))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        if wanted("rolling_restart")
            && let Some(ground) = Ground::postgres().await
        {
            rolling_restart::run(ground).await;
        }
        if wanted("traces") {
            traces::run(Ground::sqlite(), "sqlite").await;
            traces::a_failure_is_seen_where_it_happened().await;
            traces::nobody_waits_for_the_receiver().await;
            traces::nobody_is_traced_unasked().await;
            if let Some(ground) = Ground::postgres().await {
                traces::run(ground, "postgresql").await;
            }
        }
        if wanted("kills_on_sqlite") {
            kills::run("SQLite", Ground::sqlite()).await;
        }
        if wanted("kills_on_postgres")
            && let Some(ground) = Ground::postgres().await
        {
            kills::run("PostgreSQL", ground).await;
        }
    });
    ExitCode::SUCCESS
}

//! What we stand on fails: the database, the mail server, the other services, the network, the clock, the disk, the
//! kernel's limits, and people all at once. Each fault is done to real processes while people use them, and prints a row: what
//! was expected, and what was seen. `docs/FAULTS.md` has the rows.
//!
//! `cargo test -p local-cluster --test faults sqlite` does those whose names contain `sqlite`.

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

mod asking;
mod cancels;
mod clock;
mod disk;
mod flaky;
#[path = "../fleet/mod.rs"]
mod fleet;
mod herd;
mod memory;
mod migrations;
mod network;
mod possible;
mod postgres;
mod process;
mod proxy;
mod revocation;
mod secrets;
mod services;
mod smtp;
mod sqlite;
mod starved;

use std::process::ExitCode;

fn main() -> ExitCode {
    fleet::run(async |filter| {
        if network::is_own() {
            return network::scenario(&filter).await;
        }
        println!("| fault | expected | seen |\n|---|---|---|");
        // Who waits for a mail server does not disturb others.
        tokio::join!(postgres::run(&filter), smtp::run(&filter));
        migrations::run(&filter).await;
        secrets::run(&filter).await;
        services::run(&filter).await;
        flaky::run(&filter).await;
        revocation::run(&filter).await;
        clock::run(&filter).await;
        sqlite::run(&filter).await;
        process::run(&filter).await;
        starved::run(&filter).await;
        memory::run(&filter).await;
        herd::run(&filter).await;
        cancels::run(&filter).await;
        network::run(&filter).await;
    })
}

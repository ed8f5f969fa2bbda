//! What the whole system does under pressure: ten and a hundred times as many callers, a flood of logins, and attacks
//! on its connections, each beside sixteen callers who only want one course.
//!
//! `cargo bench -p local-cluster --bench pressure`. The system runs in a process of its own, so that its memory is its
//! own; both processes share the cores, so an attack also costs what it takes to make it.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark that cannot go on has nothing to say"
)]

mod attacks;
mod callers;
mod system;

use std::{process::ExitCode, time::Duration};

use callers::{Request, Seen};
use system::System;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long each pressure lasts.
const PHASE: Duration = Duration::from_secs(5);
/// Who only wants a course.
const FAIR: usize = 16;
/// As many as keep every core busy.
const FULL: usize = 48;

fn main() -> ExitCode {
    if system::is_child() {
        return system::live();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run());
    ExitCode::SUCCESS
}

async fn run() {
    let system = System::start();
    let course = Request::get(&system.course().await);
    println!("memory at rest: {}", system.memory());

    println!(
        "\n| callers of one course | answered/s | p50 | p99 | refused/s | p99 of those | broken | memory |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for callers in [FULL, 10 * FULL, 100 * FULL] {
        let seen = callers::ask(system.gateway, &course, callers, PHASE).await;
        println!("| {callers} | {} | {} |", seen.row(PHASE), system.memory());
    }

    println!(
        "\n| beside {FAIR} callers of one course | answered/s | p50 | p99 | refused/s | p99 of those | broken | memory | the other side saw |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let fair = || callers::ask(system.gateway, &course, FAIR, PHASE);
    let line = |name: &str, seen: &Seen, told: &str| {
        println!("| {name} | {} | {} | {told} |", seen.row(PHASE), system.memory());
    };
    line("nobody", &fair().await, "");

    let login = Request::post(
        "/api/v1/auth/login",
        r#"{"username":"nobody@example.org","password":"a wrong password"}"#,
    );
    let (seen, logins) = tokio::join!(fair(), callers::ask(system.gateway, &login, 200, PHASE));
    line(
        "200 who try passwords",
        &seen,
        &format!("{} answers, {} refusals", logins.others, logins.refused.len()),
    );

    let path = course.path.clone();
    for attack in attacks::ALL {
        let (seen, told) = tokio::join!(fair(), attack.run(system.gateway, &path, PHASE));
        line(attack.name(), &seen, &told);
    }
    println!(
        "\nmemory after a moment: {}",
        system.memory_after_a_moment().await
    );
    println!("{}", attacks::until_cut(system.gateway, &path).await);
}

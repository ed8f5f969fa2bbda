//! `auth-service`: reads its settings, then serves, migrates, or looks after keys.

use std::{error::Error, process::ExitCode, time::Duration};

use auth_service::{Config, SETTINGS, StartError, open_keys, open_store, serve};
use clap::Command;
use service_runtime::{
    clock::Clock,
    entropy::Entropy,
    lifecycle::{Tasks, told_to_stop},
    listen, settings, telemetry,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long running requests may take once the process is told to stop.
const GRACE: Duration = Duration::from_secs(30);

fn command() -> Command {
    settings::command(
        "auth-service",
        "Owns users, issues and validates tokens, sends the mail",
        SETTINGS,
    )
    .subcommand_required(true)
    .subcommand(Command::new("serve").about("Applies migrations and serves gRPC until SIGTERM or Ctrl-C"))
    .subcommand(Command::new("migrate").about("Applies migrations and exits"))
    .subcommand(
        Command::new("keys")
            .about("Looks after the keys that access tokens are signed with")
            .subcommand_required(true)
            .subcommand(Command::new("list").about("Lists the keys, the signing one first"))
            .subcommand(
                Command::new("rotate").about("Signs with a new key from now on; nobody is logged out"),
            ),
    )
}

#[tokio::main]
async fn main() -> ExitCode {
    let matches = command().get_matches();
    let config = match Config::from_values(&settings::Values::from_matches(&matches, SETTINGS)) {
        Ok(config) => config,
        Err(faults) => return failed(&faults),
    };
    if config.logging {
        telemetry::start(config.environment, None);
    }
    let done = match matches.subcommand() {
        Some(("serve", _)) => run(config).await,
        Some(("migrate", _)) => open_store(&config).await.map(|_| ()),
        Some(("keys", keys)) => look_after_keys(&config, keys.subcommand_name() == Some("rotate")).await,
        _ => Ok(()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn run(config: Config) -> Result<(), StartError> {
    let listener = listen::bind(config.listen)?;
    let admin_listener = listen::bind(config.admin_listen)?;
    let (address, admin_address) = (listener.local_addr()?, admin_listener.local_addr()?);
    let tasks = Tasks::default();
    serve(config, listener, Some(admin_listener), Clock::system(), &tasks).await?;
    say(&format!(
        "auth-service: gRPC on {address}, /readyz on {admin_address}"
    ));
    tokio::select! {
        told = told_to_stop() => told?,
        () = tasks.stopping() => {}
    }
    tasks.stop();
    if tasks.finished(GRACE).await {
        Ok(())
    } else {
        Err(StartError::Unfinished)
    }
}

async fn look_after_keys(config: &Config, rotate: bool) -> Result<(), StartError> {
    let store = open_store(config).await?;
    let keys = open_keys(config, &store, &Clock::system(), &Entropy::default()).await?;
    if rotate {
        keys.rotate().await?;
    }
    for (place, key) in keys.public_keys().iter().enumerate() {
        say(&format!(
            "{}  {}",
            key.kid,
            if place == 0 { "signs" } else { "verifies" }
        ));
    }
    Ok(())
}

fn failed(error: &dyn Error) -> ExitCode {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    #[allow(clippy::print_stderr, reason = "the one message of a command that failed")]
    {
        eprintln!("auth-service: {message}");
    }
    ExitCode::FAILURE
}

fn say(line: &str) {
    #[allow(clippy::print_stdout, reason = "what the command was asked for")]
    {
        println!("{line}");
    }
}

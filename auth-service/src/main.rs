//! `auth-service`: reads its settings, then serves, migrates, or does what an operator asks for.

use std::{error::Error, process::ExitCode};

use auth_service::{Config, ELSEWHERE, PREFIXES, SETTINGS, commands, open_store, serve};
use clap::{ArgMatches, Command};
use service_runtime::{
    admin,
    clock::Clock,
    lifecycle::{Signals, Tasks},
    listen,
    process::{ended, raise_open_files, say, until_told_to_stop},
    settings::{self, Values},
    telemetry,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn command() -> Command {
    let about = "Owns users, issues and validates tokens, sends the mail";
    settings::command("auth-service", about, SETTINGS)
        .subcommand_required(true)
        .subcommand(Command::new("serve").about("Applies migrations and serves gRPC until SIGTERM or Ctrl-C"))
        .subcommand(Command::new("migrate").about("Applies migrations and exits"))
        .subcommand(Command::new("ready").about("Asks the running service whether it is ready; says why not"))
        .subcommand(commands::users::command())
        .subcommand(commands::keys::command())
        .subcommand(commands::sessions::command())
        .subcommand(commands::erasures::command())
}

#[tokio::main]
async fn main() -> ExitCode {
    ended("auth-service", run(&command().get_matches()).await)
}

async fn run(matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let values = Values::from_matches(matches, SETTINGS);
    if matches.subcommand_name() == Some("ready") {
        return Ok(admin::ask(&values, SETTINGS).await?);
    }
    let config = Config::from_values(&values)?;
    if config.logging {
        telemetry::start(config.environment, values.get("RUST_LOG"));
    }
    settings::warn_of_unknown(SETTINGS, PREFIXES, ELSEWHERE);
    match matches.subcommand() {
        Some(("migrate", _)) => open_store(&config).await?.close().await,
        Some(("users", matches)) => commands::users::run(&config, matches).await?,
        Some(("keys", matches)) => commands::keys::run(&config, matches).await?,
        Some(("sessions", matches)) => commands::sessions::run(&config, matches).await?,
        Some(("erasures", matches)) => commands::erasures::run(&config, matches).await?,
        _ => serve_until_told(config).await?,
    }
    Ok(())
}

async fn serve_until_told(config: Config) -> Result<(), Box<dyn Error>> {
    let signals = Signals::watch()?;
    raise_open_files();
    let listener = listen::bind(config.listen)?;
    let admin_listener = listen::bind(config.admin_listen)?;
    let (address, admin_address) = (listener.local_addr()?, admin_listener.local_addr()?);
    let (tasks, grace, scheme) = (Tasks::default(), config.shutdown_grace, config.tls.scheme());
    serve(config, listener, Some(admin_listener), Clock::system(), &tasks).await?;
    say(format_args!(
        "auth-service: gRPC on {address}, operators on {scheme}://{admin_address}"
    ));
    until_told_to_stop(signals, &tasks, grace).await
}

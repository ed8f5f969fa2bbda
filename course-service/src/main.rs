//! `course-service`: reads its settings, then serves or migrates, and ends with an honest code.

use std::{error::Error, process::ExitCode};

use clap::{ArgMatches, Command};
use course_service::{
    config::{Config, ELSEWHERE, PREFIXES, SETTINGS},
    server,
};
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
    settings::command("course-service", "Owns courses and who teaches them", SETTINGS)
        .subcommand_required(true)
        .subcommand(Command::new("serve").about("Applies migrations and serves gRPC until SIGTERM or Ctrl-C"))
        .subcommand(Command::new("migrate").about("Applies migrations and exits"))
        .subcommand(Command::new("ready").about("Asks the running service whether it is ready; says why not"))
}

#[tokio::main]
async fn main() -> ExitCode {
    ended("course-service", run(&command().get_matches()).await)
}

async fn run(matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let values = Values::from_matches(matches, SETTINGS);
    if matches.subcommand_name() == Some("ready") {
        return Ok(admin::ask(&values, SETTINGS).await?);
    }
    let config = Config::from_values(&values)?;
    if config.enable_logging {
        telemetry::start(config.environment, values.get("RUST_LOG"));
    }
    settings::warn_of_unknown(SETTINGS, PREFIXES, ELSEWHERE);
    match matches.subcommand_name() {
        Some("migrate") => server::migrate(&config).await?.close().await,
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
    server::serve(config, listener, Some(admin_listener), Clock::system(), &tasks).await?;
    say(format_args!(
        "course-service: gRPC on {address}, operators on {scheme}://{admin_address}"
    ));
    until_told_to_stop(signals, &tasks, grace).await
}

//! `gateway serve`: one process of the gateway.

use std::{error::Error, process::ExitCode, thread};

use clap::{ArgMatches, Command};
use gateway::{
    config::{Config, PREFIXES, SETTINGS},
    server,
};
use mimalloc::MiMalloc;
use service_runtime::{
    admin,
    lifecycle::{Signals, Tasks},
    listen,
    process::{ended, raise_open_files, say, until_told_to_stop},
    readiness::Readiness,
    settings::{self, Values},
    telemetry,
};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn command() -> Command {
    let about = "REST for browsers in front of the gRPC services of Online Edu";
    settings::command("gateway", about, SETTINGS)
        .subcommand_required(true)
        .subcommand(Command::new("serve").about("Serves until told to stop by SIGTERM or Ctrl-C"))
        .subcommand(Command::new("ready").about("Asks the running gateway whether it is ready; says why not"))
}

fn main() -> ExitCode {
    ended("gateway", run(&command().get_matches()))
}

fn run(matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    // Only asks or supervises: the work is done on the threads that `server::serve` starts.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let values = Values::from_matches(matches, SETTINGS);
    if matches.subcommand_name() == Some("ready") {
        return Ok(runtime.block_on(admin::ask(&values, SETTINGS))?);
    }
    let config = Config::from_values(&values)?;
    if config.logging {
        telemetry::start(config.environment, values.get("RUST_LOG"));
    }
    settings::warn_of_unknown(SETTINGS, PREFIXES, &[]);
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    let signals = Signals::watch()?;
    raise_open_files();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let listeners = listen::bind_many(config.listen, threads)?;
    let admin_listener = listen::bind(config.admin_listen)?;
    let bound = listeners
        .first()
        .map_or(Ok(config.listen), std::net::TcpListener::local_addr)?;
    let admin_bound = admin_listener.local_addr()?;

    let tasks = Tasks::default();
    server::serve(&config, listeners, &tasks)?;
    admin::serve(
        admin_listener,
        config.tls.for_anyone(),
        Readiness::default(),
        &tasks,
    )?;
    let (scheme, admin_scheme) = (config.public_scheme(), config.tls.scheme());
    say(format_args!("gateway listens on {scheme}://{bound}"));
    say(format_args!("admin listens on {admin_scheme}://{admin_bound}"));
    until_told_to_stop(signals, &tasks, config.shutdown_grace).await
}

//! `gateway serve`: one process of the gateway.

use std::{error::Error, process::ExitCode, thread};

use clap::Command;
use gateway::{
    config::{Config, SETTINGS},
    server,
};
use mimalloc::MiMalloc;
use service_runtime::{
    admin,
    lifecycle::Tasks,
    listen,
    process::{ended, say, until_told_to_stop},
    readiness::Readiness,
    settings::{Values, command},
    telemetry,
};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let about = "REST for browsers in front of the gRPC services of Online Edu";
    let serve_about = "Serves until told to stop by SIGTERM or Ctrl-C";
    let matches = command("gateway", about, SETTINGS)
        .subcommand(Command::new("serve").about(serve_about))
        .subcommand_required(true)
        .get_matches();
    ended("gateway", serve(&Values::from_matches(&matches, SETTINGS)))
}

fn serve(values: &Values) -> Result<(), Box<dyn Error>> {
    let config = Config::from_values(values)?;
    if config.logging {
        telemetry::start(config.environment, values.get("RUST_LOG"));
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let listeners = listen::bind_many(config.listen, threads)?;
    let admin_listener = listen::bind(config.admin_listen)?;
    let bound = listeners
        .first()
        .map_or(Ok(config.listen), std::net::TcpListener::local_addr)?;
    let admin_bound = admin_listener.local_addr()?;

    // Only supervises: the work is done on the threads that `server::serve` starts.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let tasks = Tasks::default();
        server::serve(&config, listeners, &tasks)?;
        admin::serve(admin_listener, Readiness::default(), &tasks)?;
        say(format_args!("gateway listens on http://{bound}"));
        say(format_args!("admin listens on http://{admin_bound}"));
        until_told_to_stop(&tasks, config.shutdown_grace).await
    })
}

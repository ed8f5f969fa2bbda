//! `gateway serve`: one process of the gateway.

use std::{error::Error, io::Write, net::SocketAddr, process::ExitCode, thread, time::Duration};

use clap::Command;
use gateway::{
    config::{Config, SETTINGS},
    server,
};
use mimalloc::MiMalloc;
use service_runtime::{
    admin::{self, Readiness},
    lifecycle::{Tasks, told_to_stop},
    listen,
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
    match serve(&Values::from_matches(&matches, SETTINGS)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tell(std::io::stderr(), format_args!("gateway: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Serves; says whether everything ended well.
fn serve(values: &Values) -> Result<bool, Box<dyn Error>> {
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
    announce(bound, admin_listener.local_addr()?);

    // Only supervises: the work is done on the threads that `server::serve` starts.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (tasks, readiness) = (Tasks::default(), Readiness::default());
        admin::serve(admin_listener, readiness.clone(), &tasks)?;
        server::serve(&config, listeners, &tasks)?;
        readiness.set(true);
        tokio::select! {
            told = told_to_stop() => told?,
            () = tasks.stopping() => {}
        }
        readiness.set(false);
        tasks.stop();
        // The threads keep the grace themselves; this only waits for them.
        Ok(tasks
            .finished(config.shutdown_grace + Duration::from_secs(1))
            .await)
    })
}

fn announce(gateway: SocketAddr, admin: SocketAddr) {
    tell(
        std::io::stdout(),
        format_args!("gateway listens on http://{gateway}"),
    );
    tell(std::io::stdout(), format_args!("admin listens on http://{admin}"));
}

/// A closed terminal is no reason to fail.
fn tell(mut output: impl Write, line: std::fmt::Arguments<'_>) {
    let _closed = writeln!(output, "{line}");
}

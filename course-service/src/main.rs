//! The process: reads its settings, then serves or migrates, and ends with an honest code.

use std::{
    error::Error,
    io::{self, Write},
    process::ExitCode,
};

use clap::Command;
use course_service::{
    config::{Config, SETTINGS},
    server,
};
use service_runtime::{
    lifecycle::{Tasks, told_to_stop},
    listen,
    settings::{self, Values},
    telemetry,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let matches = settings::command("course-service", "Owns courses and who teaches them", SETTINGS)
        .subcommand_required(true)
        .subcommand(Command::new("serve").about("Migrates the database and serves courses over gRPC"))
        .subcommand(Command::new("migrate").about("Applies migrations and exits"))
        .get_matches();
    let (command, matches) = matches.subcommand().unwrap_or(("serve", &matches));
    match run(command, &Values::from_matches(matches, SETTINGS)) {
        Ok(code) => code,
        Err(error) => {
            complain(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str, values: &Values) -> Result<ExitCode, Box<dyn Error>> {
    let config = Config::from_values(values)?;
    if config.enable_logging {
        telemetry::start(config.environment, None);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if command == "migrate" {
            server::migrate(&config).await?.close().await;
            return Ok(ExitCode::SUCCESS);
        }
        serve(config).await
    })
}

async fn serve(config: Config) -> Result<ExitCode, Box<dyn Error>> {
    let listener = listen::bind(config.listen)?;
    let admin = listen::bind(config.admin_listen)?;
    let (address, admin_address) = (listener.local_addr()?, admin.local_addr()?);
    let grace = config.shutdown_grace;
    let tasks = Tasks::default();
    server::serve(config, listener, Some(admin), &tasks).await?;
    writeln!(
        io::stdout(),
        "course-service: gRPC on {address}, operators on http://{admin_address}"
    )?;
    tokio::select! {
        told = told_to_stop() => told?,
        () = tasks.stopping() => {}
    }
    tasks.stop();
    Ok(if tasks.finished(grace).await {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Says what went wrong and why, one line per cause.
fn complain(error: &dyn Error) {
    let mut stderr = io::stderr();
    // If even this cannot be written, the exit code still says it.
    let _ = writeln!(stderr, "course-service: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = writeln!(stderr, "  because: {error}");
        cause = error.source();
    }
}

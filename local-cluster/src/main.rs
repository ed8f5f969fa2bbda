//! `cargo run`: the whole of Online Edu on a developer's machine, until Ctrl-C.

use std::{error::Error, process::ExitCode};

use local_cluster::{LocalCluster, Plan, Staff, prefixes, reachable, settings};
use service_runtime::{
    clock::Clock,
    lifecycle::Signals,
    process::{Unfinished, ended, raise_open_files, say},
    settings::{Values, command, warn_of_unknown},
    telemetry,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ABOUT: &str = "The whole of Online Edu in one process: auth-service, course-service and the gateway on \
                     embedded SQLite. Every setting is an environment variable and a flag.";

#[tokio::main]
async fn main() -> ExitCode {
    let settings = settings();
    let matches = command("local-cluster", ABOUT, &settings).get_matches();
    ended(
        "local-cluster",
        run(Values::from_matches(&matches, &settings)).await,
    )
}

async fn run(values: Values) -> Result<(), Box<dyn Error>> {
    let filter = values.get("RUST_LOG").map(str::to_owned);
    let plan = Plan::of(values)?;
    if let Some(environment) = plan.logs_as() {
        telemetry::start(environment, filter.as_deref());
    }
    raise_open_files();
    warn_of_unknown(&settings(), &prefixes(), &[]);
    let mut signals = Signals::watch()?;
    let cluster = LocalCluster::run(plan, Clock::system()).await?;
    say(greeting(&cluster));
    let crashed = tokio::select! {
        () = signals.told_to_stop() => false,
        () = cluster.crashed() => true,
    };
    say("Stopping: finishing what runs … (again: at once)");
    let stopped = tokio::select! {
        stopped = cluster.stop() => stopped,
        () = signals.told_to_stop() => return Err(Unfinished::Forced.into()),
    };
    match (crashed, stopped) {
        (true, _) => Err(Unfinished::Crashed.into()),
        (false, false) => Err(Unfinished::Late.into()),
        (false, true) => Ok(()),
    }
}

/// What a newcomer needs to know.
fn greeting(cluster: &LocalCluster) -> String {
    let [gateway, auth, course, admin] =
        [cluster.gateway, cluster.auth, cluster.course, cluster.admin].map(reachable);
    let mail = match &cluster.mail_folder {
        Some(folder) => format!("http://{gateway}/dev/mail   (kept in {})", folder.display()),
        None => "to the mail server in EMAIL_HOST".to_owned(),
    };
    let staff = match &cluster.new_staff {
        Some(Staff {
            username,
            password: Some(made_up),
        }) => format!("{username}   password {made_up}   (shown once)"),
        Some(Staff { username, .. }) => format!("{username}   password as in STAFF_PASSWORD"),
        None => "made at an earlier start".to_owned(),
    };
    format!(
        "\nOnline Edu runs.\n\n  \
         REST      http://{gateway}/api/v1   try it at http://{gateway}/docs\n  \
         gRPC      auth-service {auth}, course-service {course}\n  \
         mail      {mail}\n  \
         staff     {staff}\n  \
         health    http://{admin}/readyz\n\n\
         Ctrl-C stops it; the data stay.\n"
    )
}

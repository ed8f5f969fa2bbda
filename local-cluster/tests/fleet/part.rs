//! One process of the fleet: a service as its own binary runs it, told by its environment which one.

use std::{collections::BTreeMap, error::Error, path::Path, process::ExitCode};

use chrono::TimeDelta;
use service_runtime::{
    admin,
    clock::Clock,
    database::Database,
    lifecycle::{Signals, Tasks},
    listen,
    process::{ended, until_told_to_stop},
    readiness::Readiness,
    settings::{Environment, Values},
    telemetry,
};
use sqlx::migrate::Migrator;

/// The variable that tells a process which part it is.
pub const PART: &str = "FLEET_PART";
/// The variable with its settings, as a JSON object.
pub const SETTINGS: &str = "FLEET_SETTINGS";
/// The variable with the folder of the migrations of a newer version, which course-service then is.
pub const MIGRATIONS: &str = "FLEET_MIGRATIONS";

/// What it logs when its clock was turned.
pub const TURNED: &str = "the clock was turned";

/// What this process was told.
pub struct Orders {
    part: String,
    values: Values,
}

/// What this process was told; `None`: it is the test itself.
pub fn orders() -> Option<Orders> {
    let part = std::env::var(PART).ok()?;
    let settings: BTreeMap<String, String> =
        serde_json::from_str(&std::env::var(SETTINGS).ok()?).expect("settings");
    let values = settings
        .into_iter()
        .fold(Values::default(), |values, (name, value)| {
            match name.strip_suffix("_FILE") {
                Some(secret) => values.with_file(secret, value),
                None => values.with(&name, value),
            }
        });
    Some(Orders { part, values })
}

/// The life of a part: until it is told to stop, is killed, or the test is gone.
pub fn live(orders: Orders) -> ExitCode {
    telemetry::start(Environment::Development, Some("info"));
    let clock = Clock::jumping();
    let turned = clock.clone();
    std::thread::spawn(move || {
        // What the test says is by how many seconds to turn the clock.
        for line in std::io::stdin().lines().map_while(Result::ok) {
            turned.turn(TimeDelta::seconds(line.parse().unwrap()));
            tracing::info!("{TURNED}");
        }
        std::process::exit(9);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    ended(&orders.part.clone(), runtime.block_on(run(orders, clock)))
}

async fn run(Orders { part, values }: Orders, clock: Clock) -> Result<(), Box<dyn Error>> {
    let (signals, tasks) = (Signals::watch()?, Tasks::default());
    let grace = match part.as_str() {
        "auth-service" => {
            let config = auth_service::Config::from_values(&values)?;
            let grace = config.shutdown_grace;
            let (listener, admin) = (listen::bind(config.listen)?, listen::bind(config.admin_listen)?);
            auth_service::serve(config, listener, Some(admin), clock, &tasks).await?;
            grace
        }
        "course-service" => {
            let config = course_service::config::Config::from_values(&values)?;
            let grace = config.shutdown_grace;
            if let Some(folder) = std::env::var_os(MIGRATIONS) {
                let migrator = Migrator::new(Path::new(&folder)).await?;
                let database = Database::connect(config.database_url.expose(), "course").await?;
                database.migrate("course", Box::leak(Box::new(migrator))).await?;
                database.close().await;
            }
            let (listener, admin) = (listen::bind(config.listen)?, listen::bind(config.admin_listen)?);
            course_service::server::serve(config, listener, Some(admin), clock, &tasks).await?;
            grace
        }
        _ => {
            let config = gateway::config::Config::from_values(&values)?;
            let listeners = listen::bind_many(config.listen, 2)?;
            let admin_listener = listen::bind(config.admin_listen)?;
            gateway::server::serve(&config, listeners, &tasks)?;
            admin::serve(
                admin_listener,
                config.tls.for_anyone(),
                Readiness::default(),
                &tasks,
            )?;
            config.shutdown_grace
        }
    };
    until_told_to_stop(signals, &tasks, grace).await
}

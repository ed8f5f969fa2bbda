//! The composition root: everything the service is made of can be read in [`serve`].

use std::{io, net::TcpListener, time::Duration};

use auth_client::authorize::AuthClient;
use proto::course::v1::course_service_server::{CourseServiceServer, SERVICE_NAME};
use service_runtime::{
    admin::{self, Readiness},
    clock::Clock,
    entropy::Entropy,
    grpc::{
        channel::{BadAddress, Channel},
        server::{LARGEST_MESSAGE, with_health_and_reflection},
    },
    lifecycle::Tasks,
    mac::Mac,
    page_token::PageTokens,
    secret::Secret,
};
use tonic::{metadata::errors::InvalidMetadataValue, service::Routes};
use tonic_health::server::HealthReporter;

use crate::{
    config::Config,
    domain::{Courses, names, retention},
    grpc::CourseGrpc,
    store::Store,
};

/// How often the database is asked whether it answers.
const PROBE: Duration = Duration::from_secs(5);

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be reached.
    #[error("the database cannot be reached")]
    Database(#[from] sqlx::Error),
    /// Its tables cannot be brought up to date.
    #[error("a migration failed")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// There was no service token.
    #[error("SERVICE_TOKEN must be set")]
    NoServiceToken,
    /// The service token cannot be sent.
    #[error("SERVICE_TOKEN cannot be sent as metadata")]
    ServiceToken(#[from] InvalidMetadataValue),
    /// The address of auth-service is none.
    #[error("AUTH_URL: {0}")]
    AuthUrl(#[from] BadAddress),
    /// The embedded descriptors are none.
    #[error("the reflection service cannot start")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A listener cannot be used.
    #[error("a listener cannot be used")]
    Listener(#[from] io::Error),
}

/// Connects to the database and applies the migrations that are not applied yet.
///
/// # Errors
/// [`StartError::Database`], [`StartError::Migration`].
pub async fn migrate(config: &Config) -> Result<Store, StartError> {
    let store = Store::connect(config.database_url.expose()).await?;
    store.migrate().await?;
    Ok(store)
}

/// Serves courses on `listener`, and operators on `admin`, until the tasks are asked to stop. It returns once
/// requests are accepted.
///
/// # Errors
/// [`StartError`]; nothing is served then.
pub async fn serve(
    config: Config,
    listener: TcpListener,
    admin: Option<TcpListener>,
    tasks: &Tasks,
) -> Result<(), StartError> {
    let store = migrate(&config).await?;
    let shown = config.service_tokens.first().ok_or(StartError::NoServiceToken)?;
    let auth = AuthClient::new(Channel::to(&config.auth_url)?, shown)?;
    let secrets: Vec<_> = config
        .service_tokens
        .iter()
        .map(|token| Secret::new(token.expose().clone().into_bytes()))
        .collect();
    let courses = Courses {
        store: store.clone(),
        auth,
        clock: Clock::system(),
        entropy: Entropy::default(),
        page_tokens: PageTokens::new(Mac::derive(&secrets, "course page-token")),
        currency: config.default_currency,
    };

    tasks.spawn("names of instructors", names::run(courses.clone(), tasks.clone()));
    tasks.spawn("retention", retention::run(courses.clone(), tasks.clone()));

    let service =
        CourseServiceServer::new(CourseGrpc::new(courses)).max_decoding_message_size(LARGEST_MESSAGE);
    let (routes, health) =
        with_health_and_reflection(Routes::new(service), proto::FILE_DESCRIPTOR_SET, &[SERVICE_NAME]).await?;
    let readiness = Readiness::default();
    readiness.set(true);
    tasks.spawn(
        "readiness",
        watch(store, readiness.clone(), health, tasks.clone()),
    );
    if let Some(admin) = admin {
        admin::serve(admin, readiness, tasks)?;
    }
    service_runtime::grpc::server::serve(listener, routes, tasks)?;
    Ok(())
}

/// Keeps readiness and health true to whether the database answers, and turns both off at the end. Whether
/// auth-service answers does not count: anonymous reads go on without it.
async fn watch(store: Store, readiness: Readiness, health: HealthReporter, tasks: Tasks) {
    while tasks.sleep(PROBE).await {
        let ready = store.ping().await.is_ok();
        if ready != readiness.get() {
            tracing::warn!(ready, "readiness has changed");
        }
        tell(ready, &readiness, &health).await;
    }
    tell(false, &readiness, &health).await;
}

async fn tell(ready: bool, readiness: &Readiness, health: &HealthReporter) {
    let status = if ready {
        tonic_health::ServingStatus::Serving
    } else {
        tonic_health::ServingStatus::NotServing
    };
    readiness.set(ready);
    health.set_service_status("", status).await;
    health.set_service_status(SERVICE_NAME, status).await;
}

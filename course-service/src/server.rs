//! The composition root: everything the service is made of can be read in [`serve`].

use std::{io, net::TcpListener};

use auth_client::{
    access::{AccessLayer, People},
    authorize::AuthClient,
    callers::Callers,
    reporter::Reporter,
};
use proto::course::v1::{
    course_service_server::{CourseServiceServer, SERVICE_NAME as COURSE_SERVICE},
    enrollment_service_server::{EnrollmentServiceServer, SERVICE_NAME as ENROLLMENT_SERVICE},
    person_service_server::{PersonServiceServer, SERVICE_NAME as PERSON_SERVICE},
};
use service_runtime::{
    admin,
    clock::Clock,
    entropy::Entropy,
    grpc::{
        channel::Channel,
        server::{LARGEST_MESSAGE, with_health_and_reflection},
        service_token::ServiceTokens,
    },
    lifecycle::Tasks,
    mac::Mac,
    metrics,
    page_token::PageTokens,
    readiness::Readiness,
    secret::Secret,
    telemetry::Tracer,
};
use tonic::{metadata::errors::InvalidMetadataValue, service::Routes};
use tower::Layer;

use crate::{
    config::Config,
    domain::{Courses, names, retention},
    grpc::{CourseGrpc, EnrollmentGrpc, PersonGrpc},
    store::Store,
};

/// What the service cannot work without.
const DATABASE: &str = "database";

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
    let mut store = Store::connect(config.database_url.expose()).await?;
    if let Some(replica) = &config.read_database_url {
        store = store.with_replica(replica.expose())?;
    }
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
    clock: Clock,
    tasks: &Tasks,
) -> Result<(), StartError> {
    metrics::start();
    config.tls.follow(tasks);
    let tracer = Tracer::start(config.traces.as_ref(), "course-service", tasks)?;
    let store = migrate(&config).await?;
    store.follow(&config.database_url, config.read_database_url.as_ref(), tasks);
    let shown = config.service_tokens.first().ok_or(StartError::NoServiceToken)?;
    let auth = AuthClient::new(Channel::at(&config.auth_url), shown)?;
    let secrets: Vec<_> = config
        .service_tokens
        .iter()
        .map(|token| Secret::new(token.expose().clone().into_bytes()))
        .collect();
    let entropy = Entropy::default();
    let people = People {
        callers: Callers::start(auth.clone(), clock.clone(), tasks),
        reporter: Reporter::start(auth.clone(), clock.clone(), entropy.clone(), tasks),
    };
    let access = AccessLayer::new(people, ServiceTokens::new(&config.service_tokens), clock.clone());
    let courses = Courses {
        store: store.clone(),
        auth,
        clock,
        entropy,
        page_tokens: PageTokens::new(Mac::derive(&secrets, "course page-token")),
        currency: config.default_currency,
    };

    tasks.spawn("names of instructors", names::run(courses.clone(), tasks.clone()));
    tasks.spawn("retention", retention::run(courses.clone(), tasks.clone()));

    let person = PersonGrpc::new(courses.clone());
    let enrollment = EnrollmentGrpc::new(courses.clone());
    let routes = Routes::new(
        CourseServiceServer::new(CourseGrpc::new(courses)).max_decoding_message_size(LARGEST_MESSAGE),
    )
    .add_service(EnrollmentServiceServer::new(enrollment).max_decoding_message_size(LARGEST_MESSAGE))
    .add_service(PersonServiceServer::new(person).max_decoding_message_size(LARGEST_MESSAGE));
    // Whether auth-service answers does not count: anonymous reads go on without it.
    let readiness = Readiness::default();
    readiness.set(DATABASE, true);
    let answers = async move || store.answers().await;
    tasks.spawn(
        "readiness",
        readiness.clone().follow(DATABASE, answers, tasks.clone()),
    );
    let routes = with_health_and_reflection(
        routes,
        proto::FILE_DESCRIPTOR_SET,
        &[COURSE_SERVICE, ENROLLMENT_SERVICE, PERSON_SERVICE],
        readiness.clone(),
        tasks,
    )
    .await?;
    if let Some(admin) = admin {
        admin::serve(admin, config.tls.for_anyone(), readiness, tasks)?;
    }
    let services = access.layer(routes);
    service_runtime::grpc::server::serve(listener, config.tls.for_services(), services, tracer, tasks)?;
    Ok(())
}

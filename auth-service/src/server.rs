//! The composition root: the whole service can be read in [`assemble`].

use std::{io, net::TcpListener, sync::Arc};

use auth_client::access::AccessLayer;
use chrono::TimeDelta;
use proto::auth::v1::{
    account_service_server::{AccountServiceServer, SERVICE_NAME as ACCOUNT_SERVICE},
    factor_service_server::{FactorServiceServer, SERVICE_NAME as FACTOR_SERVICE},
    session_service_server::{SERVICE_NAME as SESSION_SERVICE, SessionServiceServer},
    token_service_server::{SERVICE_NAME as TOKEN_SERVICE, TokenServiceServer},
    user_service_server::{SERVICE_NAME as USER_SERVICE, UserServiceServer},
};
use service_runtime::{
    admin,
    clock::Clock,
    entropy::Entropy,
    grpc::{
        channel::Channel,
        server::{LARGEST_MESSAGE, serve as serve_grpc, with_health_and_reflection},
        service_token::ServiceTokens,
    },
    lifecycle::Tasks,
    mac::Mac,
    metrics,
    page_token::PageTokens,
    readiness::Readiness,
    reports::Taken,
    secret::Secret,
    telemetry::Tracer,
};
use tonic::{metadata::errors::InvalidMetadataValue, service::Routes};
use tower::Layer;

use crate::{
    config::Config,
    course_client::CourseClient,
    domain::{
        account::Accounts,
        alarm::Alarms,
        cleanup::Cleanup,
        erasure::{Erasures, Messenger},
        error::Error,
        event::{Events, Recorder},
        export::Exports,
        factor::Factors,
        mail_token::MailTokens,
        outbox::{Bell, Timing, Worker},
        password_hash::{Cost, HashError},
        password_pool::PasswordPool,
        refresh_token::RefreshTokens,
        sealing::Sealing,
        security_state::SecurityState,
        session::Sessions,
        signing_key::{KeyRing, LEAD, Timing as KeyTiming},
        throttle::Throttle,
        user::Users,
    },
    grpc::{
        Callers, account::AccountApi, factor::FactorApi, session::SessionApi, token::TokenApi, user::UserApi,
    },
    mail::{Mailer, message::Composer},
    model::event::SecurityEvent,
    store::Store,
};

/// The services that this one serves.
const SERVICES: [&str; 5] = [
    ACCOUNT_SERVICE,
    SESSION_SERVICE,
    FACTOR_SERVICE,
    USER_SERVICE,
    TOKEN_SERVICE,
];
/// What the service cannot work without.
const DATABASE: &str = "database";

/// Why the service did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be reached.
    #[error("the database cannot be reached")]
    Connect(#[source] sqlx::Error),
    /// A migration failed.
    #[error("the database cannot be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The password pool cannot be made.
    #[error("the password pool cannot be made")]
    Passwords(#[from] HashError),
    /// The signing keys cannot be read.
    #[error("the signing keys cannot be used")]
    Keys(#[from] Error),
    /// The secret of development cannot be read or made.
    #[error("SECRET_KEY is not set and could not be made under DATA_DIR")]
    Secret(#[source] io::Error),
    /// The first staff user cannot be made.
    #[error("the first staff user cannot be made: {0}")]
    Staff(String),
    /// The mail destination cannot be used.
    #[error("mail cannot be sent: {0}")]
    Mail(String),
    /// There was no service token.
    #[error("SERVICE_TOKEN must be set")]
    NoServiceToken,
    /// The service token cannot be sent.
    #[error("SERVICE_TOKEN cannot be sent as metadata")]
    ServiceToken(#[from] InvalidMetadataValue),
    /// The descriptor set is not one.
    #[error("reflection cannot be served")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// A listener cannot be used.
    #[error("a listener cannot be used")]
    Listen(#[from] io::Error),
    /// A task crashed, or did not end in time.
    #[error("not everything ended well")]
    Unfinished,
}

/// What there is to say about a service that has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Whether the first staff user was made just now.
    pub staff_made: bool,
}

/// Opens the database and applies its migrations.
///
/// # Errors
/// When it cannot be reached or migrated.
pub async fn open_store(config: &Config) -> Result<Store, StartError> {
    let mut store = Store::connect(config.database_url.expose())
        .await
        .map_err(StartError::Connect)?;
    if let Some(replica) = &config.read_database_url {
        store = store
            .with_replica(replica.expose())
            .map_err(StartError::Connect)?;
    }
    store.migrate().await?;
    Ok(store)
}

/// Opens the signing keys.
///
/// # Errors
/// When there is no secret, or the database cannot serve, or holds a key that `SECRET_KEY` does not open.
pub async fn open_keys(
    config: &Config,
    store: &Store,
    clock: &Clock,
    entropy: &Entropy,
) -> Result<KeyRing, StartError> {
    let secrets = config.secret_keys.open().map_err(StartError::Secret)?;
    let keys = KeyRing::open(
        store.clone(),
        clock.clone(),
        entropy,
        &secrets,
        &config.base_url,
        KeyTiming {
            lead: LEAD,
            rotation_interval: config.key_rotation_interval,
            token_lifetime: config.access_lifetime,
        },
    );
    Ok(keys.await?)
}

/// The rules, each with what it needs.
pub struct Rules {
    /// Where everything is kept.
    pub store: Store,
    /// A person's own account.
    pub accounts: Accounts,
    /// Sessions and their tokens.
    pub sessions: Sessions,
    /// Accounts as staff sees them.
    pub users: Users,
    /// The end of accounts.
    pub erasures: Erasures,
    /// The trail.
    pub events: Events,
    noted: Taken<SecurityEvent>,
    secrets: Vec<Secret<Vec<u8>>>,
}

/// Opens the database and the signing keys, and puts the rules together.
///
/// # Errors
/// [`StartError`].
pub async fn open_rules(config: &Config, clock: &Clock, entropy: &Entropy) -> Result<Rules, StartError> {
    let secrets = config.secret_keys.open().map_err(StartError::Secret)?;
    let mac = |purpose| Mac::derive(&secrets, purpose);
    let store = open_store(config).await?;
    let keys = open_keys(config, &store, clock, entropy).await?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let passwords = PasswordPool::start(cores, Cost::default(), entropy.clone())?;
    let pages = PageTokens::new(mac("page-token"));
    let throttle = Throttle {
        store: store.clone(),
        clock: clock.clone(),
        tags: mac("throttle"),
        link_lifetime: config.link_lifetime,
    };
    let (events, noted) = Events::new(store.clone(), clock.clone(), entropy.clone(), pages.clone());
    let accounts = Accounts {
        store: store.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        passwords: passwords.clone(),
        throttle: throttle.clone(),
        policy: config.password_policy,
        mail_tokens: MailTokens::new(mac("mail-token")),
        link_lifetime: TimeDelta::from_std(config.link_lifetime).unwrap_or(TimeDelta::MAX),
        disclose_existing: config.disclose_existing,
        bell: Bell::default(),
        events: events.clone(),
    };
    let factors = Factors {
        store: store.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        sealing: Arc::new(Sealing::new(&secrets, "second-factor", entropy.clone())),
        throttle: throttle.clone(),
        bell: accounts.bell.clone(),
        events: events.clone(),
    };
    let sessions = Sessions {
        store: store.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        passwords: passwords.clone(),
        factors,
        refresh_tokens: RefreshTokens::new(mac("refresh-token")),
        keys,
        throttle: throttle.clone(),
        pages: pages.clone(),
        events: events.clone(),
        access_lifetime: config.access_lifetime,
        refresh_lifetime: config.refresh_lifetime,
    };
    let users = Users {
        store: store.clone(),
        clock: clock.clone(),
        pages,
        events: events.clone(),
    };
    let erasures = Erasures {
        store: store.clone(),
        clock: clock.clone(),
        events: events.clone(),
        throttle: throttle.clone(),
        passwords,
        bell: Bell::default(),
    };
    Ok(Rules {
        store,
        accounts,
        sessions,
        users,
        erasures,
        events,
        noted,
        secrets,
    })
}

/// Starts the service on a bound listener. It runs until the tasks are asked to stop.
///
/// # Errors
/// [`StartError`].
pub async fn serve(
    config: Config,
    listener: TcpListener,
    admin_listener: Option<TcpListener>,
    clock: Clock,
    tasks: &Tasks,
) -> Result<Started, StartError> {
    // All that a service is made of is large. Whoever starts one need not have it on their stack.
    Box::pin(assemble(config, listener, admin_listener, clock, tasks)).await
}

/// Puts the service together, and starts it.
async fn assemble(
    config: Config,
    listener: TcpListener,
    admin_listener: Option<TcpListener>,
    clock: Clock,
    tasks: &Tasks,
) -> Result<Started, StartError> {
    metrics::start();
    let tracer = Tracer::start(config.traces.as_ref(), "auth-service", tasks)?;
    let entropy = Entropy::default();
    let rules = open_rules(&config, &clock, &entropy).await?;
    let Rules {
        store,
        accounts,
        sessions,
        users,
        erasures,
        events,
        noted,
        secrets,
    } = rules;
    let (bell, keys) = (accounts.bell.clone(), sessions.keys.clone());
    let security = SecurityState::open(store.clone(), keys.clone()).await?;
    let callers = Callers {
        sessions: sessions.clone(),
        services: ServiceTokens::new(&config.service_tokens),
        events: events.clone(),
    };
    let access = AccessLayer::new(callers.clone(), callers.services.clone(), clock.clone());
    let cleanup = Cleanup {
        store: store.clone(),
        clock: clock.clone(),
        unverified_retention: config.unverified_retention,
        access_lifetime: TimeDelta::from_std(config.access_lifetime).unwrap_or(TimeDelta::days(1)),
        event_retention: config.event_retention,
    };
    let alarms = config.alert.map(|recipient| Alarms {
        store: store.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        bell: bell.clone(),
        recipient,
    });
    let shown = config.service_tokens.first().ok_or(StartError::NoServiceToken)?;
    let courses = CourseClient::new(Channel::at(&config.course_url), shown)?;
    let exports = Exports {
        store: store.clone(),
        clock: clock.clone(),
        events: events.clone(),
        throttle: accounts.throttle.clone(),
        courses: courses.clone(),
    };
    let messenger = Messenger {
        store: store.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        courses,
        mail: bell.clone(),
    };
    let erased = erasures.bell.clone();
    let outbox = Worker {
        store: store.clone(),
        tokens: accounts.mail_tokens.clone(),
        composer: Composer::new(config.mail_from.clone(), &config.base_url),
        mailer: Mailer::new(config.mail.clone()).map_err(StartError::Mail)?,
        clock,
        entropy,
        timing: Timing::default(),
    };
    let staff_made = match &config.staff {
        Some((username, password)) => accounts
            .ensure_staff(username, password)
            .await
            .map_err(|error| StartError::Staff(why_no_staff(error)))?,
        None => false,
    };

    let account = AccountApi {
        accounts,
        erasures,
        exports,
        callers: callers.clone(),
        fingerprints: Mac::derive(&secrets, "idempotency"),
    };
    let session = SessionApi {
        sessions: sessions.clone(),
        callers: callers.clone(),
    };
    let factor = FactorApi {
        factors: sessions.factors.clone(),
        callers: callers.clone(),
    };
    let factors = sessions.factors.clone();
    let user = UserApi {
        users: users.clone(),
        events: events.clone(),
        callers,
    };
    let token = TokenApi {
        sessions,
        users,
        security: security.clone(),
        events,
        tasks: tasks.clone(),
    };
    let routes = Routes::new(AccountServiceServer::new(account).max_decoding_message_size(LARGEST_MESSAGE))
        .add_service(SessionServiceServer::new(session).max_decoding_message_size(LARGEST_MESSAGE))
        .add_service(FactorServiceServer::new(factor).max_decoding_message_size(LARGEST_MESSAGE))
        .add_service(UserServiceServer::new(user).max_decoding_message_size(LARGEST_MESSAGE))
        .add_service(TokenServiceServer::new(token).max_decoding_message_size(LARGEST_MESSAGE));
    let readiness = Readiness::default();
    readiness.set(DATABASE, true);
    store.follow(&config.database_url, config.read_database_url.as_ref(), tasks);
    noted.deliver_to(Recorder(store.clone()), tasks);
    let answers = async move || store.answers().await;
    tasks.spawn(
        "readiness",
        readiness.clone().follow(DATABASE, answers, tasks.clone()),
    );
    let descriptors = proto::FILE_DESCRIPTOR_SET;
    let routes = with_health_and_reflection(routes, descriptors, &SERVICES, readiness.clone(), tasks).await?;
    tracing::info!(
        "limits per network count the address that a service tells of its client, else that of the connection; they are \
         off for who calls from this machine"
    );
    config.tls.follow(tasks);
    let services = access.layer(routes);
    serve_grpc(listener, config.tls.for_services(), services, tracer, tasks)?;

    tasks.spawn("mail worker", outbox.run(bell, tasks.clone()));
    tasks.spawn("erasures", messenger.run(erased, tasks.clone()));
    tasks.spawn("clean-up", cleanup.run(tasks.clone()));
    if let Some(alarms) = alarms {
        tasks.spawn("alarms", alarms.run(tasks.clone()));
    }
    tasks.spawn("security changes", security.follow(tasks.clone()));
    tasks.spawn("second factors", factors.reseal(tasks.clone()));
    tasks.spawn("signing keys", keys.follow_schedule(tasks.clone()));
    if let Some(listener) = admin_listener {
        admin::serve(listener, config.tls.for_anyone(), readiness, tasks)?;
    }
    Ok(Started { staff_made })
}

/// Why the first staff user cannot be made, by the names of the settings.
fn why_no_staff(error: Error) -> String {
    match error {
        Error::Invalid(faults) => {
            let faults: Vec<_> = faults.into_iter().map(|fault| fault.message).collect();
            format!("STAFF_PASSWORD: {}", faults.join(" "))
        }
        Error::UsernameTaken => "STAFF_USERNAME has an account that is not staff".to_owned(),
        other => other.to_string(),
    }
}

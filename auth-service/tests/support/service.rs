//! A running auth-service.

use std::{net::SocketAddr, time::Duration};

use auth_service::{Config, StartError, Started, open_store, serve, store::Store};
use chrono::{DateTime, Utc};
use proto::auth::v1::{
    account_service_client::AccountServiceClient, factor_service_client::FactorServiceClient,
    session_service_client::SessionServiceClient, token_service_client::TokenServiceClient,
    user_service_client::UserServiceClient,
};
use service_runtime::{clock::Clock, database::Database, lifecycle::Tasks, listen, settings::Values};
use test_support::{
    ground::Ground,
    smtp::{Message, SmtpServer},
};
use tonic::{
    Request,
    transport::{Channel, Endpoint},
};

/// What services show each other in the tests.
pub const SERVICE_TOKEN: &str = "a-service-token-of-the-tests-0123456789";
/// How long a mail may take to arrive.
const MAIL_WITHIN: Duration = Duration::from_secs(20);
/// When the clocks of the tests start.
const START: &str = "2026-03-01T12:00:00Z";

/// A running auth-service with its surroundings. It stops when it is dropped.
pub struct Service {
    /// The service's clock.
    pub clock: Clock,
    /// The service's database, as the service sees it.
    pub store: Store,
    /// The same, for what the service has no method for.
    pub database: Database,
    /// Who gets its mail.
    pub smtp: SmtpServer,
    /// What came of starting it.
    pub started: Started,
    channel: Channel,
    values: Values,
    tasks: Running,
    ground: Ground,
}

/// The tasks of a service; they stop with this value.
struct Running(Tasks);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.stop();
    }
}

impl Service {
    /// On SQLite.
    pub async fn on_sqlite() -> Self {
        Self::on(Ground::sqlite()).await
    }

    /// On PostgreSQL; `None` where there is none, which has been said.
    pub async fn on_postgres() -> Option<Self> {
        Some(Self::on(Ground::postgres().await?).await)
    }

    /// On this ground.
    pub async fn on(ground: Ground) -> Self {
        Self::with(ground, |values| values)
            .await
            .expect("the service starts")
    }

    /// On this ground, with settings of its own.
    pub async fn with(ground: Ground, set: impl FnOnce(Values) -> Values) -> Result<Self, StartError> {
        let smtp = SmtpServer::start().await;
        let values = Values::default()
            .with("DATA_DIR", ground.folder().display().to_string())
            .with("AUTH_DATABASE_URL", ground.database_url("auth.db"))
            .with("SERVICE_TOKEN", SERVICE_TOKEN)
            .with("SECRET_KEY", "the-secret-key-of-the-tests-0123456789")
            .with("BASE_URL", "http://edu.test")
            .with("EMAIL_HOST", "127.0.0.1")
            .with("EMAIL_PORT", smtp.port().to_string())
            .with("EMAIL_USE_TLS", "false");
        let start = START.parse::<DateTime<Utc>>().unwrap();
        Self::start(ground, set(values), smtp, Clock::turnable(start)).await
    }

    /// The way to another replica beside it, with changed settings, for as long as the tasks go on.
    pub async fn replica(&self, tasks: &Tasks, set: impl FnOnce(Values) -> Values) -> Channel {
        let config = Config::from_values(&set(self.values())).unwrap();
        let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let served = serve(config, listener, None, self.clock.clone(), tasks);
        served.await.expect("the replica starts");
        way_to(address)
    }

    /// Stops it and starts it again on the same ground, with changed settings.
    pub async fn restarted(self, set: impl FnOnce(Values) -> Values) -> Result<Self, StartError> {
        self.stop().await;
        let values = set(self.values);
        Self::start(self.ground, values, self.smtp, self.clock).await
    }

    /// Stops it and starts it again with settings that stop the start.
    pub async fn why_not_restarted(&self, set: impl FnOnce(Values) -> Values) -> StartError {
        self.stop().await;
        let config = Config::from_values(&set(self.values.clone())).unwrap();
        let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let started = serve(config, listener, None, self.clock.clone(), &Tasks::default()).await;
        started.expect_err("the service should not start")
    }

    async fn start(
        ground: Ground,
        values: Values,
        smtp: SmtpServer,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let config = Config::from_values(&values).expect("the settings are good");
        let store = open_store(&config).await?;
        let database = Database::connect(&ground.database_url("auth.db"), "auth")
            .await
            .unwrap();
        let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = Tasks::default();
        let started = serve(config, listener, None, clock.clone(), &tasks).await?;
        let channel = way_to(address);
        Ok(Self {
            clock,
            store,
            database,
            smtp,
            started,
            channel,
            values,
            tasks: Running(tasks),
            ground,
        })
    }

    /// Stops it, as SIGTERM does.
    pub async fn stop(&self) {
        self.tasks.0.stop();
        assert!(
            self.tasks.0.finished(Duration::from_secs(20)).await,
            "the service stops in time and nothing of it has crashed"
        );
    }

    /// The way to it.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Its settings.
    pub fn config(&self) -> Config {
        Config::from_values(&self.values).unwrap()
    }

    /// Its settings, as they were given.
    pub fn values(&self) -> Values {
        self.values.clone()
    }

    pub fn accounts(&self) -> AccountServiceClient<Channel> {
        AccountServiceClient::new(self.channel())
    }

    pub fn sessions(&self) -> SessionServiceClient<Channel> {
        SessionServiceClient::new(self.channel())
    }

    pub fn factors(&self) -> FactorServiceClient<Channel> {
        FactorServiceClient::new(self.channel())
    }

    pub fn users(&self) -> UserServiceClient<Channel> {
        UserServiceClient::new(self.channel())
    }

    pub fn tokens(&self) -> TokenServiceClient<Channel> {
        TokenServiceClient::new(self.channel())
    }

    /// The next mail to this address.
    pub async fn mail_to(&self, address: &str) -> Message {
        self.smtp.next_to(address, MAIL_WITHIN).await
    }

    /// The token in the next mail to this address that holds one.
    pub async fn token_to(&self, address: &str) -> String {
        loop {
            if let Some(token) = test_support::mail::token(self.mail_to(address).await) {
                return token;
            }
        }
    }
}

fn way_to(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy()
}

/// A call with an access token.
pub fn as_user<T>(access: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {access}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    request
}

/// A call with the service token.
pub fn as_service<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("x-service-token", SERVICE_TOKEN.parse().unwrap());
    request
}

/// A request that carries the service token, of a caller whose address is this.
pub fn as_service_from<T>(address: &str, message: T) -> Request<T> {
    let mut request = as_service(message);
    request
        .metadata_mut()
        .insert("x-client-address", address.parse().unwrap());
    request
}

/// An error with all its causes.
pub fn refusal_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

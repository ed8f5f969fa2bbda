//! The settings of the service, read and checked as a whole before anything is bound.

use std::{net::SocketAddr, time::Duration};

use service_runtime::{
    duration,
    grpc::channel::Upstream,
    secret::{LiveSecret, Secret},
    settings::{
        self, DATA_DIR, ENABLE_LOGGING, ENVIRONMENT, Environment, Faults, Reader, SERVICE_TOKEN, Setting,
        Values,
    },
    telemetry::TraceSettings,
    tls::{TLS_CA, TLS_CERT, TLS_KEY, Tls},
};

use crate::model::currency::Currency;

/// Every setting of the service.
pub const SETTINGS: &[Setting] = &[
    Setting::new(
        "COURSE_LISTEN",
        "127.0.0.1:50052",
        "Address of the gRPC listener; port 0 takes a free one",
    ),
    Setting::new(
        "ADMIN_LISTEN",
        "127.0.0.1:9092",
        "Where operators ask for /livez, /readyz and /metrics",
    ),
    TLS_CERT,
    TLS_KEY,
    TLS_CA,
    Setting::new(
        "AUTH_URL",
        "http://127.0.0.1:50051",
        "Where auth-service is: one address, or several separated by commas; a name may stand for several",
    ),
    SERVICE_TOKEN,
    settings::DATABASE_URL,
    Setting::secret(
        "COURSE_DATABASE_URL",
        "postgres://… or sqlite:<file> for this service alone; wins over DATABASE_URL",
    ),
    settings::READ_DATABASE_URL,
    Setting::secret(
        "COURSE_READ_DATABASE_URL",
        "The read replica of this service alone; wins over READ_DATABASE_URL",
    ),
    Setting::new(
        "DEFAULT_CURRENCY",
        "USD",
        "Currency of the prices of new courses (ISO 4217)",
    ),
    settings::SHUTDOWN_GRACE,
    settings::RUST_LOG,
    settings::OTEL_EXPORTER_OTLP_ENDPOINT,
    settings::OTEL_TRACES_SAMPLER_ARG,
    DATA_DIR,
    ENVIRONMENT,
    ENABLE_LOGGING,
];

/// What the names of this service's own settings begin with: another name that does is most likely mistyped.
pub const PREFIXES: &[&str] = &["COURSE_"];
/// Names that begin so and are settings of other services.
pub const ELSEWHERE: &[&str] = &["COURSE_URL"];

/// Settings that can be used.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where gRPC is served.
    pub listen: SocketAddr,
    /// Where operators are served.
    pub admin_listen: SocketAddr,
    /// What is shown and who is trusted on connections.
    pub tls: Tls,
    /// Where auth-service is.
    pub auth_url: Upstream,
    /// What services show each other: one, or two while it is being changed. The first one is shown.
    pub service_tokens: Vec<Secret<String>>,
    /// Where courses are kept: `postgres://…` or `sqlite:<file>`.
    pub database_url: LiveSecret,
    /// A read replica of it, for lists.
    pub read_database_url: Option<LiveSecret>,
    /// The currency of new courses.
    pub default_currency: Currency,
    /// How long running requests may take to finish.
    pub shutdown_grace: Duration,
    /// What kind of place this is.
    pub environment: Environment,
    /// Whether to log.
    pub enable_logging: bool,
    /// Where traces go, if anybody wants them.
    pub traces: Option<TraceSettings>,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`Faults`]: everything that is wrong with them.
    pub fn from_values(values: &Values) -> Result<Self, Faults> {
        let mut reader = Reader::new(values, SETTINGS);
        let listen = reader.read("COURSE_LISTEN", settings::from_str);
        let admin_listen = reader.read("ADMIN_LISTEN", settings::from_str);
        let tls = Tls::of_services(&mut reader);
        let auth_url = Upstream::of_setting(&mut reader, "AUTH_URL", tls.as_ref());
        let service_tokens = reader.read("SERVICE_TOKEN", settings::secrets);
        let database_url = settings::database_url(&mut reader, "COURSE_DATABASE_URL", "course.db");
        let read_database_url =
            settings::read_database_url(&mut reader, "COURSE_READ_DATABASE_URL", database_url.as_ref());
        let default_currency = reader.read("DEFAULT_CURRENCY", Currency::parse);
        let shutdown_grace = reader.read("SHUTDOWN_GRACE", duration::parse);
        let environment = reader.read("ENVIRONMENT", Environment::parse);
        let enable_logging = reader.read("ENABLE_LOGGING", settings::switch);
        let traces = TraceSettings::read(&mut reader);
        let built = (|| {
            Some(Self {
                listen: listen?,
                admin_listen: admin_listen?,
                tls: tls?,
                auth_url: auth_url?,
                service_tokens: service_tokens?,
                database_url: database_url?,
                read_database_url: read_database_url?,
                default_currency: default_currency?,
                shutdown_grace: shutdown_grace?,
                environment: environment?,
                enable_logging: enable_logging?,
                traces: traces?,
            })
        })();
        reader.finish(built)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn values() -> Values {
        Values::default().with("SERVICE_TOKEN", TOKEN)
    }

    fn faults(values: Values) -> String {
        Config::from_values(&values).unwrap_err().to_string()
    }

    #[test]
    fn a_service_token_is_all_that_has_to_be_given() {
        let config = Config::from_values(&values()).unwrap();
        assert_eq!(config.listen.port(), 50052);
        assert_eq!(config.database_url.expose(), "sqlite:./data/course.db");
        assert_eq!(config.default_currency.as_str(), "USD");
        assert!(faults(Values::default()).contains("SERVICE_TOKEN must be set"));
    }

    #[test]
    fn every_fault_is_named_at_once_and_no_secret_is_shown() {
        let bad = Values::default()
            .with("SERVICE_TOKEN", "hunter2")
            .with("COURSE_LISTEN", "here")
            .with("AUTH_URL", "auth:50051")
            .with("DATABASE_URL", "mysql://user:hunter3@db")
            .with("DEFAULT_CURRENCY", "usd")
            .with("SHUTDOWN_GRACE", "30");
        let said = faults(bad);
        for name in [
            "SERVICE_TOKEN",
            "COURSE_LISTEN",
            "AUTH_URL",
            "DATABASE_URL",
            "DEFAULT_CURRENCY",
            "SHUTDOWN_GRACE",
        ] {
            assert!(said.contains(&format!("- {name}")), "{name}: {said}");
        }
        assert!(!said.contains("hunter"), "{said}");
    }

    #[test]
    fn two_service_tokens_may_be_given_while_one_is_changed() {
        let both = values().with("SERVICE_TOKEN", format!("{TOKEN}, {TOKEN}2"));
        assert_eq!(Config::from_values(&both).unwrap().service_tokens.len(), 2);
        let three = values().with("SERVICE_TOKEN", format!("{TOKEN},{TOKEN},{TOKEN}"));
        assert!(Config::from_values(&three).is_err());
    }

    #[test]
    fn a_read_replica_is_one_of_a_postgresql_database() {
        let read = |values: Values| {
            let config = Config::from_values(&values).unwrap();
            config.read_database_url.map(|url| url.expose().clone())
        };
        let primary = values().with("DATABASE_URL", "postgres://db/edu");
        assert_eq!(read(primary.clone()), None);
        let shared = primary.with("READ_DATABASE_URL", "postgres://replica/edu");
        assert_eq!(read(shared.clone()).as_deref(), Some("postgres://replica/edu"));
        let own = shared.with("COURSE_READ_DATABASE_URL", "postgres://own/edu");
        assert_eq!(read(own).as_deref(), Some("postgres://own/edu"));

        let lonely = values().with("READ_DATABASE_URL", "postgres://user:hunter2@replica/edu");
        let said = faults(lonely.clone());
        assert!(
            said.contains("- READ_DATABASE_URL names a replica of a PostgreSQL database"),
            "{said}"
        );
        let embedded = lonely.with("COURSE_READ_DATABASE_URL", "sqlite:hunter2");
        let said = faults(embedded);
        assert!(
            said.contains("- COURSE_READ_DATABASE_URL: must begin with postgres://"),
            "{said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn the_own_database_wins_and_a_sqlite_file_is_not_shared() {
        let shared = values().with("DATABASE_URL", "postgres://db/edu");
        let read = |values: Values| {
            Config::from_values(&values)
                .unwrap()
                .database_url
                .expose()
                .clone()
        };
        assert_eq!(read(shared.clone()), "postgres://db/edu");
        assert_eq!(
            read(shared.with("COURSE_DATABASE_URL", "sqlite:own.db")),
            "sqlite:own.db"
        );
        assert!(faults(values().with("DATABASE_URL", "sqlite:both.db")).contains("DATABASE_URL"));
        assert_eq!(
            read(values().with("DATA_DIR", "/a?b%c")),
            "sqlite:/a%3Fb%25c/course.db"
        );
    }
}

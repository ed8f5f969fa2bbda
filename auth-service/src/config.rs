//! The settings of auth-service: read once, checked as a whole before anything is bound.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use chrono::TimeDelta;
use lettre::message::Mailbox;
use service_runtime::{
    duration,
    grpc::channel::Upstream,
    secret::{LiveSecret, Secret},
    settings::{
        self, DATA_DIR, ENABLE_LOGGING, ENVIRONMENT, Environment, Faults, RUST_LOG, Reader, SERVICE_TOKEN,
        SHUTDOWN_GRACE, Setting, Values, from_str, secrets, switch, text,
    },
    telemetry::TraceSettings,
    tls::{TLS_CA, TLS_CERT, TLS_KEY, Tls},
};

use crate::{
    mail::{MailDestination, message::sender, smtp::SmtpConfig},
    model::{password::PasswordPolicy, username::Username},
    secret_file::SecretKeys,
};

/// Every setting of this service.
pub const SETTINGS: &[Setting] = &[
    ENVIRONMENT,
    DATA_DIR,
    ENABLE_LOGGING,
    RUST_LOG,
    SHUTDOWN_GRACE,
    SERVICE_TOKEN,
    settings::OTEL_EXPORTER_OTLP_ENDPOINT,
    settings::OTEL_TRACES_SAMPLER_ARG,
    Setting::new(
        "AUTH_LISTEN",
        "127.0.0.1:50051",
        "Where gRPC is served; port 0 takes a free one and prints it",
    ),
    Setting::new(
        "ADMIN_LISTEN",
        "127.0.0.1:9091",
        "Where operators ask for /livez, /readyz and /metrics",
    ),
    TLS_CERT,
    TLS_KEY,
    TLS_CA,
    Setting::new(
        "COURSE_URL",
        "http://127.0.0.1:50052",
        "Where course-service is, likewise",
    ),
    Setting::secret(
        "AUTH_DATABASE_URL",
        "The database of this service alone; wins over DATABASE_URL",
    ),
    settings::DATABASE_URL,
    Setting::secret(
        "AUTH_READ_DATABASE_URL",
        "The read replica of this service alone; wins over READ_DATABASE_URL",
    ),
    settings::READ_DATABASE_URL,
    Setting::new(
        "BASE_URL",
        "http://127.0.0.1:8080",
        "Where people reach the gateway; links in mails begin with it",
    ),
    Setting::secret(
        "SECRET_KEY",
        "What signing keys are sealed and tokens derived with, at least 32 characters; two, comma-separated, while it is being changed; in development made once and kept under DATA_DIR",
    ),
    Setting::new("ACCESS_TOKEN_LIFETIME", "15m", "How long an access token lives"),
    Setting::new("REFRESH_TOKEN_LIFETIME", "1d", "How long a refresh token lives"),
    Setting::new(
        "KEY_ROTATION_INTERVAL",
        "30d",
        "How long a key signs access tokens before the next one does",
    ),
    Setting::new(
        "EMAIL_VERIFICATION_TIMELIMIT",
        "15m",
        "How long the link in a mail is valid; a bare number means minutes",
    ),
    Setting::new(
        "UNVERIFIED_ACCOUNT_RETENTION",
        "7d",
        "When an account that was never verified is removed",
    ),
    Setting::new(
        "ACCOUNTS_DISCLOSE_EXISTING",
        "true",
        "Whether registering may tell that an address has an account",
    ),
    Setting::new(
        "ENABLE_STRONG_PASSWORDS",
        "true",
        "Whether new passwords are measured",
    ),
    Setting::new(
        "PASSWORD_MIN_LENGTH",
        "8",
        "The shortest new password, in characters, 8 to 128",
    ),
    Setting::optional(
        "STAFF_USERNAME",
        "The address of the first staff user, made only when there is none",
    ),
    Setting::secret("STAFF_PASSWORD", "The password of the first staff user"),
    Setting::optional(
        "EMAIL_HOST",
        "The mail server; without it development keeps mail under DATA_DIR/mail",
    ),
    Setting::new(
        "EMAIL_PORT",
        "587",
        "The mail server's port; on 465 TLS begins with the first byte",
    ),
    Setting::optional("EMAIL_USERNAME", "The name to log in to the mail server with"),
    Setting::secret("EMAIL_PASSWORD", "The password to log in to the mail server with"),
    Setting::new(
        "EMAIL_FROM_USERNAME",
        "Online Edu <no-reply@onlineedu.example>",
        "Whom mail comes from",
    ),
    Setting::new("EMAIL_USE_TLS", "true", "Whether mail may only be sent over TLS"),
    Setting::optional(
        "SECURITY_ALERT_EMAIL",
        "Who gets a mail of critical security events; without it nobody does",
    ),
    Setting::new(
        "SECURITY_EVENT_RETENTION",
        "180d",
        "When a security event is removed, and with it the network address it has",
    ),
];

/// What the names of this service's own settings begin with: another name that does is most likely mistyped.
pub const PREFIXES: &[&str] = &["AUTH_", "EMAIL_", "SECURITY_", "STAFF_"];
/// Names that begin so and are settings of other services.
pub const ELSEWHERE: &[&str] = &["AUTH_URL"];

/// The settings, parsed.
#[derive(Debug, Clone)]
pub struct Config {
    /// What kind of place this is.
    pub environment: Environment,
    /// Whether to log.
    pub logging: bool,
    /// How long running requests may take to finish once the process is told to stop.
    pub shutdown_grace: Duration,
    /// Where gRPC is served.
    pub listen: SocketAddr,
    /// Where `/livez` and `/readyz` are served.
    pub admin_listen: SocketAddr,
    /// What is shown and who is trusted on connections.
    pub tls: Tls,
    /// Where course-service is.
    pub course_url: Upstream,
    /// The database.
    pub database_url: LiveSecret,
    /// A read replica of it, for lists.
    pub read_database_url: Option<LiveSecret>,
    /// Where people reach the gateway, without a slash at the end; also the issuer of tokens.
    pub base_url: String,
    /// What services show each other; the first one counts, the second one while it is being changed.
    pub service_tokens: Vec<Secret<String>>,
    /// What keys are derived from, the current one first.
    pub secret_keys: SecretKeys,
    /// How long an access token lives.
    pub access_lifetime: Duration,
    /// How long a refresh token lives.
    pub refresh_lifetime: TimeDelta,
    /// How long a key signs access tokens.
    pub key_rotation_interval: TimeDelta,
    /// How long the link in a mail is valid.
    pub link_lifetime: Duration,
    /// When an account that was never verified is removed.
    pub unverified_retention: TimeDelta,
    /// Whether registering may tell that an address has an account.
    pub disclose_existing: bool,
    /// What new passwords are measured by.
    pub password_policy: PasswordPolicy,
    /// The first staff user.
    pub staff: Option<(Username, Secret<String>)>,
    /// Where mail goes.
    pub mail: MailDestination,
    /// Whom mail comes from.
    pub mail_from: Mailbox,
    /// Who is told of critical security events.
    pub alert: Option<Username>,
    /// How long a security event is kept.
    pub event_retention: TimeDelta,
    /// Where traces go, if anybody wants them.
    pub traces: Option<TraceSettings>,
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`Faults`] with everything that is wrong with them.
    pub fn from_values(values: &Values) -> Result<Self, Faults> {
        let mut reader = Reader::new(values, SETTINGS);
        let environment = reader.read("ENVIRONMENT", Environment::parse);
        let production = environment == Some(Environment::Production);
        let data_dir = reader.read("DATA_DIR", from_str::<PathBuf>);
        let logging = reader.read("ENABLE_LOGGING", switch);
        let shutdown_grace = reader.read("SHUTDOWN_GRACE", duration::parse);
        let listen = reader.read("AUTH_LISTEN", from_str);
        let admin_listen = reader.read("ADMIN_LISTEN", from_str);
        let tls = Tls::of_services(&mut reader);
        let course_url = Upstream::of_setting(&mut reader, "COURSE_URL", tls.as_ref());
        let base_url = reader.read("BASE_URL", |text| base_url(text, production));
        let service_tokens = reader.read("SERVICE_TOKEN", secrets);
        let access_lifetime = reader.read("ACCESS_TOKEN_LIFETIME", |text| {
            whole_seconds(duration::parse(text)?)
        });
        let refresh_lifetime = reader.read("REFRESH_TOKEN_LIFETIME", delta);
        let key_rotation_interval = reader.read("KEY_ROTATION_INTERVAL", delta);
        let link_lifetime = reader.read("EMAIL_VERIFICATION_TIMELIMIT", minutes);
        let unverified_retention = reader.read("UNVERIFIED_ACCOUNT_RETENTION", delta);
        let disclose_existing = reader.read("ACCOUNTS_DISCLOSE_EXISTING", switch);
        let strong = reader.read("ENABLE_STRONG_PASSWORDS", switch);
        let min_length = reader.read("PASSWORD_MIN_LENGTH", min_length);
        let staff = staff(&mut reader);
        let mail = mail(&mut reader, data_dir.as_deref(), production);
        let mail_from = reader.read("EMAIL_FROM_USERNAME", sender);
        let alert = reader.read_optional("SECURITY_ALERT_EMAIL", |text| {
            Username::parse(text).map_err(|not| not.to_string())
        });
        let event_retention = reader.read("SECURITY_EVENT_RETENTION", delta);
        let secret_keys = secret_keys(&mut reader, data_dir.as_deref(), production);
        let database_url = settings::database_url(&mut reader, "AUTH_DATABASE_URL", "auth.db");
        let read_database_url =
            settings::read_database_url(&mut reader, "AUTH_READ_DATABASE_URL", database_url.as_ref());
        let traces = TraceSettings::read(&mut reader);
        let built = (|| {
            Some(Self {
                environment: environment?,
                logging: logging?,
                shutdown_grace: shutdown_grace?,
                listen: listen?,
                admin_listen: admin_listen?,
                tls: tls?,
                course_url: course_url?,
                database_url: database_url?,
                read_database_url: read_database_url?,
                base_url: base_url?,
                service_tokens: service_tokens?,
                secret_keys: secret_keys?,
                access_lifetime: access_lifetime?,
                refresh_lifetime: refresh_lifetime?,
                key_rotation_interval: key_rotation_interval?,
                link_lifetime: link_lifetime?,
                unverified_retention: unverified_retention?,
                disclose_existing: disclose_existing?,
                password_policy: PasswordPolicy {
                    min_length: min_length?,
                    strong: strong?,
                },
                staff: staff?,
                mail: mail?,
                mail_from: mail_from?,
                alert: alert?,
                event_retention: event_retention?,
                traces: traces?,
            })
        })();
        reader.finish(built)
    }
}

/// A base URL: `http` or `https`, a host, no path.
fn base_url(text: &str, production: bool) -> Result<String, String> {
    let url = text.trim_end_matches('/');
    let host = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    if !host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' '])) {
        return Err(format!(
            "{text:?} is not an address such as https://edu.example.com"
        ));
    }
    if production && !url.starts_with("https://") {
        return Err(format!(
            "{text:?} must begin with https:// in production: mails link to it"
        ));
    }
    Ok(url.to_owned())
}

fn secret_keys(
    reader: &mut Reader<'_>,
    data_dir: Option<&std::path::Path>,
    production: bool,
) -> Option<SecretKeys> {
    match reader.read_optional("SECRET_KEY", secrets)? {
        Some(secrets) => {
            let bytes = |secret: &Secret<String>| Secret::new(secret.expose().as_bytes().to_vec());
            Some(SecretKeys::Given(secrets.iter().map(bytes).collect()))
        }
        None if production => {
            reader.fault("SECRET_KEY", "must be set in production");
            None
        }
        None => Some(SecretKeys::KeptIn(data_dir?.to_owned())),
    }
}

fn staff(reader: &mut Reader<'_>) -> Option<Option<(Username, Secret<String>)>> {
    let username = reader.read_optional("STAFF_USERNAME", |text| {
        Username::parse(text).map_err(|not| not.to_string())
    })?;
    let password = reader.read_optional("STAFF_PASSWORD", text)?;
    if username.is_some() != password.is_some() {
        reader.fault(
            "STAFF_USERNAME",
            "and STAFF_PASSWORD go together: set both or neither",
        );
        return None;
    }
    Some(username.zip(password.map(Secret::new)))
}

fn mail(
    reader: &mut Reader<'_>,
    data_dir: Option<&std::path::Path>,
    production: bool,
) -> Option<MailDestination> {
    let host = reader.read_optional("EMAIL_HOST", text);
    let port = reader.read("EMAIL_PORT", from_str::<u16>);
    let username = reader.read_optional("EMAIL_USERNAME", text);
    let password = reader.read_secret("EMAIL_PASSWORD", text);
    let use_tls = reader.read("EMAIL_USE_TLS", switch);
    match host? {
        Some(host) => Some(MailDestination::Smtp(SmtpConfig {
            host,
            port: port?,
            username: username?,
            password: password?,
            use_tls: use_tls?,
        })),
        None if production => {
            reader.fault("EMAIL_HOST", "must be set in production");
            None
        }
        None => Some(MailDestination::Folder(data_dir?.join("mail"))),
    }
}

fn delta(text: &str) -> Result<TimeDelta, String> {
    TimeDelta::from_std(at_least_a_second(duration::parse(text)?)?).map_err(|error| error.to_string())
}

fn minutes(text: &str) -> Result<Duration, String> {
    let bare = text
        .parse::<u32>()
        .map(|minutes| Duration::from_secs(u64::from(minutes) * 60));
    at_least_a_second(bare.or_else(|_| duration::parse(text))?)
}

fn at_least_a_second(duration: Duration) -> Result<Duration, String> {
    if duration < Duration::from_secs(1) {
        Err("must be at least 1s".to_owned())
    } else {
        Ok(duration)
    }
}

/// Tokens tell their times in seconds.
fn whole_seconds(duration: Duration) -> Result<Duration, String> {
    if duration.subsec_nanos() == 0 {
        at_least_a_second(duration)
    } else {
        Err("must be whole seconds".to_owned())
    }
}

fn min_length(text: &str) -> Result<usize, String> {
    let length = text.parse().ok().filter(|length| (8..=128).contains(length));
    length.ok_or_else(|| format!("{text:?} is not a number from 8 to 128"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values::default()
            .with("SERVICE_TOKEN", "s".repeat(32))
            .with("SECRET_KEY", "k".repeat(32))
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let config = Config::from_values(&values()).unwrap();
        assert_eq!(config.access_lifetime, Duration::from_secs(15 * 60));
        assert_eq!(config.refresh_lifetime, TimeDelta::days(1));
        assert_eq!(config.link_lifetime, Duration::from_secs(15 * 60));
        assert_eq!(config.unverified_retention, TimeDelta::days(7));
        assert_eq!(
            config.password_policy,
            PasswordPolicy {
                min_length: 8,
                strong: true
            }
        );
        assert!(matches!(config.mail, MailDestination::Folder(_)));
        assert_eq!(config.database_url.expose(), "sqlite:./data/auth.db");
    }

    #[test]
    fn a_bare_number_of_the_old_time_limit_means_minutes() {
        let limit = |text: &str| {
            Config::from_values(&values().with("EMAIL_VERIFICATION_TIMELIMIT", text))
                .map(|config| config.link_lifetime)
        };
        assert_eq!(limit("30"), Ok(Duration::from_secs(1800)));
        assert_eq!(limit("30s"), Ok(Duration::from_secs(30)));
        assert!(limit("0").is_err());
    }

    #[test]
    fn production_names_every_insecure_default_at_once() {
        let faults = Config::from_values(&Values::default().with("ENVIRONMENT", "production")).unwrap_err();
        let all = faults.to_string();
        for name in ["SERVICE_TOKEN", "SECRET_KEY", "EMAIL_HOST", "BASE_URL"] {
            assert!(all.contains(name), "{all}");
        }
    }

    #[test]
    fn reading_settings_makes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let values = Values::default()
            .with("SERVICE_TOKEN", "s".repeat(32))
            .with("DATA_DIR", data_dir.display().to_string());
        let config = Config::from_values(&values).unwrap();
        assert!(!data_dir.exists());
        let made = config.secret_keys.open().unwrap();
        assert_eq!(config.secret_keys.open().unwrap(), made);
        assert!(data_dir.join("secret.key").exists());
    }

    #[test]
    fn no_fault_and_no_debug_shows_a_secret() {
        let secret = "hunter2-hunter2-hunter2-hunter2-";
        let bad = values()
            .with("SERVICE_TOKEN", "hunter2")
            .with("DATABASE_URL", format!("mysql://u:{secret}@h/d"));
        assert!(
            !Config::from_values(&bad)
                .unwrap_err()
                .to_string()
                .contains("hunter2")
        );
        let good = values().with("SERVICE_TOKEN", secret).with("SECRET_KEY", secret);
        assert!(!format!("{:?}", Config::from_values(&good).unwrap()).contains("hunter2"));
    }
}

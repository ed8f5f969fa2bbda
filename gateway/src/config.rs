//! The gateway's settings, read and checked as a whole before anything is bound.

mod hosts;
mod origins;
mod proxies;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use http::{HeaderValue, Uri};
use service_runtime::{
    duration,
    grpc::channel::Upstream,
    secret::Secret,
    settings::{self, Environment, Faults, Reader, Setting, Values, from_str, switch, text},
    telemetry::TraceSettings,
    tls::{TLS_CA, TLS_CERT, TLS_KEY, Tls},
};

pub use self::{
    hosts::AllowedHosts,
    origins::Origins,
    proxies::{ProxyHeader, TrustedProxies},
};

/// Every setting of the gateway.
pub const SETTINGS: &[Setting] = &[
    settings::ENVIRONMENT,
    Setting::new(
        "GATEWAY_LISTEN",
        "127.0.0.1:8080",
        "Where the gateway listens; port 0 picks a free one",
    ),
    Setting::new(
        "ADMIN_LISTEN",
        "127.0.0.1:9090",
        "Where operators ask for /livez, /readyz and /metrics",
    ),
    TLS_CERT,
    TLS_KEY,
    TLS_CA,
    Setting::optional(
        "GATEWAY_TLS_CERT",
        "File with the certificate that browsers see, and its chain, in PEM [default: that of TLS_CERT]",
    ),
    Setting::optional(
        "GATEWAY_TLS_KEY",
        "File with the private key of GATEWAY_TLS_CERT, in PEM",
    ),
    Setting::new(
        "AUTH_URL",
        "http://127.0.0.1:50051",
        "Where auth-service is: one address, or several separated by commas; a name may stand for several",
    ),
    Setting::new(
        "COURSE_URL",
        "http://127.0.0.1:50052",
        "Where course-service is, likewise",
    ),
    Setting::new(
        "BASE_URL",
        "http://127.0.0.1:8080",
        "The address under which people reach the gateway",
    ),
    Setting::optional(
        "ALLOWED_HOSTS",
        "Host names the gateway answers to, comma-separated; .example.com stands for it and its subdomains, * for any [default: localhost,127.0.0.1,[::1] in development]",
    ),
    Setting::optional(
        "TRUSTED_PROXIES",
        "Proxies in front of the gateway, comma-separated, such as 10.0.0.0/8; who comes through them has the address that they tell in TRUSTED_PROXY_HEADER",
    ),
    Setting::new(
        "TRUSTED_PROXY_HEADER",
        "X-Forwarded-For",
        "The one header that those proxies append to or replace: X-Forwarded-For or Forwarded; the other one is not read",
    ),
    Setting::new(
        "CORS_ORIGIN_ALLOW_ALL",
        "false",
        "Whether pages of every origin may call: true or false",
    ),
    Setting::new(
        "CORS_ALLOWED_ORIGINS",
        "http://localhost:3000",
        "Origins whose pages may call, comma-separated",
    ),
    Setting::new(
        "CORS_ALLOW_CREDENTIALS",
        "false",
        "Whether such pages may send credentials: true or false",
    ),
    Setting::optional(
        "EMAIL_HOST",
        "The SMTP server that auth-service sends by; without one, development shows mail at /dev/mail",
    ),
    settings::SHUTDOWN_GRACE,
    settings::SERVICE_TOKEN,
    settings::DATA_DIR,
    settings::ENABLE_LOGGING,
    settings::RUST_LOG,
    settings::OTEL_EXPORTER_OTLP_ENDPOINT,
    settings::OTEL_TRACES_SAMPLER_ARG,
];

/// What the names of the gateway's own settings begin with: another name that does is most likely mistyped.
pub const PREFIXES: &[&str] = &["GATEWAY_", "CORS_"];

/// The settings, parsed.
#[derive(Debug, Clone)]
pub struct Config {
    /// What kind of place the process runs in.
    pub environment: Environment,
    /// Whether to log.
    pub logging: bool,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where operators ask.
    pub admin_listen: SocketAddr,
    /// What operators and services are shown, and which services are trusted.
    pub tls: Tls,
    /// What browsers are shown, where that is something else.
    pub public_tls: Tls,
    /// Where auth-service is.
    pub auth_url: Upstream,
    /// Where course-service is.
    pub course_url: Upstream,
    /// The address under which people reach the gateway, without a slash at its end.
    pub base_url: String,
    /// The host names that are answered.
    pub allowed_hosts: AllowedHosts,
    /// Who is believed about the addresses of clients, and where they say it.
    pub trusted_proxies: TrustedProxies,
    /// The origins whose pages may call.
    pub origins: Origins,
    /// What shows the services that it is the gateway who calls.
    pub service_token: Option<Secret<HeaderValue>>,
    /// The folder of mails that development keeps instead of sending them.
    pub mail_folder: Option<PathBuf>,
    /// How long running requests may take to finish when told to stop.
    pub shutdown_grace: Duration,
    /// Where traces go, if anybody wants them.
    pub traces: Option<TraceSettings>,
}

impl Config {
    /// Reads and checks the settings.
    ///
    /// # Errors
    /// [`Faults`], naming everything that is wrong.
    pub fn from_values(values: &Values) -> Result<Self, Faults> {
        let mut reader = Reader::new(values, SETTINGS);
        let environment = reader.read("ENVIRONMENT", Environment::parse);
        let config = Self::read(&mut reader, environment.unwrap_or(Environment::Development));
        reader.finish(config)
    }

    /// How addresses under which browsers reach this listener begin.
    pub fn public_scheme(&self) -> &'static str {
        match self.public_tls.for_anyone() {
            Some(_) => self.public_tls.scheme(),
            None => self.tls.scheme(),
        }
    }

    fn read(reader: &mut Reader<'_>, environment: Environment) -> Option<Self> {
        // Every setting is read before the first `?`, so that every fault is named.
        let logging = reader.read("ENABLE_LOGGING", switch);
        let listen = reader.read("GATEWAY_LISTEN", from_str);
        let admin_listen = reader.read("ADMIN_LISTEN", from_str);
        let tls = Tls::of_services(reader);
        let public_tls = Tls::of_listener(reader, "GATEWAY_TLS_CERT", "GATEWAY_TLS_KEY");
        let auth_url = Upstream::of_setting(reader, "AUTH_URL", tls.as_ref());
        let course_url = Upstream::of_setting(reader, "COURSE_URL", tls.as_ref());
        let base_url = reader.read("BASE_URL", url);
        let allowed_hosts = hosts::read(reader, environment);
        let trusted_proxies = proxies::read(reader);
        let origins = origins::read(reader);
        let service_token = service_token(reader, environment);
        let email_host = reader.read_optional("EMAIL_HOST", text);
        let data_dir = reader.read("DATA_DIR", text);
        let shutdown_grace = reader.read("SHUTDOWN_GRACE", duration::parse);
        let traces = TraceSettings::read(reader);

        let mail_is_kept = environment == Environment::Development && email_host?.is_none();
        let mail_folder = PathBuf::from(data_dir?).join("mail");
        Some(Self {
            environment,
            logging: logging?,
            listen: listen?,
            admin_listen: admin_listen?,
            tls: tls?,
            public_tls: public_tls?,
            auth_url: auth_url?,
            course_url: course_url?,
            base_url: base_url?,
            allowed_hosts: allowed_hosts?,
            trusted_proxies: trusted_proxies?,
            origins: origins?,
            service_token: service_token?,
            mail_folder: mail_is_kept.then_some(mail_folder),
            shutdown_grace: shutdown_grace?,
            traces: traces?,
        })
    }
}

/// Reads `http://host:port` or `https://…`, and drops a slash at the end.
fn url(text: &str) -> Result<String, String> {
    let bare = text.trim_end_matches('/');
    let sound = bare.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    });
    sound
        .then(|| bare.to_owned())
        .ok_or_else(|| format!("{text:?} is not an address such as http://127.0.0.1:8080"))
}

/// The first token is the one to show; a second one is for those who check it.
fn service_token(reader: &mut Reader<'_>, environment: Environment) -> Option<Option<Secret<HeaderValue>>> {
    let token = reader.read_optional("SERVICE_TOKEN", |text| {
        let first = settings::secrets(text)?.swap_remove(0);
        let mut value = HeaderValue::from_str(first.expose()).map_err(|error| error.to_string())?;
        value.set_sensitive(true);
        Ok(Secret::new(value))
    })?;
    if token.is_none() && environment == Environment::Production {
        reader.fault("SERVICE_TOKEN", "must be set in production");
        return None;
    }
    Some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(values: Values) -> String {
        Config::from_values(&values).unwrap_err().to_string()
    }

    #[test]
    fn development_needs_no_settings() {
        let config = Config::from_values(&Values::default()).unwrap();
        assert_eq!(config.listen.port(), 8080);
        assert!(config.allowed_hosts.allow("localhost:8080"));
        assert_eq!(config.mail_folder, Some(PathBuf::from("./data/mail")));
    }

    #[test]
    fn production_refuses_insecure_defaults_all_at_once() {
        let faults = faults(Values::default().with("ENVIRONMENT", "production"));
        assert!(faults.contains("ALLOWED_HOSTS"), "{faults}");
        assert!(faults.contains("SERVICE_TOKEN"), "{faults}");
    }

    #[test]
    fn mail_is_shown_only_where_it_is_kept() {
        let sent = Values::default().with("EMAIL_HOST", "smtp.example.com");
        assert_eq!(Config::from_values(&sent).unwrap().mail_folder, None);
        let production = Values::default()
            .with("ENVIRONMENT", "production")
            .with("ALLOWED_HOSTS", "example.com")
            .with("SERVICE_TOKEN", "t".repeat(32));
        assert_eq!(Config::from_values(&production).unwrap().mail_folder, None);
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        for (name, value) in [
            ("AUTH_URL", "127.0.0.1:50051"),
            ("AUTH_URL", "https://127.0.0.1:50051"),
            ("TLS_CERT", "/nowhere/cert.pem"),
            ("TLS_CA", "/nowhere/ca.pem"),
            ("GATEWAY_TLS_CERT", "/nowhere/cert.pem"),
            ("COURSE_URL", "ftp://127.0.0.1"),
            ("COURSE_URL", "http://127.0.0.1:50052/v1"),
            ("COURSE_URL", "http://127.0.0.1:0"),
            ("GATEWAY_LISTEN", "8080"),
            ("SERVICE_TOKEN", "short"),
            ("CORS_ALLOWED_ORIGINS", "localhost"),
            ("TRUSTED_PROXIES", "10.0.0.1/8"),
            ("TRUSTED_PROXY_HEADER", "X-Real-IP"),
            ("ENVIRONMENT", "staging"),
            ("SHUTDOWN_GRACE", "soon"),
        ] {
            let faults = faults(Values::default().with(name, value));
            assert!(faults.contains(name), "{faults}");
        }
    }
}

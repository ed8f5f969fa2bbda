//! What a setting is, and those that more than one process has.

/// One setting: the variable `BASE_URL` is also the flag `--base-url`.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The environment variable.
    pub name: &'static str,
    /// What holds when it is not given; shown by `--help`.
    pub default: Option<&'static str>,
    /// What it means, with its unit.
    pub help: &'static str,
    /// Whether its value must not be shown, not even as a default of `--help`.
    pub secret: bool,
}

impl Setting {
    /// A setting with a default.
    pub const fn new(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self {
            name,
            default: Some(default),
            help,
            secret: false,
        }
    }

    /// A setting that may be left out.
    pub const fn optional(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            default: None,
            help,
            secret: false,
        }
    }

    /// A setting that may be left out and that no output shows.
    pub const fn secret(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            default: None,
            help,
            secret: true,
        }
    }

    /// The flag that sets it: `--base-url` for `BASE_URL`.
    pub(super) fn flag(&self) -> String {
        flag_of(self.name)
    }
}

/// The flag of a variable.
pub(super) fn flag_of(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

/// `ENVIRONMENT`, which every process has.
pub const ENVIRONMENT: Setting = Setting::new(
    "ENVIRONMENT",
    "development",
    "development or production; production refuses insecure defaults",
);

/// `DATA_DIR`, where a process keeps what is not in a database server.
pub const DATA_DIR: Setting = Setting::new(
    "DATA_DIR",
    "./data",
    "Folder of the embedded databases and of what development keeps",
);

/// `ENABLE_LOGGING`, which every process has.
pub const ENABLE_LOGGING: Setting = Setting::new("ENABLE_LOGGING", "true", "Whether to log: true or false");

/// `SHUTDOWN_GRACE`, which every process has.
pub const SHUTDOWN_GRACE: Setting = Setting::new(
    "SHUTDOWN_GRACE",
    "30s",
    "How long running requests may take to finish once the process is told to stop",
);

/// `RUST_LOG`, which every process has.
pub const RUST_LOG: Setting = Setting::optional(
    "RUST_LOG",
    "What to log, such as warn or info,auth_service=debug [default: info]",
);

/// `OTEL_EXPORTER_OTLP_ENDPOINT`, which every process has.
pub const OTEL_EXPORTER_OTLP_ENDPOINT: Setting = Setting::optional(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "Where traces go by OTLP over HTTP, such as http://127.0.0.1:4318; without it there are none",
);

/// `OTEL_TRACES_SAMPLER_ARG`, which every process has.
pub const OTEL_TRACES_SAMPLER_ARG: Setting = Setting::new(
    "OTEL_TRACES_SAMPLER_ARG",
    "1",
    "The share of requests that are traced, 0 to 1, where their sender has not decided",
);

/// `SERVICE_TOKEN`, which every process has.
pub const SERVICE_TOKEN: Setting = Setting::secret(
    "SERVICE_TOKEN",
    "What services show each other on internal calls, at least 32 characters; two, comma-separated, while it is being changed",
);

/// `READ_DATABASE_URL`, which services with data have.
pub const READ_DATABASE_URL: Setting = Setting::secret(
    "READ_DATABASE_URL",
    "postgres://… of a read replica of DATABASE_URL, which lists are read from; without it they are read from DATABASE_URL",
);

/// `DATABASE_URL`, which services with data have.
pub const DATABASE_URL: Setting = Setting::secret(
    "DATABASE_URL",
    "postgres://… of a server that services share, each in its own schema; without it a SQLite file under DATA_DIR",
);

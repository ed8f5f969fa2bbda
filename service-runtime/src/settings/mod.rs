//! Settings: one table per process gives the environment variables, the flags and `--help`; all of them are
//! read and checked before anything is bound, and every fault is named at once.

mod command;
mod database;
mod parse;
mod reader;
mod setting;
mod unknown;
mod values;

pub use self::{
    command::command,
    database::{database_url, read_database_url},
    parse::{Environment, from_str, list, secrets, switch, text},
    reader::{Faults, Reader},
    setting::{
        DATA_DIR, DATABASE_URL, ENABLE_LOGGING, ENVIRONMENT, OTEL_EXPORTER_OTLP_ENDPOINT,
        OTEL_TRACES_SAMPLER_ARG, READ_DATABASE_URL, RUST_LOG, SERVICE_TOKEN, SHUTDOWN_GRACE, Setting,
    },
    unknown::warn_of_unknown,
    values::Values,
};

#[cfg(test)]
mod tests;

//! What an operator can do without a browser. Every command says what it did on standard output, for people or,
//! with `--json`, for programs; why it did nothing stands on standard error, and the exit code tells the kind.

pub mod erasures;
pub mod keys;
pub mod sessions;
pub mod users;

use clap::{Arg, ArgAction, ArgMatches};
use serde::Serialize;
use service_runtime::process::{CONFLICT, INVALID, NOT_FOUND, Refused, say};

use crate::domain::{error::Error, factor::FactorError};

/// `--json`.
fn json_flag() -> Arg {
    Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help("Says it as JSON, one object a line")
}

/// Says a thing as JSON if that was asked for, otherwise in words.
fn tell(matches: &ArgMatches, thing: &impl Serialize, words: impl FnOnce() -> String) {
    match matches.get_flag("json") {
        true => say(serde_json::to_string(thing).unwrap_or_default()),
        false => say(words()),
    }
}

/// What a refusal of the rules means at the command line.
fn refused(error: Error) -> Box<dyn std::error::Error> {
    let code = match &error {
        Error::NotFound(_) | Error::Factor(FactorError::Missing) => NOT_FOUND,
        Error::UsernameTaken | Error::LastStaffUser => CONFLICT,
        Error::Invalid(_) => INVALID,
        _ => return error.into(),
    };
    let sentence = match error {
        Error::Invalid(faults) => {
            let faults: Vec<String> = faults.into_iter().map(|fault| fault.message).collect();
            faults.join(" ")
        }
        Error::LastStaffUser => "this is the last active staff user; make another one first".to_owned(),
        other => other.to_string(),
    };
    Refused { code, sentence }.into()
}

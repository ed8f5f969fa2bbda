//! `auth-service sessions`: the sessions of everybody, for an operator in need.

use std::error::Error;

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde::Serialize;
use service_runtime::{clock::Clock, entropy::Entropy};

use super::{json_flag, tell};
use crate::{Config, open_rules};

/// The command with its parts.
pub fn command() -> Command {
    Command::new("sessions")
        .about("Looks after sessions")
        .subcommand_required(true)
        .subcommand(
            Command::new("end")
                .about("Ends sessions: their tokens are refused at once, and people log in again")
                .arg(
                    Arg::new("all")
                        .long("all")
                        .required(true)
                        .action(ArgAction::SetTrue)
                        .help("Those of everybody"),
                )
                .arg(json_flag()),
        )
}

#[derive(Serialize)]
struct Ended {
    ended: usize,
}

/// Does what was asked for.
///
/// # Errors
/// When the database cannot be used.
pub async fn run(config: &Config, matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let rules = open_rules(config, &Clock::system(), &Entropy::default()).await?;
    if let Some((_, matches)) = matches.subcommand() {
        let ended = rules.sessions.end_everybodys().await?;
        tell(matches, &Ended { ended }, || format!("{ended} sessions ended"));
    }
    rules.store.close().await;
    Ok(())
}

//! `auth-service erasures`: who was erased, for an operator who restores a backup.

use std::error::Error;

use clap::{ArgMatches, Command};
use serde::Serialize;
use service_runtime::{clock::Clock, entropy::Entropy};

use super::{json_flag, tell};
use crate::{Config, Rules, model::erasure::Erasure, open_rules};

/// The command with its parts.
pub fn command() -> Command {
    Command::new("erasures")
        .about("Looks after what was erased; ids are all that is left of it")
        .subcommand_required(true)
        .subcommand(
            Command::new("list")
                .about("Lists erasures, the oldest first, and whether course-service has erased its part")
                .arg(json_flag()),
        )
        .subcommand(
            Command::new("repeat")
                .about("Has course-service erase its part once more, after it was restored from a backup")
                .arg(json_flag()),
        )
}

#[derive(Serialize)]
struct Listed {
    user_id: String,
    erased_at: String,
    acknowledged_at: Option<String>,
}

#[derive(Serialize)]
struct Repeated {
    repeated: usize,
}

/// Does what was asked for.
///
/// # Errors
/// When the database cannot be used.
pub async fn run(config: &Config, matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let rules = open_rules(config, &Clock::system(), &Entropy::default()).await?;
    match matches.subcommand() {
        Some(("list", matches)) => list(&rules, matches).await?,
        Some((_, matches)) => {
            let repeated = rules.erasures.repeat().await?;
            tell(matches, &Repeated { repeated }, || {
                format!("{repeated} erasures are told again")
            });
        }
        None => {}
    }
    rules.store.close().await;
    Ok(())
}

async fn list(rules: &Rules, matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let mut after: Option<Erasure> = None;
    loop {
        let page = rules.erasures.list(after.as_ref()).await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(*last);
        for erasure in page {
            show(matches, erasure);
        }
    }
}

fn show(matches: &ArgMatches, erasure: Erasure) {
    let listed = Listed {
        user_id: erasure.user_id.to_string(),
        erased_at: erasure.erased_at.to_rfc3339(),
        acknowledged_at: erasure.acknowledged_at.map(|time| time.to_rfc3339()),
    };
    tell(matches, &listed, || {
        let state = match &listed.acknowledged_at {
            Some(_) => "acknowledged",
            None => "waits for course-service",
        };
        format!("{}  {}  {state}", listed.user_id, listed.erased_at)
    });
}

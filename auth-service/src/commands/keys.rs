//! `auth-service keys`: the keys that access tokens are signed with.

use std::error::Error;

use clap::{ArgMatches, Command};
use serde::Serialize;
use service_runtime::{clock::Clock, entropy::Entropy};

use super::{json_flag, tell};
use crate::{Config, open_keys, open_store};

/// The command with its parts.
pub fn command() -> Command {
    Command::new("keys")
        .about("Looks after the keys that access tokens are signed with")
        .subcommand_required(true)
        .subcommand(
            Command::new("list")
                .about("Lists the keys, the signing one first")
                .arg(json_flag()),
        )
        .subcommand(
            Command::new("rotate")
                .about("Signs with a new key from now on; nobody is logged out")
                .arg(json_flag()),
        )
}

#[derive(Serialize)]
struct Key<'a> {
    kid: &'a str,
    state: &'static str,
}

/// Does what was asked for.
///
/// # Errors
/// When the database or the keys cannot be opened.
pub async fn run(config: &Config, matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let store = open_store(config).await?;
    let keys = open_keys(config, &store, &Clock::system(), &Entropy::default()).await?;
    let Some((asked, matches)) = matches.subcommand() else {
        return Ok(());
    };
    if asked == "rotate" {
        keys.rotate().await?;
    }
    for (place, key) in keys.public_keys().iter().enumerate() {
        let state = if place == 0 { "signs" } else { "verifies" };
        let key = Key { kid: &key.kid, state };
        tell(matches, &key, || format!("{}  {state}", key.kid));
    }
    store.close().await;
    Ok(())
}

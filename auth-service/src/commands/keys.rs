//! `auth-service keys`: the keys that access tokens are signed with.

use std::error::Error;

use clap::{Arg, ArgMatches, Command};
use serde::Serialize;
use service_runtime::{clock::Clock, entropy::Entropy};

use super::{json_flag, refused, tell};
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
        .subcommand(
            Command::new("revoke")
                .about("Removes a key that others may know: its tokens are refused at once; sessions go on")
                .arg(
                    Arg::new("kid")
                        .required(true)
                        .value_name("KID")
                        .help("Which key, as keys list names it"),
                )
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
/// `Refused` when there is no such key; anything else when the database or the keys cannot be used.
pub async fn run(config: &Config, matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let store = open_store(config).await?;
    let keys = open_keys(config, &store, &Clock::system(), &Entropy::default()).await?;
    let Some((asked, matches)) = matches.subcommand() else {
        return Ok(());
    };
    match (asked, matches.try_get_one::<String>("kid").ok().flatten()) {
        ("rotate", _) => keys.rotate().await?,
        ("revoke", Some(kid)) => keys.revoke(kid).await.map_err(refused)?,
        _ => {}
    }
    for (place, key) in keys.public_keys().iter().enumerate() {
        let state = if place == 0 { "signs" } else { "verifies" };
        let key = Key { kid: &key.kid, state };
        tell(matches, &key, || format!("{}  {state}", key.kid));
    }
    store.close().await;
    Ok(())
}

//! `auth-service keys`: the keys that access tokens are signed with.

use std::error::Error;

use chrono::{DateTime, Utc};
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use serde::Serialize;
use service_runtime::{
    clock::Clock,
    entropy::Entropy,
    process::{CONFLICT, Refused},
};

use super::{json_flag, refused, tell};
use crate::{
    Config,
    domain::signing_key::{KeyRing, NotRotated, PublicKey},
    model::signing_key::KeyState,
    open_keys, open_store,
};

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
                .about("Signs with the next key from now on, if everybody knows it; nobody is logged out")
                .arg(json_flag()),
        )
        .subcommand(
            Command::new("revoke")
                .about("Removes a key that others may know: its tokens are refused at once; sessions go on")
                .arg(
                    Arg::new("kid")
                        .value_name("KID")
                        .help("Which key, as keys list names it"),
                )
                .arg(
                    Arg::new("all")
                        .long("all")
                        .action(ArgAction::SetTrue)
                        .help("Every key, since whoever has SECRET_KEY and the database has all of them"),
                )
                .group(ArgGroup::new("which").args(["kid", "all"]).required(true))
                .arg(json_flag()),
        )
}

/// A key as it is told. Each state has its own end.
#[derive(Serialize)]
struct Key<'a> {
    kid: &'a str,
    state: &'static str,
    since: DateTime<Utc>,
    may_sign_from: Option<DateTime<Utc>>,
    rotates_from: Option<DateTime<Utc>>,
    gone_from: Option<DateTime<Utc>>,
}

impl<'a> Key<'a> {
    fn of(key: &'a PublicKey) -> Self {
        let until = |state| (key.state == state).then_some(key.until);
        Self {
            kid: &key.kid,
            state: key.state.as_str(),
            since: key.since,
            may_sign_from: until(KeyState::Next),
            rotates_from: until(KeyState::Active),
            gone_from: until(KeyState::Retiring),
        }
    }
}

/// A key in words.
fn words(key: &PublicKey) -> String {
    let then = match key.state {
        KeyState::Next => "may sign from",
        KeyState::Active => "signs until about",
        KeyState::Retiring => "verifies until",
    };
    let (state, since, until) = (key.state.as_str(), key.since.to_rfc3339(), key.until.to_rfc3339());
    format!("{}  {state:8}  since {since}, {then} {until}", key.kid)
}

/// Does what was asked for.
///
/// # Errors
/// `Refused` when there is no such key, or the next one may not sign yet; anything else when the database or the keys
/// cannot be used.
pub async fn run(config: &Config, matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let store = open_store(config).await?;
    let keys = open_keys(config, &store, &Clock::system(), &Entropy::default()).await?;
    let Some((asked, matches)) = matches.subcommand() else {
        return Ok(());
    };
    match asked {
        "rotate" => keys.rotate().await.map_err(too_early)?,
        "revoke" => revoke(&keys, matches).await?,
        _ => {}
    }
    for key in keys.public_keys() {
        tell(matches, &Key::of(&key), || words(&key));
    }
    store.close().await;
    Ok(())
}

async fn revoke(keys: &KeyRing, matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    match matches.get_one::<String>("kid") {
        Some(kid) => keys.revoke(kid).await,
        None => keys.revoke_all().await,
    }
    .map_err(refused)
}

fn too_early(error: NotRotated) -> Box<dyn Error> {
    match error {
        NotRotated::TooEarly(_) => Refused {
            code: CONFLICT,
            sentence: error.to_string(),
        }
        .into(),
        NotRotated::Failed(error) => error.into(),
    }
}

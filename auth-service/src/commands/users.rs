//! `auth-service users`: accounts, made, listed and changed by an operator.

use std::{
    error::Error,
    fs,
    io::{self, Read},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Arg, ArgAction, ArgMatches, Command};
use service_runtime::{
    clock::Clock,
    entropy::Entropy,
    process::{INVALID, Refused, say},
    secret::Secret,
};

use super::{json_flag, refused, tell};
use crate::{
    Config, Rules,
    domain::{
        factor::FactorError,
        user::{Granter, UserChange, UserQuery},
    },
    grpc::encode,
    model::{event::Actor, user::User},
    open_rules,
};

/// The most users of one page.
const PAGE: i32 = 100;

/// The command with its parts.
pub fn command() -> Command {
    let user = || {
        Arg::new("user")
            .required(true)
            .value_name("ADDRESS or ID")
            .help("Whose account")
    };
    Command::new("users")
        .about("Looks after accounts")
        .subcommand_required(true)
        .subcommand(
            Command::new("create")
                .about("Makes an account that can log in at once; makes up and says its password if none is given")
                .arg(Arg::new("address").required(true).help("The e-mail address"))
                .arg(
                    Arg::new("password-file")
                        .long("password-file")
                        .value_name("FILE")
                        .help("File that holds the password; - for standard input"),
                )
                .arg(
                    Arg::new("staff")
                        .long("staff")
                        .action(ArgAction::SetTrue)
                        .help("The account administers the site"),
                )
                .arg(json_flag()),
        )
        .subcommand(
            Command::new("list")
                .about("Lists accounts, the oldest first")
                .arg(Arg::new("search").long("search").value_name("TEXT").help("What address or names contain"))
                .arg(json_flag()),
        )
        .subcommand(
            Command::new("update")
                .about("Changes an account; taking --active away ends its sessions")
                .arg(user())
                .arg(switch("active", "Whether the account may log in"))
                .arg(switch("staff", "Whether the account administers the site"))
                .arg(
                    Arg::new("remove-totp")
                        .long("remove-totp")
                        .action(ArgAction::SetTrue)
                        .help("Removes the second factor of somebody who lost it, and ends their sessions"),
                )
                .arg(json_flag()),
        )
        .subcommand(
            Command::new("erase")
                .about("Deletes an account and everything that is known of the person, in all services")
                .arg(user())
                .arg(json_flag()),
        )
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .value_name("true or false")
        .value_parser(clap::value_parser!(bool))
        .help(help)
}

/// Does what was asked for.
///
/// # Errors
/// `Refused` when the account does not exist, exists already, or must stay as it is; anything else when the
/// database cannot be used.
pub async fn run(config: &Config, matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let entropy = Entropy::default();
    // An operator wants to see what is, not what a replica knows of it.
    let config = Config {
        read_database_url: None,
        ..config.clone()
    };
    let rules = open_rules(&config, &Clock::system(), &entropy).await?;
    match matches.subcommand() {
        Some(("create", matches)) => create(&rules, &entropy, matches).await?,
        Some(("list", matches)) => list(&rules, matches).await?,
        Some(("erase", matches)) => erase(&rules, matches).await?,
        Some((_, matches)) => update(&rules, matches).await?,
        None => {}
    }
    rules.store.close().await;
    Ok(())
}

async fn create(rules: &Rules, entropy: &Entropy, matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let address = text(matches, "address");
    let given = matches.get_one::<String>("password-file");
    let password = match given {
        Some(file) => read_password(file)?,
        None => Secret::new(URL_SAFE_NO_PAD.encode(entropy.bytes::<15>()?)),
    };
    let made = rules
        .accounts
        .create(address, &password, matches.get_flag("staff"));
    show(matches, made.await.map_err(refused)?);
    if given.is_none() {
        match matches.get_flag("json") {
            true => say(serde_json::json!({"password": password.expose()})),
            false => say(format_args!("The password is {}", password.expose())),
        }
    }
    Ok(())
}

async fn list(rules: &Rules, matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let mut page_token = String::new();
    loop {
        let query = UserQuery {
            search: text(matches, "search"),
            order_by: "date_joined",
            page_size: PAGE,
            page_token: &page_token,
        };
        let (users, next) = rules.users.list(query).await.map_err(refused)?;
        for user in users {
            show(matches, user);
        }
        if next.is_empty() {
            return Ok(());
        }
        page_token = next;
    }
}

async fn update(rules: &Rules, matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let change = UserChange {
        is_active: matches.get_one("active").copied(),
        is_staff: matches.get_one("staff").copied(),
        ..UserChange::default()
    };
    let removes_factor = matches.get_flag("remove-totp");
    if change.is_active.is_none() && change.is_staff.is_none() && !removes_factor {
        return Err(invalid("nothing to change: give --active, --staff or --remove-totp").into());
    }
    let user = rules.users.find(text(matches, "user")).await.map_err(refused)?;
    // Whatever may be refused comes before anything is done.
    if removes_factor && user.factor_since.is_none() {
        return Err(refused(FactorError::Missing.into()));
    }
    let id = user.id.to_string();
    let user = rules
        .users
        .update(Granter::Operator, &Actor::default(), &id, change, None)
        .await
        .map_err(refused)?;
    if removes_factor {
        let factors = &rules.sessions.factors;
        factors.remove_for(&user).await.map_err(refused)?;
    }
    show(matches, user);
    Ok(())
}

async fn erase(rules: &Rules, matches: &ArgMatches) -> Result<(), Box<dyn Error>> {
    let user = rules.users.find(text(matches, "user")).await.map_err(refused)?;
    rules.erasures.erase(user.id).await.map_err(refused)?;
    let erased = user.id;
    tell(matches, &serde_json::json!({"erased": erased}), || {
        format!("{erased} is erased")
    });
    Ok(())
}

fn show(matches: &ArgMatches, user: User) {
    let mut words = vec![user.id.to_string(), user.username.clone()];
    words.push(if user.is_active { "active" } else { "inactive" }.to_owned());
    if user.is_staff {
        words.push("staff".to_owned());
    }
    tell(matches, &encode::user(user), || words.join("  "));
}

fn text<'a>(matches: &'a ArgMatches, name: &str) -> &'a str {
    matches.get_one::<String>(name).map_or("", String::as_str)
}

/// A password as the file has it, without the end of its line.
fn read_password(file: &str) -> Result<Secret<String>, Refused> {
    let mut held = String::new();
    let read = match file {
        "-" => io::stdin().read_to_string(&mut held).map(drop),
        path => fs::read_to_string(path).map(|read| held = read),
    };
    read.map_err(|error| invalid(format!("the password cannot be read from {file}: {error}")))?;
    Ok(Secret::new(held.trim_end_matches(['\r', '\n']).to_owned()))
}

fn invalid(sentence: impl Into<String>) -> Refused {
    Refused {
        code: INVALID,
        sentence: sentence.into(),
    }
}

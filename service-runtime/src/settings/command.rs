//! The flags and `--help` of a process, made from its table of settings.

use clap::{Arg, Command};

use super::{Setting, setting::flag_of};

/// A command whose flags and variables are the given settings. A name that stands twice counts once. What is
/// secret can also be given as the name of a file that holds it.
pub fn command(name: &'static str, about: &'static str, settings: &[Setting]) -> Command {
    let mut known = Vec::new();
    let mut command = Command::new(name).about(about).version(env!("CARGO_PKG_VERSION"));
    for setting in settings {
        if known.contains(&setting.name) {
            continue;
        }
        known.push(setting.name);
        let help = match setting.default {
            Some("") | None => setting.help.to_owned(),
            Some(default) => format!("{} [default: {default}]", setting.help),
        };
        command = command.arg(arg(setting.name.to_owned(), setting.flag(), "VALUE").help(help));
        if setting.secret {
            let file = file_variable(setting.name);
            let help = format!("File that holds {}", setting.name);
            command = command.arg(arg(file.clone(), flag_of(&file), "FILE").help(help));
        }
    }
    command
}

/// The variable that names the file which holds a secret setting.
pub(super) fn file_variable(name: &str) -> String {
    format!("{name}_FILE")
}

fn arg(variable: String, flag: String, value: &'static str) -> Arg {
    Arg::new(variable.clone())
        .long(flag)
        .env(variable)
        .hide_env_values(true)
        .value_name(value)
        .global(true)
}

//! The outermost layer of a command: what it says, how it complains, and how it ends.

use std::{error::Error, fmt, io, process::ExitCode, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    causes::causes,
    lifecycle::{Signals, Tasks},
    telemetry::lines,
};

/// Says a line on standard output: what the command was asked for. A closed terminal is no reason to fail.
pub fn say(line: impl fmt::Display) {
    let _closed = io::Write::write_fmt(&mut io::stdout(), format_args!("{line}\n"));
}

/// A command that did nothing, for a reason that scripts may want to tell from others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Refused {
    /// The exit code. 1 is any failure and 2 wrong usage; 3 is [`NOT_FOUND`], 4 is [`CONFLICT`], 5 is [`INVALID`].
    pub code: u8,
    /// Why, for people.
    pub sentence: String,
}

/// The exit code when what the command is about does not exist.
pub const NOT_FOUND: u8 = 3;
/// The exit code when the present state does not allow it, such as when there is one already.
pub const CONFLICT: u8 = 4;
/// The exit code when what was given cannot be used.
pub const INVALID: u8 = 5;

/// The exit code of a command, after saying on standard error why it failed: one line, every cause in it.
pub fn ended(name: &str, outcome: Result<(), Box<dyn Error>>) -> ExitCode {
    let Err(error) = outcome else {
        lines::stderr().flushed();
        return ExitCode::SUCCESS;
    };
    lines::stderr().put(format!("{name}: {}\n", causes(&*error)).into_bytes());
    lines::stderr().flushed();
    let refused = error.downcast_ref::<Refused>();
    refused.map_or(ExitCode::FAILURE, |refused| ExitCode::from(refused.code))
}

/// Something did not end as it should.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum Unfinished {
    /// A task crashed.
    #[error("a task crashed")]
    Crashed,
    /// Running work did not finish within the grace.
    #[error("running work did not finish in time")]
    Late,
    /// The process was told to stop a second time.
    #[error("told to stop twice; running work was cut off")]
    Forced,
}

/// Lets the process hold as many connections and files as it may: what a shell or a service manager gives by default
/// is often a thousand, and the limit up to which a process may help itself much higher.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // What was given is then what there is.
    let _kept = setrlimit(Resource::Nofile, raised);
}

/// Waits until the process is told to stop or a task crashes, then asks every task to stop and waits for them. Told
/// a second time, it waits no longer. The signals are watched before anything is served: whoever sees that it serves
/// may tell it to stop.
///
/// # Errors
/// When a task crashed or did not end within `grace`, or the end was forced.
pub async fn until_told_to_stop(
    mut signals: Signals,
    tasks: &Tasks,
    grace: Duration,
) -> Result<(), Box<dyn Error>> {
    let crashed = tokio::select! {
        () = signals.told_to_stop() => false,
        () = tasks.stopping() => true,
    };
    tasks.stop();
    let finished = tokio::select! {
        finished = tasks.finished(grace) => finished,
        () = signals.told_to_stop() => return Err(Unfinished::Forced.into()),
    };
    match (crashed, finished) {
        (true, _) => Err(Unfinished::Crashed.into()),
        (false, false) => Err(Unfinished::Late.into()),
        (false, true) => Ok(()),
    }
}

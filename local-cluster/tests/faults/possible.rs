//! Whether a fault can be done on this machine.

use std::process::Command;

use test_support::left_out;

/// Whether it can, which is tried with a command; if not, `what` is left out. `install` says what would bring it
/// back.
pub fn possible(what: &str, command: &mut Command, install: &str) -> bool {
    let why = match command.output() {
        Ok(tried) if tried.status.success() => {
            left_out::is_here(what);
            return true;
        }
        Ok(tried) => String::from_utf8_lossy(&tried.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    left_out::leave_out(what, &why, install);
    false
}

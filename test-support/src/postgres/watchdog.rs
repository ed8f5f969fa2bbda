//! What makes sure that a temporary server and its files end with this process, even if that is killed.
//!
//! Rust drops no statics and SIGKILL runs no code at all, so the clean-up cannot be ours. It is that of a
//! shell which waits for the end of a pipe whose other side only this process holds: the operating system
//! closes it for us.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Stops the server in `$1/data`, if there is one, unmounts that if it is a disk of its own, and removes `$1`.
///
/// A process id is believed only if its process works in that directory (or if the system cannot tell): the
/// file could be older than the process that has the id now.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
read -r _
pidfile=$1/data/postmaster.pid
pid=$(head -n 1 "$pidfile")
case $(readlink "/proc/$pid/cwd") in
"$1/data" | "")
    kill -QUIT "$pid"
    tries=0
    while [ -e "$pidfile" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
    [ -e "$pidfile" ] && kill -KILL "$pid"
    ;;
esac
umount "$1/data" 2>/dev/null || umount -l "$1/data" 2>/dev/null
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
"#;

/// Guards one directory. Dropping it does the clean-up at once and waits for it.
#[derive(Debug)]
pub(super) struct Watchdog(Child);

impl Watchdog {
    /// From here on `directory`, which has to be absolute and without links, ends with this process.
    pub(super) fn over(directory: &Path) -> Self {
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(SCRIPT)
            .arg("watchdog")
            .arg(directory)
            .current_dir("/");
        // Nothing of ours stays open in it: whoever reads the output of a test run would wait for its end.
        shell
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // Ctrl-C goes to the whole foreground group, and it is then that the watchdog is needed.
        shell.process_group(0);
        Self(shell.spawn().expect("a shell to watch over the temporary server"))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

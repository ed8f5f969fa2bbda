//! Disks that are full, and calls to the disk that fail.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::possible::possible;

/// How long it may take until a process is in the hands of `strace`.
const PATIENCE: Duration = Duration::from_secs(20);

/// Takes all the room there is.
pub fn fill(path: &Path) {
    let mut filler = File::create(path).unwrap();
    for size in [64 * 1024, 4096, 1] {
        while filler.write_all(&vec![0; size]).is_ok() {}
    }
}

/// System calls of running processes fail, until this value is dropped.
pub struct Failing {
    strace: Child,
    folder: TempDir,
}

impl Failing {
    /// Whether that can be done here; `what` is left out otherwise.
    pub fn can_be_made(what: &str) -> bool {
        let mut strace = Command::new("strace");
        strace.args(["-e", "inject=fsync:error=EIO", "-o", "/dev/null", "true"]);
        let install = "install strace (Debian: apt-get install strace), and allow ptrace";
        possible(what, &mut strace, install)
    }

    /// From now on these calls of these processes fail as `how` says, in strace's words.
    pub async fn calls(processes: &[String], calls: &str, how: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("strace");
        command
            .arg("-f")
            .args([
                "-e",
                &format!("trace={calls}"),
                "-e",
                &format!("inject={calls}:{how}"),
            ])
            .arg("-o")
            .arg(Self::notes(&folder))
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        for process in processes {
            command.args(["-p", process]);
        }
        let failing = Self {
            strace: command.spawn().unwrap(),
            folder,
        };
        let begun = Instant::now();
        for process in processes {
            while !is_traced(process) {
                assert!(
                    begun.elapsed() < PATIENCE,
                    "strace does not get hold of {process}"
                );
                sleep(Duration::from_millis(10)).await;
            }
        }
        failing
    }

    /// How many calls have failed.
    pub fn count(&self) -> usize {
        let notes = fs::read_to_string(Self::notes(&self.folder)).unwrap_or_default();
        notes.matches("(INJECTED)").count()
    }

    fn notes(folder: &TempDir) -> PathBuf {
        folder.path().join("calls")
    }
}

impl Drop for Failing {
    /// Lets go of the processes, which live on.
    fn drop(&mut self) {
        let strace = self.strace.id().to_string();
        let _gone = Command::new("kill").args(["-TERM", &strace]).status();
        let _gone = self.strace.wait();
    }
}

/// Whether every thread of a process is in the hands of a tracer, or the process is gone.
fn is_traced(process: &str) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return true;
    };
    let status = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("status")).ok();
    threads
        .filter_map(|thread| status(thread.ok()?))
        .all(|status| !status.contains("TracerPid:\t0\n"))
}

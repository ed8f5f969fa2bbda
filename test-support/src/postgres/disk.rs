//! A small disk in memory for the data of a server.

use std::path::Path;
use std::process::Command;

/// Mounts a disk with this many bytes at `path`, for one account alone.
pub(super) fn mount(path: &Path, bytes: u64) -> Result<(), String> {
    let options = format!("size={bytes},mode=0700");
    let mut command = Command::new("mount");
    run(command.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(path))
}

/// Takes it away.
pub(super) fn unmount(path: &Path) -> Result<(), String> {
    run(Command::new("umount").arg(path))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|why| format!("{command:?}: {why}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
}

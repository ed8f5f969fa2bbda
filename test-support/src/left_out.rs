//! What the tests left out, said aloud when it happens and once more at the end of `cargo test`.
//!
//! A test whose surroundings are missing may pass without testing, but never silently. Each test binary keeps
//! one marker file per missing part under `target/left-out/`; the marker goes away when that binary finds the
//! part again, or when the last test target of the workspace, `zz_left_out`, reads it out. In CI nothing may
//! be left out.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Leaves out `what` (such as `PostgreSQL tests`) because of `why`; `install` says what would bring it back.
///
/// # Panics
///
/// In CI, because there nothing may be left out.
pub fn leave_out(what: &str, why: &str, install: &str) {
    let line = format!("{what} of {}: {why}; {install}", binary());
    keep(&directory(), &marker(what), &line);
    assert!(!in_ci(), "CI leaves nothing out, but this is missing: {line}");
    // Straight to the stream: the test harness would swallow what `eprintln!` writes.
    let _ = writeln!(io::stderr().lock(), "LEFT OUT: {line}");
}

/// Takes back what an earlier run of this test binary said about `what`: the part is here now.
pub fn is_here(what: &str) {
    let _ = fs::remove_file(directory().join(marker(what)));
}

/// Whether this is a CI run: the variable `CI` is set, and not to `false` or nothing.
#[must_use]
pub fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false")
}

/// All that was left out since it was last asked, one sorted line each. Asking forgets it.
#[must_use]
pub fn take_all() -> Vec<String> {
    take_all_in(&directory())
}

fn take_all_in(directory: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if let Ok(line) = fs::read_to_string(entry.path()) {
            lines.push(line.trim_end().to_owned());
        }
        let _ = fs::remove_file(entry.path());
    }
    lines.sort();
    lines
}

fn keep(directory: &Path, marker: &str, line: &str) {
    fs::create_dir_all(directory).expect("the target directory is writable");
    fs::write(directory.join(marker), format!("{line}\n")).expect("the target directory is writable");
}

/// The package and the test target that runs, such as `auth-service/store`.
fn binary() -> String {
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_else(|_| "unknown".to_owned());
    let executable = std::env::current_exe().unwrap_or_default();
    let stem = executable
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    // Cargo appends a hash, which changes with every build, while the marker has to be found again.
    let target = stem.rsplit_once('-').map_or(stem.as_str(), |(target, _)| target);
    format!("{package}/{target}")
}

fn marker(what: &str) -> String {
    format!("{} {what}", binary()).replace(['/', ' '], "-")
}

/// `left-out` in the target directory, which is the nearest one above the test binary that cargo has tagged.
fn directory() -> PathBuf {
    let executable = std::env::current_exe().unwrap_or_default();
    let target = executable
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let fallback = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    target.map_or(fallback, Path::to_path_buf).join("left-out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("left-out");
        keep(&directory, "b", "browser tests: no browser");
        keep(&directory, "a", "PostgreSQL tests: none");
        keep(&directory, "a", "PostgreSQL tests: no initdb");
        assert_eq!(
            take_all_in(&directory),
            ["PostgreSQL tests: no initdb", "browser tests: no browser"]
        );
        assert!(take_all_in(&directory).is_empty());
    }

    #[test]
    fn the_binary_is_named_without_its_hash() {
        assert_eq!(binary(), "test-support/test_support");
    }
}

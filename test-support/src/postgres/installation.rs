//! Finding the PostgreSQL programs on this computer.

use std::path::{Path, PathBuf};

/// The directory that holds `initdb`, `pg_ctl` and `postgres`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Installation(PathBuf);

/// Where packagers put versions next to each other: the folder, what a version's folder starts with, and what
/// leads from there to its programs. Debian and its children, Red Hat's, Homebrew's.
const VERSIONED: [(&str, &str, &str); 4] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
];

impl Installation {
    /// The installation that `PATH` names, else the newest one in the usual places.
    pub(super) fn find() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&path).find_map(|folder| {
            // A link in PATH may stand alone, with its siblings where it points to.
            let initdb = folder.join("initdb").canonicalize().ok()?;
            Self::at(initdb.parent()?).or_else(|| Self::at(&folder))
        });
        on_path.or_else(|| VERSIONED.into_iter().find_map(newest))
    }

    /// The full path of one of its programs.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn at(folder: &Path) -> Option<Self> {
        let is_complete = ["initdb", "pg_ctl", "postgres"]
            .iter()
            .all(|name| folder.join(name).is_file());
        is_complete.then(|| Self(folder.to_path_buf()))
    }
}

fn newest((folder, prefix, programs): (&str, &str, &str)) -> Option<Installation> {
    std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, Installation::at(&entry.path().join(programs))?))
        })
        .max_by_key(|(version, _)| *version)
        .map(|(_, installation)| installation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_complete_version_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        for (version, programs) in [
            ("9", &["initdb", "pg_ctl", "postgres"][..]),
            ("15", &["initdb", "pg_ctl", "postgres"]),
            ("16", &["pg_ctl"]),
        ] {
            let bin = folder.path().join(version).join("bin");
            std::fs::create_dir_all(&bin).unwrap();
            programs
                .iter()
                .for_each(|name| std::fs::write(bin.join(name), "").unwrap());
        }
        let found = newest((folder.path().to_str().unwrap(), "", "bin"));
        assert_eq!(found, Some(Installation(folder.path().join("15/bin"))));
    }
}

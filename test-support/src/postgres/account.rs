//! Who the server runs as. PostgreSQL refuses to run as root, which is what a test in a container often is.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The user and group of the server's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Account {
    uid: u32,
    gid: u32,
}

/// Exists on every Unix, without an entry too.
const NOBODY: Account = Account {
    uid: 65534,
    gid: 65534,
};

impl Account {
    /// The account for a server whose files are in `directory`, which this process has just created; the
    /// directory is handed over to it. `None`: this process is not root, and its own account will do.
    pub(super) fn for_server_in(directory: &Path) -> Option<Self> {
        // What we create belongs to us: the way to our own user id that needs no system call of its own.
        if fs::metadata(directory).expect("a directory just created").uid() != 0 {
            return None;
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let account = ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Self::named(name, &users));
        let account = account.unwrap_or(NOBODY);
        account.take(directory);
        Some(account)
    }

    /// Hands `path` over to this account.
    pub(super) fn take(self, path: &Path) {
        chown(path, Some(self.uid), Some(self.gid)).expect("root may give a directory away");
    }

    /// Makes `command` run as this account.
    pub(super) fn run(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    fn named(name: &str, users: &str) -> Option<Self> {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut ids = line.split(':').skip(2).map(str::parse);
        Some(Self {
            uid: ids.next()?.ok()?,
            gid: ids.next()?.ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let users =
            "postgres2:x:1:2::/:/bin/sh\npostgres:x:101:104:PostgreSQL,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(
            Account::named("postgres", users),
            Some(Account { uid: 101, gid: 104 })
        );
        assert_eq!(Account::named("nobody", users), None);
    }
}

//! The commands for operators, as the real binary: what they do, what they say, and how they end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// What a command said and how it ended.
struct Ended {
    code: i32,
    said: String,
    complained: String,
}

impl Ended {
    fn lines(&self) -> Vec<Value> {
        let read = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.said.lines().map(read).collect()
    }
}

fn run(folder: &Path, arguments: &[&str], input: &str) -> Ended {
    let mut child = Command::new(env!("CARGO_BIN_EXE_auth-service"))
        .args(arguments)
        .current_dir(folder)
        .env("DATA_DIR", folder)
        .env("SERVICE_TOKEN", "a-service-token-of-the-tests-0123456789")
        .env("RUST_LOG", "warn")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who does not read it does not miss it.
    let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended {
        code: output.status.code().unwrap(),
        said: text(output.stdout),
        complained: text(output.stderr),
    }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn accounts_are_made_listed_and_changed() {
    let folder = folder();
    let run = |arguments: &[&str], input| run(folder.path(), arguments, input);
    let made = run(&["users", "create", "Ada@Example.org"], "");
    assert_eq!(made.code, 0, "{}", made.complained);
    assert!(made.said.contains("Ada@Example.org  active\n"), "{}", made.said);
    assert!(made.said.contains("The password is "), "{}", made.said);

    let staff = [
        "users",
        "create",
        "bob@example.org",
        "--staff",
        "--json",
        "--password-file",
        "-",
    ];
    let made = run(&staff, "gravel lantern octopus\n");
    let [bob] = &made.lines()[..] else {
        panic!("{}", made.said)
    };
    assert_eq!(bob["username"], "bob@example.org");
    assert_eq!(
        (&bob["is_active"], &bob["is_staff"]),
        (&true.into(), &true.into())
    );
    assert!(!made.said.contains("gravel"), "a given password is not repeated");

    let listed = run(&["users", "list", "--json"], "").lines();
    let names: Vec<_> = listed
        .iter()
        .map(|user| user["username"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Ada@Example.org", "bob@example.org"]);
    assert_eq!(
        run(&["users", "list", "--search", "ADA", "--json"], "")
            .lines()
            .len(),
        1
    );

    let change = [
        "users",
        "update",
        "ADA@example.org",
        "--active",
        "false",
        "--json",
    ];
    assert_eq!(run(&change, "").lines()[0]["is_active"], false);
    let change = ["users", "update", bob["id"].as_str().unwrap(), "--staff", "false"];
    let refused = run(&change, "");
    assert_eq!(
        refused.code, 4,
        "the last active staff user stays: {}",
        refused.complained
    );
    assert_eq!(refused.said, "");
}

#[test]
fn people_are_erased_and_their_ids_are_kept() {
    let folder = folder();
    let run = |arguments: &[&str]| run(folder.path(), arguments, "");
    let made = run(&["users", "create", "ada@example.org", "--json"]).lines();
    let id = made[0]["id"].as_str().unwrap();
    assert_eq!(run(&["erasures", "list"]).said, "");
    let erased = run(&["users", "erase", "ADA@example.org", "--json"]);
    assert_eq!(
        erased.lines(),
        [serde_json::json!({"erased": id})],
        "{}",
        erased.complained
    );
    for whom in ["ada@example.org", id] {
        let again = run(&["users", "erase", whom]);
        assert_eq!(again.code, 3, "there is nobody any more: {}", again.complained);
    }
    assert_eq!(run(&["users", "list"]).said, "");
    let listed = run(&["erasures", "list", "--json"]).lines();
    assert_eq!((listed.len(), &listed[0]["user_id"]), (1, &id.into()));
    assert_eq!(listed[0]["acknowledged_at"], Value::Null);
    assert!(
        run(&["erasures", "list"])
            .said
            .contains("waits for course-service")
    );
    assert_eq!(run(&["erasures", "repeat"]).said, "1 erasures are told again\n");

    run(&["users", "create", "root@example.org", "--staff"]);
    let refused = run(&["users", "erase", "root@example.org"]);
    assert_eq!(
        refused.code, 4,
        "the last active staff user stays: {}",
        refused.complained
    );
}

#[test]
fn what_cannot_be_done_is_said_and_told_apart() {
    let folder = folder();
    let run = |arguments: &[&str]| run(folder.path(), arguments, "short\n");
    assert_eq!(run(&["users", "create", "ada@example.org"]).code, 0);
    for (arguments, code, complaint) in [
        (
            &["users", "update", "nobody@example.org", "--active", "true"][..],
            3,
            "no such user",
        ),
        (
            &["users", "update", "no address", "--active", "true"],
            3,
            "no such user",
        ),
        (
            &["users", "create", "ADA@example.org"],
            4,
            "the username is taken",
        ),
        (
            &["users", "create", "no address"],
            5,
            "Username must be a valid email",
        ),
        (
            &["users", "create", "b@example.org", "--password-file", "-"],
            5,
            "at least 8 characters",
        ),
        (
            &["users", "create", "b@example.org", "--password-file", "none"],
            5,
            "cannot be read from none",
        ),
        (&["users", "update", "ada@example.org"], 5, "nothing to change"),
        (
            &["users", "update", "ada@example.org", "--active", "maybe"],
            2,
            "invalid value",
        ),
        (&["users"], 2, "Usage"),
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {}", ended.complained);
        assert!(
            ended.complained.contains(complaint),
            "{arguments:?}: {}",
            ended.complained
        );
        assert_eq!(ended.said, "", "{arguments:?}");
    }
}

#[test]
fn keys_are_listed_and_rotated() {
    let folder = folder();
    let run = |arguments: &[&str]| run(folder.path(), arguments, "").lines();
    let first = run(&["keys", "list", "--json"]);
    assert_eq!(first.len(), 1);
    let rotated = run(&["keys", "rotate", "--json"]);
    assert_eq!(
        (&rotated[0]["state"], &rotated[1]["state"]),
        (&"signs".into(), &"verifies".into())
    );
    assert_eq!(rotated[1]["kid"], first[0]["kid"]);
}

#[test]
fn a_key_is_revoked() {
    let folder = folder();
    let run = |arguments: &[&str]| run(folder.path(), arguments, "");
    let kid = |key: &Value| key["kid"].as_str().unwrap().to_owned();
    let first = kid(&run(&["keys", "list", "--json"]).lines()[0]);
    let rotated = run(&["keys", "rotate", "--json"]).lines();
    let second = kid(&rotated[0]);

    let left = run(&["keys", "revoke", &first, "--json"]).lines();
    assert_eq!(left.len(), 1);
    assert_eq!(
        (kid(&left[0]), &left[0]["state"]),
        (second.clone(), &"signs".into())
    );
    let replaced = run(&["keys", "revoke", &second, "--json"]).lines();
    assert_eq!(replaced.len(), 1);
    assert_eq!(replaced[0]["state"], "signs");
    assert!(![first.clone(), second].contains(&kid(&replaced[0])));

    // A second time there is nothing to do, and nothing is done.
    let again = run(&["keys", "revoke", &first]);
    assert_eq!((again.code, again.said.as_str()), (3, ""));
    assert!(
        again.complained.contains("no such signing key"),
        "{}",
        again.complained
    );
    assert_eq!(run(&["keys", "list", "--json"]).lines(), replaced);
    assert_eq!(run(&["keys", "revoke"]).code, 2);
}

#[test]
fn everybodys_sessions_are_ended() {
    let folder = folder();
    let run = |arguments: &[&str]| run(folder.path(), arguments, "");
    assert_eq!(
        run(&["sessions", "end", "--all", "--json"]).lines(),
        [serde_json::json!({"ended": 0})]
    );
    assert_eq!(run(&["sessions", "end", "--all"]).said, "0 sessions ended\n");
    assert_eq!(run(&["sessions", "end"]).code, 2, "never by accident");
}

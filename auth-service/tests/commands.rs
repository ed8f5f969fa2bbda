//! The commands for operators, as the real binary: what they do, what they say, and how they end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use service_runtime::{database::Database, on};
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

    let trail: Vec<(String, String)> = in_database(folder.path(), async |database| {
        on!(&database, |pool| {
            sqlx::query_as(
                "SELECT username, kind FROM security_events JOIN users ON users.id = subject_id \
                 WHERE actor_id IS NULL",
            )
            .fetch_all(pool)
            .await
        })
        .unwrap()
    });
    // Those of one moment have ids of chance.
    let of = |whose: &str| {
        let mut kinds: Vec<&str> = trail
            .iter()
            .filter(|(username, _)| username == whose)
            .map(|(_, kind)| kind.as_str())
            .collect();
        kinds.sort_unstable();
        kinds
    };
    assert_eq!(
        of("Ada@Example.org"),
        ["account_registered", "user_activated", "user_deactivated"]
    );
    assert_eq!(
        of("bob@example.org"),
        ["account_registered", "staff_granted", "user_activated"]
    );
}

/// What is done with the database in a folder.
fn in_database<T>(folder: &Path, act: impl AsyncFnOnce(Database) -> T) -> T {
    let url = format!("sqlite:{}", folder.join("auth.db").display());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let database = Database::connect(&url, "auth").await.unwrap();
        let done = act(database.clone()).await;
        database.close().await;
        done
    })
}

/// Runs a statement; says how many rows it is about.
fn do_by_hand(folder: &Path, statement: &'static str) -> u64 {
    in_database(folder, async |database| {
        on!(&database, |pool| {
            sqlx::query(statement)
                .execute(pool)
                .await
                .map(|done| done.rows_affected())
        })
        .unwrap()
    })
}

/// Gives everybody a second factor.
const SET_UP: &str = "UPDATE users SET factor_since = '2026-03-01T12:00:00+00:00'";

#[test]
fn a_second_factor_that_was_lost_is_removed() {
    let folder = folder();
    let run = |arguments: &[&str]| run(folder.path(), arguments, "");
    assert_eq!(run(&["users", "create", "ada@example.org"]).code, 0);
    let remove = ["users", "update", "ada@example.org", "--remove-totp"];
    assert_eq!(run(&remove).code, 3, "there is none");
    assert_eq!(do_by_hand(folder.path(), SET_UP), 1);
    let removed = run(&remove);
    assert_eq!(removed.code, 0, "{}", removed.complained);
    assert!(
        removed.said.contains("ada@example.org  active"),
        "{}",
        removed.said
    );
    assert_eq!(run(&remove).code, 3, "it is gone");
}

#[test]
fn of_a_change_that_is_refused_nothing_is_done() {
    let folder = folder();
    let run = |arguments: &[&str]| run(folder.path(), arguments, "");
    for username in ["ada@example.org", "bob@example.org"] {
        assert_eq!(run(&["users", "create", username, "--staff"]).code, 0);
    }
    let demote = |username| run(&["users", "update", username, "--remove-totp", "--staff", "false"]);
    assert_eq!(demote("ada@example.org").code, 3, "there is no second factor");
    let listed = run(&["users", "list"]).said;
    assert_eq!(listed.matches("active  staff").count(), 2, "{listed}");

    assert_eq!(do_by_hand(folder.path(), SET_UP), 2);
    assert_eq!(demote("ada@example.org").code, 0);
    assert_eq!(
        demote("bob@example.org").code,
        4,
        "the last active staff user stays"
    );
    let still = "UPDATE users SET factor_since = factor_since WHERE factor_since IS NOT NULL AND is_staff";
    assert_eq!(
        do_by_hand(folder.path(), still),
        1,
        "and so does the second factor"
    );
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

/// Lets the next key of the database in a folder have been published for long enough.
fn publish_for_long_enough(folder: &Path) {
    let publish = "UPDATE signing_keys SET may_sign_from = created_at WHERE is_next";
    assert_eq!(do_by_hand(folder, publish), 1);
}

/// The ids of keys, and their states.
fn states<'a>(keys: &'a [Value]) -> Vec<(&'a str, &'a str)> {
    let text = |value: &'a Value| value.as_str().unwrap();
    keys.iter()
        .map(|key| (text(&key["kid"]), text(&key["state"])))
        .collect()
}

#[test]
fn keys_are_listed_and_rotated() {
    let folder = folder();
    let run = |arguments: &[&str]| run(folder.path(), arguments, "");
    let first = run(&["keys", "list", "--json"]).lines();
    let [(active, "active"), (next, "next")] = states(&first)[..] else {
        panic!("{first:?}")
    };
    assert!(first[0]["rotates_from"].is_string() && first[0]["may_sign_from"].is_null());
    assert!(first[1]["may_sign_from"].is_string() && first[1]["gone_from"].is_null());

    let early = run(&["keys", "rotate", "--json"]);
    assert_eq!((early.code, early.said.as_str()), (4, ""));
    assert!(
        early
            .complained
            .contains("has not been published for long enough: it may sign from 2"),
        "{}",
        early.complained
    );
    assert_eq!(run(&["keys", "list", "--json"]).lines(), first);

    publish_for_long_enough(folder.path());
    let rotated = run(&["keys", "rotate", "--json"]).lines();
    let [(signs, "active"), (_, "next"), (retires, "retiring")] = states(&rotated)[..] else {
        panic!("{rotated:?}")
    };
    assert_eq!((signs, retires), (next, active));
    assert!(rotated[2]["gone_from"].is_string() && rotated[2]["rotates_from"].is_null());
    let words = run(&["keys", "list"]).said;
    for word in ["signs until about", "may sign from", "verifies until"] {
        assert!(words.contains(word), "{words}");
    }
}

#[test]
fn a_key_is_revoked() {
    let folder = folder();
    let run = |arguments: &[&str]| run(folder.path(), arguments, "");
    let first = run(&["keys", "list", "--json"]).lines();
    let [(active, _), (next, _)] = states(&first)[..] else {
        panic!("{first:?}")
    };
    let promoted = run(&["keys", "revoke", active, "--json"]).lines();
    let [(signs, "active"), (waits, "next")] = states(&promoted)[..] else {
        panic!("{promoted:?}")
    };
    assert_eq!(signs, next, "however new it is");
    let replaced = run(&["keys", "revoke", waits, "--json"]).lines();
    let [(still, "active"), (another, "next")] = states(&replaced)[..] else {
        panic!("{replaced:?}")
    };
    assert!(still == signs && another != waits);

    // A second time there is nothing to do, and nothing is done.
    let again = run(&["keys", "revoke", active]);
    assert_eq!((again.code, again.said.as_str()), (3, ""));
    assert!(
        again.complained.contains("no such signing key"),
        "{}",
        again.complained
    );
    assert_eq!(run(&["keys", "list", "--json"]).lines(), replaced);

    let all = run(&["keys", "revoke", "--all", "--json"]).lines();
    let [(one, "active"), (two, "next")] = states(&all)[..] else {
        panic!("{all:?}")
    };
    assert!(![one, two].iter().any(|kid| [still, another].contains(kid)));
    for wrong in [&["keys", "revoke"][..], &["keys", "revoke", one, "--all"]] {
        assert_eq!(run(wrong).code, 2, "{wrong:?}");
    }
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

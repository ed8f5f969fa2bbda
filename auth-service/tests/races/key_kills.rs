//! Whoever moves signing keys from state to state is killed (SIGKILL) on the way: one key signs, one is next, and people
//! go on as if nothing had happened.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use auth_service::model::signing_key::KeyState::{self, Active, Next, Retiring};
use service_runtime::{
    database::{BeginWrite, Database},
    on,
};

use crate::{on_both_databases, support::Service};

const ADA: &str = "ada@example.org";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

on_both_databases!(a_command_killed_at_any_moment_leaves_keys_that_work);

/// Starts `auth-service keys …` on the database of a service.
fn start(service: &Service, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth-service"));
    let values = service.values();
    for name in [
        "DATA_DIR",
        "AUTH_DATABASE_URL",
        "SERVICE_TOKEN",
        "SECRET_KEY",
        "BASE_URL",
    ] {
        command.env(name, values.get(name).unwrap());
    }
    let command = command.arg("keys").args(arguments);
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The ids and states of all keys.
async fn states(service: &Service) -> Vec<(String, KeyState)> {
    let keys = service.store.signing_keys().await.unwrap();
    keys.into_iter().map(|key| (key.kid, key.state)).collect()
}

/// Lets the next key have been published for long enough.
async fn let_the_next_key_sign(service: &Service) {
    let done = on!(&service.database, |pool| {
        sqlx::query("UPDATE signing_keys SET may_sign_from = created_at WHERE is_next")
            .execute(pool)
            .await
            .map(drop)
    });
    done.unwrap();
}

/// Later and later, until the command is done before it is killed.
async fn a_command_killed_at_any_moment_leaves_keys_that_work(service: Service) {
    let mut ada = service.user(ADA).await;
    for name in ["rotate", "revoke"] {
        let mut pause = Duration::from_millis(5);
        loop {
            let_the_next_key_sign(&service).await;
            let before = states(&service).await;
            let mut child = match name {
                "rotate" => start(&service, &[name]),
                _ => start(&service, &[name, &before[0].0]),
            };
            tokio::time::sleep(pause).await;
            let is_done = child.try_wait().unwrap().is_some();
            child.kill().unwrap();
            child.wait().unwrap();

            let after = states(&service).await;
            let is_whole = matches!(&after[..], [(_, Active), (_, Next), rest @ ..]
                if rest.iter().all(|(_, state)| *state == Retiring));
            assert!(is_whole, "{name} killed after {pause:?}: {after:?}");
            let is_as_before = after == before;
            assert!(is_as_before || after[0].0 == before[1].0, "{before:?} {after:?}");
            ada = service.refresh(&ada.refresh).await.unwrap();
            let begun = Instant::now();
            while !service.knows(&ada.access).await {
                // Signed by a key that was revoked a moment ago.
                assert!(name == "revoke" && begun.elapsed() < PATIENCE);
                ada = service.refresh(&ada.refresh).await.unwrap();
            }
            if is_done {
                assert!(!is_as_before, "it was done");
                break;
            }
            pause = pause.mul_f64(1.4);
        }
    }
}

/// The rotation has done everything but its commit: only PostgreSQL can hold it up there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_killed_before_its_commit_is_none() {
    let Some(service) = Service::on_postgres().await else {
        return;
    };
    let Database::Postgres(pool) = &service.database else {
        panic!("it is on PostgreSQL")
    };
    let_the_next_key_sign(&service).await;
    let before = states(&service).await;
    let mut held = pool.begin_write().await.unwrap();
    sqlx::query("UPDATE guards SET revision = revision + 1 WHERE name = 'security'")
        .execute(&mut *held)
        .await
        .unwrap();
    let mut child = start(&service, &["rotate"]);
    let begun = Instant::now();
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(pool).await.unwrap() == 0 {
        assert!(begun.elapsed() < PATIENCE, "the rotation is not held up");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    held.rollback().await.unwrap();
    assert_eq!(states(&service).await, before);

    // It can be done at once: what the killed one held is free.
    let mut again = start(&service, &["rotate"]);
    assert!(tokio::task::block_in_place(|| again.wait()).unwrap().success());
    let after = states(&service).await;
    assert_eq!((&after[0].0, after.len()), (&before[1].0, 3));
}

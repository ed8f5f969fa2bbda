//! What starting does: the first staff user, a second start on yesterday's data, and settings that stop it.

use service_runtime::{on, settings::Values};
use tonic::Code;

use crate::{
    on_both_databases,
    support::{Ground, PASSWORD, Refused, Service, refusal_of},
};

const ROOT: &str = "root@example.org";

on_both_databases!(
    the_first_staff_user_is_made_once,
    many_processes_may_start_at_once,
);

fn with_staff(values: Values) -> Values {
    values
        .with("STAFF_USERNAME", ROOT)
        .with("STAFF_PASSWORD", PASSWORD)
}

async fn the_first_staff_user_is_made_once(service: Service) {
    assert!(!service.started.staff_made);
    let service = service.restarted(with_staff).await.unwrap();
    assert!(service.started.staff_made);
    assert_eq!(staff_granted(&service).await, 1);
    let root = service.login_with(ROOT, PASSWORD).await.unwrap();
    assert!(root.user.is_staff && root.user.is_active);
    let other = |values: Values| with_staff(values).with("STAFF_PASSWORD", "gravel lantern octopus");
    let service = service.restarted(other).await.unwrap();
    assert!(!service.started.staff_made);
    assert!(service.knows(&root.access).await, "yesterday's session goes on");
    service
        .login_with(ROOT, PASSWORD)
        .await
        .expect("the password was not touched");
    assert_eq!(staff_granted(&service).await, 1);
}

/// How many alarms wait because somebody was made staff by nobody in particular.
async fn staff_granted(service: &Service) -> i64 {
    on!(&service.database, |pool| {
        sqlx::query_scalar(
            "SELECT count(*) FROM security_events JOIN security_alarms ON event_id = id \
             WHERE kind = 'staff_granted' AND actor_id IS NULL AND mail_id IS NULL",
        )
        .fetch_one(pool)
        .await
    })
    .unwrap()
}

async fn many_processes_may_start_at_once(service: Service) {
    use auth_service::{Config, serve};
    use service_runtime::{clock::Clock, lifecycle::Tasks, listen};

    let values = with_staff(service.values());
    service.stop().await;
    let starts = (0..4).map(|_| {
        let config = Config::from_values(&values).unwrap();
        async move {
            let tasks = Tasks::default();
            let listener = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
            let started = serve(config, listener, None, Clock::system(), &tasks).await;
            tasks.stop();
            started
        }
    });
    let mut made = 0;
    for start in futures::future::join_all(starts).await {
        made += usize::from(start.expect("every one of them starts").staff_made);
    }
    assert_eq!(made, 1);
}

#[tokio::test]
async fn a_bad_staff_setting_is_named() {
    let weak = |values: Values| with_staff(values).with("STAFF_PASSWORD", "short");
    let error = Service::with(Ground::sqlite(), weak)
        .await
        .err()
        .expect("it should not start");
    assert_eq!(
        refusal_of(&error),
        "the first staff user cannot be made: STAFF_PASSWORD: The password must have at least 8 characters."
    );
    let service = Service::on_sqlite().await;
    service.add_user(ROOT).await;
    let error = service.why_not_restarted(with_staff).await;
    assert_eq!(
        refusal_of(&error),
        "the first staff user cannot be made: STAFF_USERNAME has an account that is not staff"
    );
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named_without_its_password() {
    let nowhere = |values: Values| values.with("AUTH_DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/x");
    let error = Service::with(Ground::sqlite(), nowhere)
        .await
        .err()
        .expect("it should not start");
    let told = refusal_of(&error);
    assert!(told.starts_with("the database cannot be reached"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
}

#[tokio::test]
async fn a_database_that_went_away_is_unavailable() {
    let service = Service::on_sqlite().await;
    let ada = service.user("ada@example.org").await;
    // The service's own connections, not the database, are what a test can take away; a locked file is the same
    // to them as a server that does not answer.
    let blocker = match &service.database {
        service_runtime::database::Database::Sqlite(pool) => {
            pool.begin_with("BEGIN EXCLUSIVE").await.unwrap()
        }
        service_runtime::database::Database::Postgres(_) => unreachable!(),
    };
    let mut request = crate::support::as_user(&ada.access, proto::auth::v1::LogoutAllRequest {});
    request.set_timeout(std::time::Duration::from_secs(20));
    let refused = Refused::from(service.sessions().logout_all(request).await.unwrap_err());
    refused.is(
        Code::Unavailable,
        "DATABASE_UNAVAILABLE",
        "Temporarily unavailable. Please try again.",
    );
    assert!(refused.retry);
    drop(blocker);
    assert!(service.knows(&ada.access).await, "it recovers by itself");
}

//! Starting and stopping: what a second start finds, what stops a start, and what a stop waits for.

use std::{error::Error, time::Duration};

use chrono::TimeDelta;
use local_cluster::{LocalCluster, StartError};
use serde_json::json;
use service_runtime::{clock::Clock, settings::Values};
use tokio::{net::TcpStream, time::Instant};
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use crate::{
    course::published,
    support::{Caller, Ground, PASSWORD, STAFF, World, raw::Raw, world::standing_on},
};

/// What stays the same from day to day: the address that links and tokens name.
fn kept(values: Values) -> Values {
    values.with("BASE_URL", "http://edu.test")
}

async fn yesterday_is_still_there(ground: Ground) {
    let world = World::with(ground, kept).await;
    let (ada, staff) = (world.user("ada").await, world.staff().await);
    let course = format!("/api/v1/courses/{}", published(&staff, "Rust").await);
    let before = world.anonymous().get(&course).await.is(200).json();
    let created = staff
        .post("/api/v1/courses", crate::course::titled("Go"))
        .once("key-1")
        .await
        .is(201);
    world.register("bob@example.org").await;
    let link = world.token_to("bob@example.org").await;

    let world = world.restarted(|values| kept(values).with("STAFF_PASSWORD", "another one entirely"));
    let world = world.await.expect("it starts again");
    assert!(
        world.cluster.as_local().new_staff.is_none(),
        "the staff account is made once"
    );
    assert_eq!(world.anonymous().get(&course).await.is(200).json(), before);
    let anonymous = world.anonymous();
    anonymous.login("ada@example.org", PASSWORD).await;
    anonymous.login(STAFF, PASSWORD).await;
    // Sessions, their tokens, answers kept for retries and links in mails outlive the process.
    let (ada, staff) = (ada.at(&world.url()), staff.at(&world.url()));
    assert!(ada.is_known().await);
    assert!(ada.refreshed().await.is_known().await);
    let again = staff
        .post("/api/v1/courses", crate::course::titled("Go"))
        .once("key-1")
        .await
        .is(201);
    assert_eq!(again.json(), created.json());
    anonymous
        .post("/api/v1/auth/verify-email", json!({"token": link}))
        .await
        .is(200);
    anonymous.login("bob@example.org", PASSWORD).await;
}

#[tokio::test]
async fn a_second_start_finds_yesterdays_data_on_sqlite() {
    yesterday_is_still_there(Ground::sqlite()).await;
}

#[tokio::test]
async fn a_second_start_finds_yesterdays_data_on_postgres() {
    if let Some(ground) = Ground::postgres().await {
        yesterday_is_still_there(ground).await;
    }
}

#[tokio::test]
async fn a_link_outlives_the_account_that_nobody_confirmed() {
    let settings = |values: Values| values.with("UNVERIFIED_ACCOUNT_RETENTION", "60s");
    let world = World::with(Ground::sqlite(), settings).await;
    world.register("ada@example.org").await;
    let token = json!({"token": world.token_to("ada@example.org").await});
    world.clock.turn(TimeDelta::seconds(61));
    // The clean-up runs at every start; until it has, the link works, so it is asked about nothing but itself.
    let world = world.restarted(settings).await.expect("it starts again");
    let staff = world.staff().await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while staff.get("/api/v1/users?search=ada").await.is(200).json()["users"] != json!([]) {
        assert!(Instant::now() < deadline, "the account is still there");
        tokio::task::yield_now().await;
    }
    let gone = world.anonymous().post("/api/v1/auth/verify-email", token).await;
    gone.refused(400, "ACCOUNT_GONE", "User could not be activated");
}

#[tokio::test]
async fn without_a_password_for_staff_one_is_made_up() {
    let world = World::with(Ground::sqlite(), |values| values.with("STAFF_PASSWORD", "")).await;
    let made = world.cluster.as_local().new_staff.clone().expect("made just now");
    assert_eq!(made.username, STAFF);
    let password = made.password.as_deref().expect("made up");
    assert!(
        !format!("{made:?}").contains(password),
        "nothing shows it by accident"
    );
    world.anonymous().login(STAFF, password).await;
}

/// The whole story of a failed start, as its operator reads it.
fn story(error: &dyn Error) -> String {
    let mut story = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        story = format!("{story}: {cause}");
        source = cause.source();
    }
    story
}

async fn why_not(set: impl FnOnce(Values) -> Values) -> String {
    let ground = Ground::sqlite();
    let values = set(standing_on(&ground));
    let started = LocalCluster::start(values, Clock::system()).await;
    story(&started.expect_err("it should not start"))
}

#[tokio::test]
async fn everything_wrong_with_the_settings_is_named_at_once() {
    let bad = [
        ("ENVIRONMENT", "staging"),
        ("EMAIL_PORT", "smtp"),
        ("ACCESS_TOKEN_LIFETIME", "soon"),
        ("DEFAULT_CURRENCY", "coins"),
        ("CORS_ALLOWED_ORIGINS", "somewhere"),
        ("SHUTDOWN_GRACE", "-1s"),
        ("SERVICE_TOKEN", "short"),
        ("STAFF_USERNAME", "nobody"),
        ("PASSWORD_MIN_LENGTH", "7"),
        ("DATABASE_URL", "mysql://user:hunter2@db/edu"),
        ("GATEWAY_LISTEN", "8080"),
        ("AUTH_LISTEN", "nowhere"),
    ];
    let story = why_not(|values| {
        bad.iter()
            .fold(values, |values, (name, value)| values.with(name, *value))
    })
    .await;
    for (name, _) in bad {
        let lines = story.lines().filter(|line| line.contains(name)).count();
        assert_eq!(lines, 1, "{name} in {story}");
    }
    assert!(!story.contains("hunter2"), "{story}");
    assert!(!story.contains("short"), "a token is not repeated: {story}");

    let story = why_not(|values| values.with("STAFF_PASSWORD", "12345678")).await;
    assert!(story.contains("STAFF_PASSWORD"), "{story}");
}

#[tokio::test]
async fn a_fault_is_told_before_anything_is_bound_or_made() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ground = Ground::sqlite();
    let values = standing_on(&ground)
        .with("AUTH_LISTEN", taken.local_addr().unwrap().to_string())
        .with("EMAIL_PORT", "smtp");
    let started = LocalCluster::start(values, Clock::system()).await;
    let error = started.expect_err("it should not start");
    assert!(matches!(error, StartError::Settings(_)), "{}", story(&error));
    let left = std::fs::read_dir(ground.folder()).unwrap().count();
    assert_eq!(left, 0, "nothing was made");
}

#[tokio::test]
async fn what_is_bound_to_every_address_is_reached_at_the_loopback() {
    let everywhere = |values: Values| {
        let names = ["GATEWAY_LISTEN", "AUTH_LISTEN", "COURSE_LISTEN"];
        names
            .into_iter()
            .fold(values, |values, name| values.with(name, "0.0.0.0:0"))
    };
    let world = World::with(Ground::sqlite(), everywhere).await;
    let url = format!("http://127.0.0.1:{}", world.cluster.gateway.port());
    let anonymous = Caller::anonymous(reqwest::Client::new(), url.clone());
    let ada = json!({"username": "ada@example.org", "password": PASSWORD, "confirm_password": PASSWORD});
    anonymous.post("/api/v1/auth/register", ada).await.is(201);
    anonymous.get("/api/v1/courses").await.is(200);
    let link = world.link_to("ada@example.org").await;
    assert!(link.starts_with(&format!("{url}/verify-email?token=")), "{link}");
}

#[tokio::test]
async fn a_taken_port_stops_a_second_start_and_nothing_else() {
    let world = World::on_sqlite().await;
    let taken = world.cluster.gateway.to_string();
    let ground = Ground::sqlite();
    let values = standing_on(&ground).with("GATEWAY_LISTEN", &taken);
    let second = LocalCluster::start(values, Clock::system()).await;
    let error = second.expect_err("it should not start");
    assert!(matches!(error, StartError::Listen { address, .. } if address == world.cluster.gateway));
    assert!(story(&error).contains(&taken), "{}", story(&error));
    let left = std::fs::read_dir(ground.folder()).unwrap().count();
    assert_eq!(left, 0, "nothing was made");
    world.staff().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_finishes_what_runs() {
    let world = World::on_sqlite().await;
    let staff = world.staff().await;
    let body = crate::course::titled("Last minute").to_string();
    let mut running = Raw::connect(world.cluster.gateway).await;
    let head = format!(
        "POST /api/v1/courses HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
        staff.access(),
        body.len()
    );
    running.send(head).await;
    // From here on the request runs: its body is waited for.
    let proceed = running.head().await;
    assert!(proceed.starts_with("HTTP/1.1 100"), "{proceed}");

    let gateway = world.cluster.gateway;
    let stopping = tokio::spawn(world.cluster.stop());
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(gateway).await.is_ok() {
        assert!(Instant::now() < deadline, "new connections are still taken");
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished(), "it waits for the one that runs");
    running.send(body).await;
    let answer = running.answer().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert!(answer.body.contains("\"slug\":\"last-minute\""), "{answer:?}");
    assert!(stopping.await.unwrap(), "everything ends well");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_grace_is_for_all_services_together() {
    let grace = Duration::from_secs(2);
    let world = World::with(Ground::sqlite(), |values| values.with("SHUTDOWN_GRACE", "2s")).await;
    // A request whose body never comes holds the gateway, a stream that never ends holds auth-service.
    let mut running = Raw::connect(world.cluster.gateway).await;
    running
        .send(
            "POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: 100\r\nexpect: 100-continue\r\n\r\n",
        )
        .await;
    running.head().await;
    let mut reflection = ServerReflectionClient::new(world.auth());
    let held = reflection.server_reflection_info(futures::stream::pending());
    let held = held.await.expect("a stream");

    let begun = Instant::now();
    assert!(!world.cluster.stop().await, "neither ended by itself");
    let took = begun.elapsed();
    assert!(took >= grace && took < grace * 3 / 2, "{took:?}");
    drop(held);
}

//! One request, one trace: from the gateway through course-service and auth-service to their statements, as a
//! receiver of OTLP sees it. And nobody waits for that receiver.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use local_cluster::LocalCluster;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind::{Client, Server};
use reqwest::Method;
use serde_json::{Value, json};
use service_runtime::{clock::Clock, database::Database, on, settings::Values};
use tokio::time::sleep;

use crate::{
    fleet::{
        Fleet, Ground, STAFF,
        people::{Answer, Person},
    },
    receiver::{Receiver, Span},
};

const CREATE: &str = "onlineedu.course.v1.CourseService/CreateCourse";
const UPDATE: &str = "onlineedu.course.v1.CourseService/UpdateCourse";
const AUTHORIZE: &str = "onlineedu.auth.v1.TokenService/Authorize";
/// The spans of a change of a course: one on each side of two calls, and each service's statement and one more, which
/// finds the course.
const SPANS_OF_A_CHANGE: usize = 8;
/// How long a line may take to be in the log.
const PATIENCE: Duration = Duration::from_secs(10);
/// The span that a caller of ours is in.
const CALLERS_SPAN: &str = "b7ad6b7169203331";

fn course(title: &str) -> Value {
    json!({"title": title, "description": "Nobody's business", "price": "1.50"})
}

/// The same trace for the same digit.
fn trace(digit: char) -> String {
    digit.to_string().repeat(32)
}

async fn ask(
    person: &Person,
    method: Method,
    path: &str,
    body: Option<Value>,
    headers: &[(&str, &str)],
    status: u16,
) -> Answer {
    let answer = person.send(method, path, body, headers).await.unwrap();
    assert_eq!(answer.status, status, "{answer:?}");
    answer
}

/// The one span of this service, kind and name below another one.
fn below<'a>(spans: &'a [Span], parent: &Span, service: &str, name: &str) -> &'a Span {
    let mut found = spans
        .iter()
        .filter(|span| (&*span.service, &*span.name, &span.parent) == (service, name, &parent.id));
    let (Some(span), None) = (found.next(), found.next()) else {
        panic!("not one {name} of {service} below {parent:#?} in {spans:#?}");
    };
    span
}

/// Follows a request of staff down to the statements that it came to, from the gateway's span, which is returned.
fn follow<'a>(spans: &'a [Span], database: &str, name: &str, rpc: &str, statement: &str) -> &'a Span {
    let gateway = spans
        .iter()
        .find(|span| span.service == "gateway" && span.kind == Server);
    let gateway = gateway.unwrap_or_else(|| panic!("{spans:#?}"));
    assert_eq!(gateway.name, name);
    let calls = below(spans, gateway, "gateway", rpc);
    let course = below(spans, calls, "course-service", rpc);
    let asks = below(spans, course, "course-service", AUTHORIZE);
    let auth = below(spans, asks, "auth-service", AUTHORIZE);
    for (client, server) in [(calls, course), (asks, auth)] {
        assert_eq!((client.kind, server.kind), (Client, Server));
        for span in [client, server] {
            let (service, method) = span.name.split_once('/').unwrap();
            assert_eq!(span.says("rpc.system").as_deref(), Some("grpc"));
            assert_eq!(span.says("rpc.service").as_deref(), Some(service));
            assert_eq!(span.says("rpc.method").as_deref(), Some(method));
        }
    }
    for (service, server, statement) in [
        ("auth-service", auth, "active_user"),
        ("course-service", course, statement),
    ] {
        let statement = below(spans, server, service, statement);
        assert_eq!(statement.kind, Client);
        assert_eq!(statement.says("db.system.name").as_deref(), Some(database));
        assert_eq!(
            statement.says("db.operation.name").as_ref(),
            Some(&statement.name)
        );
        assert!(!statement.failed);
    }
    gateway
}

/// The line that a service writes about this request; it may come after the answer.
async fn line(fleet: &Fleet, part: &str, request_id: &str) -> String {
    let replica = fleet
        .replicas
        .iter()
        .find(|replica| replica.part == part)
        .unwrap();
    let sought = format!("request_id=\"{request_id}\"");
    let begun = Instant::now();
    loop {
        let log = replica.log();
        if let Some(line) = log.lines().find(|line| line.contains(&sought)) {
            return line.to_owned();
        }
        assert!(begun.elapsed() < PATIENCE, "{request_id} in {log}");
        sleep(Duration::from_millis(10)).await;
    }
}

pub async fn run(ground: Ground, database: &str) {
    let receiver = Receiver::start().await;
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint.clone())];
    let mut fleet = Fleet::start_with(ground, 1, &settings).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let me = ask(&staff, Method::GET, "/me", None, &[], 200).await;
    let my_id = me.json()["id"].as_str().unwrap().to_owned();

    // A trace that the caller began goes on.
    let parent = format!("00-{}-{CALLERS_SPAN}-01", trace('1'));
    let headers = [("traceparent", &*parent), ("x-request-id", "created")];
    let made = ask(
        &staff,
        Method::POST,
        "/courses",
        Some(course("Whales")),
        &headers,
        201,
    )
    .await;
    let spans = receiver.wait_for(&trace('1'), 7).await;
    let gateway = follow(&spans, database, "POST /api/v1/courses", CREATE, "create");
    assert_eq!(gateway.parent, CALLERS_SPAN);
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/api/v1/courses"),
        ("http.response.status_code", "201"),
        ("request.id", "created"),
    ] {
        assert_eq!(gateway.says(name).as_deref(), Some(value), "{gateway:#?}");
    }
    assert!(spans.iter().all(|span| !span.failed), "{spans:#?}");

    // Without one, a trace begins; every line about the request names it, and who called.
    let path = format!("/courses/{}", made.json()["slug"].as_str().unwrap());
    let change = Some(json!({"subtitle": "Large ones"}));
    let headers = [("if-match", &*made.etag), ("x-request-id", "changed")];
    ask(&staff, Method::PATCH, &path, change.clone(), &headers, 200).await;
    let told = line(&fleet, "gateway", "changed").await;
    let (_, after) = told.split_once("trace_id=").unwrap_or_else(|| panic!("{told}"));
    let trace_id = after.split(' ').next().unwrap();
    for part in ["gateway", "course-service", "auth-service"] {
        let told = line(&fleet, part, "changed").await;
        assert!(told.contains(&format!("trace_id={trace_id} ")), "{told}");
        assert!(told.contains(&format!("caller_id={my_id}")), "{told}");
        assert!(!told.contains('@'), "{told}");
    }
    let spans = receiver.wait_for(trace_id, SPANS_OF_A_CHANGE).await;
    let gateway = follow(&spans, database, "PATCH /api/v1/courses/{slug}", UPDATE, "change");
    assert_eq!(gateway.parent, "");

    // Nobody in particular is nobody; somebody is known from the login on.
    let (nobody, stranger) = (staff.with_access(""), staff.with_access("a.b.c"));
    let login = Some(json!({"username": STAFF.0, "password": STAFF.1}));
    for (who, id, method, path, body, status, is_known) in [
        (&nobody, "nobody", Method::GET, "/courses", None, 200, false),
        (&stranger, "stranger", Method::GET, "/me", None, 401, false),
        (&nobody, "login", Method::POST, "/auth/login", login, 200, true),
    ] {
        ask(who, method, path, body, &[("x-request-id", id)], status).await;
        let told = line(&fleet, "gateway", id).await;
        assert_eq!(told.contains(&format!("caller_id={my_id}")), is_known, "{told}");
        assert_eq!(told.contains("caller_id"), is_known, "{told}");
        assert!(!told.contains('@'), "{told}");
    }

    // A refusal is the call's failure, not the services'.
    let parent = format!("00-{}-{CALLERS_SPAN}-01", trace('2'));
    let headers = [("if-match", "\"other\""), ("traceparent", &*parent)];
    ask(&staff, Method::PATCH, &path, change.clone(), &headers, 412).await;
    let spans = receiver.wait_for(&trace('2'), SPANS_OF_A_CHANGE - 1).await;
    let failed: Vec<_> = spans.iter().filter(|span| span.failed).collect();
    let [call] = failed[..] else { panic!("{spans:#?}") };
    assert_eq!((&*call.name, call.kind), (UPDATE, Client));
    assert_eq!(
        call.says("rpc.grpc.status_code").as_deref(),
        Some("10"),
        "ABORTED"
    );
    assert_eq!(call.says("error.type").as_deref(), Some("ABORTED"));

    // What is no trace is as good as none, and whoever wants none gets none.
    for (place, nonsense) in [
        "00-zz",
        "",
        "00-0-0-01",
        &format!("ff-{}-{CALLERS_SPAN}-01", trace('3')),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("nonsense-{place}");
        let headers = [("traceparent", nonsense), ("x-request-id", &*id)];
        ask(&staff, Method::GET, "/courses?search=whales", None, &headers, 200).await;
        let told = line(&fleet, "gateway", &id).await;
        assert!(
            told.contains("trace_id=") && !told.contains(&trace('3')),
            "{told}"
        );
    }
    let unwanted = format!("00-{}-{CALLERS_SPAN}-00", trace('4'));
    let headers = [("traceparent", &*unwanted), ("x-request-id", "unwanted")];
    // A change: auth-service is asked about whoever makes one.
    ask(&staff, Method::PATCH, &path, change, &headers, 200).await;
    assert!(
        line(&fleet, "auth-service", "unwanted")
            .await
            .contains(&trace('4'))
    );

    // What was not delivered yet when a process is told to stop is delivered before it ends.
    receiver.slow_down();
    let parent = format!("00-{}-{CALLERS_SPAN}-01", trace('5'));
    let headers = [("traceparent", &*parent)];
    ask(
        &staff,
        Method::POST,
        "/courses",
        Some(course("Dolphins")),
        &headers,
        201,
    )
    .await;
    for replica in fleet.replicas.iter_mut().rev() {
        assert!(replica.stop().await.success(), "{}", replica.part);
    }
    follow(
        &receiver.spans(&trace('5')),
        database,
        "POST /api/v1/courses",
        CREATE,
        "create",
    );
    // Each service delivers in order: what came before that one and was wanted is there too.
    assert!(receiver.spans(&trace('4')).is_empty(), "nobody wanted it");

    let everything = receiver.everything();
    for secret in [
        &*staff.access,
        &staff.refresh,
        STAFF.0,
        STAFF.1,
        "@",
        "Bearer",
        "a-service-token",
        "Whales",
        "whales",
        "Large ones",
        "SELECT",
        "UPDATE courses",
    ] {
        assert!(!everything.contains(secret), "{secret} was told");
    }
    assert!(everything.contains("CreateCourse"), "what is searched is there");
    println!("traces on {database}: {} bytes told", everything.len());
}

/// `cargo run`: three services in one process, each of which says truly who it is.
pub async fn one_process_is_three_services() {
    let (receiver, folder) = (Receiver::start().await, tempfile::tempdir().unwrap());
    let listeners = ["GATEWAY_LISTEN", "AUTH_LISTEN", "COURSE_LISTEN", "ADMIN_LISTEN"];
    let values = listeners
        .into_iter()
        .fold(Values::default(), |values, name| values.with(name, "127.0.0.1:0"))
        .with("ALLOWED_HOSTS", "edu.test")
        .with("DATA_DIR", folder.path().display().to_string())
        .with("STAFF_USERNAME", STAFF.0)
        .with("STAFF_PASSWORD", STAFF.1)
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &*receiver.endpoint);
    let cluster = LocalCluster::start(values, Clock::system()).await.unwrap();
    let staff = Person::staff(&[cluster.gateway], 0).await;
    let parent = format!("00-{}-{CALLERS_SPAN}-01", trace('9'));
    let headers = [("traceparent", &*parent)];
    ask(
        &staff,
        Method::POST,
        "/courses",
        Some(course("Whales")),
        &headers,
        201,
    )
    .await;
    // Its connections are what the gateway waits for.
    drop(staff);
    assert!(cluster.stop().await, "everything ends well");
    let spans = receiver.spans(&trace('9'));
    follow(&spans, "sqlite", "POST /api/v1/courses", CREATE, "create");
}

/// A statement that fails, and a service that is away.
pub async fn a_failure_is_seen_where_it_happened() {
    let receiver = Receiver::start().await;
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint.clone())];
    let mut fleet = Fleet::start_with(Ground::sqlite(), 1, &settings).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let failed = |spans: &[Span]| -> Vec<String> {
        let failed = spans.iter().filter(|span| span.failed);
        let mut failed: Vec<_> = failed
            .map(|span| format!("{} {}", span.service, span.says("error.type").unwrap()))
            .collect();
        failed.sort();
        failed
    };

    let url = fleet.ground.database_of("course");
    let database = Database::connect(&url, "course").await.unwrap();
    on!(&database, |pool| sqlx::query(
        "ALTER TABLE course_slugs RENAME TO gone"
    )
    .execute(pool)
    .await
    .map(drop))
    .unwrap();
    let parent = format!("00-{}-{CALLERS_SPAN}-01", trace('7'));
    let headers = [("traceparent", &*parent)];
    ask(&staff, Method::GET, "/courses/whales", None, &headers, 500).await;
    let spans = receiver.wait_for(&trace('7'), 7).await;
    let expected = [
        "course-service INTERNAL",
        "course-service _OTHER",
        "gateway 500",
        "gateway INTERNAL",
    ];
    assert_eq!(failed(&spans), expected, "{spans:#?}");
    let statement = spans
        .iter()
        .find(|span| span.says("db.operation.name").as_deref() == Some("course"));
    assert!(statement.unwrap().failed, "{spans:#?}");
    assert!(!receiver.everything().contains("no such table"));

    fleet.replicas[0].kill();
    let parent = format!("00-{}-{CALLERS_SPAN}-01", trace('8'));
    let headers = [("traceparent", &*parent)];
    ask(
        &staff,
        Method::POST,
        "/courses",
        Some(course("Whales")),
        &headers,
        503,
    )
    .await;
    let spans = receiver.wait_for(&trace('8'), 4).await;
    for expected in ["gateway 503", "gateway UNAVAILABLE", "course-service UNAVAILABLE"] {
        assert!(
            failed(&spans).iter().any(|failed| failed == expected),
            "{spans:#?}"
        );
    }
}

/// A receiver that is away, and one that takes everything and never says a word.
pub async fn nobody_waits_for_the_receiver() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let away = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoints = [&silent, &away].map(|at| format!("http://{}", at.local_addr().unwrap()));
    drop(away);
    for endpoint in endpoints {
        let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)];
        let mut fleet = Fleet::start_with(Ground::sqlite(), 1, &settings).await;
        let staff = Person::staff(&fleet.gateways, 0).await;
        let (begun, mut asked) = (Instant::now(), 0);
        // Until each service has given a batch up, which takes a silent receiver's five seconds.
        for replica in &fleet.replicas {
            while !has_lost_spans(&replica.numbers().await) {
                assert!(begun.elapsed() < Duration::from_secs(60), "nothing was given up");
                ask(&staff, Method::GET, "/me", None, &[], 200).await;
                ask(&staff, Method::GET, "/courses", None, &[], 200).await;
                asked += 2;
            }
        }
        let served = begun.elapsed();
        let stopping = Instant::now();
        for replica in fleet.replicas.iter_mut().rev() {
            assert!(replica.stop().await.success(), "{}", replica.part);
            assert!(replica.log().contains("traces are not taken"), "it is told");
        }
        // Three processes, three seconds each at most, of a grace of thirty.
        let stopped = stopping.elapsed();
        assert!(stopped < Duration::from_secs(30), "{stopped:?}");
        println!(
            "traces that nobody takes: {asked} requests in {served:.1?}, three processes stopped in {stopped:.1?}"
        );
    }
}

fn has_lost_spans(numbers: &str) -> bool {
    let mut lines = numbers.lines();
    lines.any(|line| line.starts_with("trace_spans_total{outcome=\"undelivered\"} ") && !line.ends_with(" 0"))
}

/// Without a receiver there is not even somebody who could tell it.
pub async fn nobody_is_traced_unasked() {
    let is_told = |fleet: &Fleet| {
        let mut replicas = fleet.replicas.iter();
        replicas.all(|replica| replica.threads().iter().any(|name| name == "traces"))
    };
    let receiver = Receiver::start().await;
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint.clone())];
    let traced = Fleet::start_with(Ground::sqlite(), 1, &settings).await;
    assert!(
        is_told(&traced),
        "a thread that delivers is found where there is one"
    );
    drop(traced);

    let fleet = Fleet::start(Ground::sqlite(), 1).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let parent = format!("00-{}-{CALLERS_SPAN}-01", trace('6'));
    let headers = [("traceparent", &*parent), ("x-request-id", "untraced")];
    ask(
        &staff,
        Method::POST,
        "/courses",
        Some(course("Whales")),
        &headers,
        201,
    )
    .await;
    for part in ["gateway", "course-service", "auth-service"] {
        let told = line(&fleet, part, "untraced").await;
        assert!(!told.contains("trace_id"), "{told}");
        assert!(told.contains("caller_id="), "{told}");
    }
    for replica in &fleet.replicas {
        assert!(!replica.threads().iter().any(|name| name == "traces"));
        assert!(
            !replica.numbers().await.contains("trace_spans"),
            "{}",
            replica.part
        );
    }
}

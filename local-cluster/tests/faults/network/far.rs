//! The parts are far from each other: whatever one answers another comes late, and not always as late.

use std::time::{Duration, Instant};

use prost::Message;
use proto::course::v1::CreateCourseRequest;
use tokio::time::sleep;
use tonic::Code;

use crate::{
    asking::{PATIENCE, People},
    fleet::{Fleet, Ground, Summary, millis, people::Person, row},
    proxy::Proxy,
};

/// How late answers are, and how much later they may be.
const FAR: [(Duration, Duration); 3] = [
    (Duration::from_millis(50), Duration::from_millis(10)),
    (Duration::from_millis(200), Duration::from_millis(50)),
    (Duration::from_millis(500), Duration::from_millis(100)),
];
/// How long each of them goes on.
const LASTS: Duration = Duration::from_secs(3);
/// How much longer than near by, and late, requests may take, on a busy machine.
const SLACK: Duration = Duration::from_secs(1);
/// How often a write waits for another part: the gateway once for course-service, and that twice for auth-service.
const WRITE: u32 = 3;
/// How long course-service waits for auth-service.
const AUTHORIZE: Duration = Duration::from_secs(2);

pub async fn run() {
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    let (auth, course) = (
        port(&mut fleet, "auth-service"),
        port(&mut fleet, "course-service"),
    );
    let ways = [
        ("gateway", "AUTH_URL", Proxy::before(auth).await),
        ("gateway", "COURSE_URL", Proxy::before(course).await),
        ("course-service", "AUTH_URL", Proxy::before(auth).await),
    ];
    for (caller, setting, proxy) in &ways {
        let url = format!("http://127.0.0.1:{}", proxy.port());
        fleet.part(caller).restart_with(&[(setting, url)]).await;
    }
    let mut people = People::to(fleet).await;
    let from = Instant::now();
    sleep(LASTS).await;
    let near = people.between(from, Instant::now()).await;
    for (delay, jitter) in FAR {
        ways.iter()
            .for_each(|(.., proxy)| proxy.delay_and_jitter(delay, jitter));
        // What was asked before is answered by now.
        sleep(Duration::from_secs(1)).await;
        let from = Instant::now();
        sleep(LASTS).await;
        let seen = people.between(from, Instant::now()).await;
        row(
            &format!(
                "answers between the parts come {} late, and up to {} later",
                millis(delay),
                millis(jitter)
            ),
            "all are served, as much later as there are answers to wait for (a write: 3)",
            &format!(
                "reads {}; profiles {}; writes {}",
                told(&seen.reads, &near.reads),
                told(&seen.profiles, &near.profiles),
                told(&seen.writes, &near.writes)
            ),
        );
        let all = [
            (&seen.reads, &near.reads, 1),
            (&seen.profiles, &near.profiles, 1),
            (&seen.writes, &near.writes, WRITE),
        ];
        for (seen, near, waits) in all {
            seen.is_served_as_ever();
            assert!(seen.median >= delay * waits, "{seen:?}");
            assert!(seen.p99 < near.p99 + (delay + jitter) * waits + SLACK, "{seen:?}");
        }
    }
    let [.., (_, _, before_auth)] = &ways;
    ways.iter().for_each(|(.., proxy)| proxy.delay(Duration::ZERO));
    people.are_served(Instant::now()).await;
    before_auth.delay(Duration::MAX);
    deadlines(&people, course).await;
    before_auth.delay(Duration::ZERO);
    people.writes.served_again(Instant::now(), PATIENCE).await;
    people.fleet.is_whole();
}

/// Whoever waits for somebody who waits is told in time: each part waits for the next one no longer than it is waited
/// for itself.
async fn deadlines(people: &People, course: u16) {
    let staff = Person::staff(&people.fleet.gateways, 0).await;
    // One of gRPC would give up by itself.
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let mut seen = Vec::new();
    for allowed in [300, 1000, 5000].map(Duration::from_millis) {
        let message = CreateCourseRequest {
            title: format!("Within {allowed:?}"),
            description: "d".to_owned(),
            price: "1.50".to_owned(),
            ..CreateCourseRequest::default()
        };
        let message = message.encode_to_vec();
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let asked = client
            .post(format!(
                "http://127.0.0.1:{course}/onlineedu.course.v1.CourseService/CreateCourse"
            ))
            .header("content-type", "application/grpc")
            .header("grpc-timeout", format!("{}m", allowed.as_millis()))
            .bearer_auth(&staff.access)
            .body([&[0], &length[..], &message[..]].concat());
        let begun = Instant::now();
        let refused = asked.send().await.unwrap();
        let took = begun.elapsed();
        let code = Code::from_bytes(refused.headers()["grpc-status"].as_bytes());
        assert!(
            [Code::DeadlineExceeded, Code::Unavailable].contains(&code),
            "{code}"
        );
        assert!(took < allowed.min(AUTHORIZE) + SLACK, "{allowed:?}: {took:?}");
        seen.push(format!("{code:?} after {} of {}", millis(took), millis(allowed)));
    }
    row(
        "auth-service's answers to course-service never come, and a caller waits 0.3, 1 and 5 s",
        "course-service waits for auth-service no longer than its caller does, and 2 s at most",
        &seen.join("; "),
    );
}

/// How long requests took, and how long they take near by.
fn told(seen: &Summary, near: &Summary) -> String {
    let times = |summary: &Summary| format!("{} and {}", millis(summary.median), millis(summary.p99));
    format!("{} (median and p99; near by {})", times(seen), times(near))
}

fn port(fleet: &mut Fleet, part: &str) -> u16 {
    fleet.part(part).address.port()
}

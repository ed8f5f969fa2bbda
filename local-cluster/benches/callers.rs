//! What it costs to know who reads: the same published course, read by nobody in particular, by somebody who is
//! remembered, and by somebody about whom auth-service is asked each time. By the rules of course-service, which are
//! called directly; auth-service answers over a real socket, as in production. Side by side in alternating rounds.
//!
//! `cargo bench -p local-cluster --bench callers`. All of it shares the cores; the CPU column is the whole process's
//! time per read.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on has nothing to say"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use auth_client::{
    authorize::AuthClient,
    callers::{Callers, Freshness},
};
use course_service::{
    domain::{Call, Courses},
    model::currency::Currency,
    store::Store,
};
use local_cluster::LocalCluster;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    entropy::Entropy,
    grpc::{
        channel::Channel,
        context::{KnownCaller, RequestContext},
    },
    lifecycle::Tasks,
    mac::Mac,
    page_token::PageTokens,
    secret::Secret,
    settings::Values,
};
use tokio::task::JoinSet;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Readers that each wait for their answer before they ask again.
const READERS: usize = 48;
/// How long one round takes.
const ROUND: Duration = Duration::from_secs(2);
/// Rounds of each; the median counts.
const ROUNDS: usize = 5;
/// The cost of a password is no part of this.
const STAFF: (&str, &str) = ("bench@onlineedu.example", "a password for measuring by");

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let values = ["GATEWAY_LISTEN", "AUTH_LISTEN", "COURSE_LISTEN", "ADMIN_LISTEN"]
        .into_iter()
        .fold(Values::default(), |values, name| values.with(name, "127.0.0.1:0"))
        .with("DATA_DIR", folder.path().display().to_string())
        .with("STAFF_USERNAME", STAFF.0)
        .with("STAFF_PASSWORD", STAFF.1);
    let cluster = LocalCluster::start(values, Clock::system())
        .await
        .expect("a cluster");
    let (token, slug) = seed(&cluster).await;
    let database = format!("sqlite:{}", folder.path().join("course.db").display());
    let store = Store::connect(&database).await.expect("the database");
    let followed = Tasks::default();
    let (courses, callers) = rules(&cluster, &store, &followed);
    let candidates = [
        ("nobody in particular", None),
        ("somebody who is remembered", Some(Freshness::Remembered)),
        ("somebody who is asked about", Some(Freshness::Current)),
    ];
    let mut figures = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for ((_, freshness), figures) in candidates.iter().zip(&mut figures) {
            let reader = Reader {
                courses: courses.clone(),
                callers: callers.clone(),
                token: token.clone(),
                freshness: *freshness,
                slug: slug.clone(),
            };
            figures.push(round(&reader).await);
        }
    }
    println!("{READERS} readers of one course, median of {ROUNDS} rounds");
    println!("| read by | reads/s | CPU µs/read | p50 µs | p99 µs |\n|---|---|---|---|---|");
    for ((name, ..), mut figures) in candidates.into_iter().zip(figures) {
        figures.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
        let Figure {
            per_second,
            cpu,
            p50,
            p99,
        } = figures[ROUNDS / 2];
        println!("| {name} | {per_second:.0} | {cpu:.1} | {p50:.0} | {p99:.0} |");
    }
    followed.stop();
    cluster.stop().await;
}

/// Publishes a course; an access token, and the slug.
async fn seed(cluster: &LocalCluster) -> (Secret<String>, String) {
    let client = reqwest::Client::new();
    let api = format!("http://{}/api/v1", cluster.gateway);
    let login = json!({"username": STAFF.0, "password": STAFF.1});
    let session = send(client.post(format!("{api}/auth/login")).json(&login)).await;
    let access = session["access"].as_str().expect("an access token");
    let course = json!({"title": "A course", "description": "What there is to learn.", "price": "10.99"});
    let made = client.post(format!("{api}/courses")).bearer_auth(access);
    let slug = send(made.json(&course)).await["slug"]
        .as_str()
        .expect("a slug")
        .to_owned();
    let publish = client.patch(format!("{api}/courses/{slug}")).bearer_auth(access);
    send(publish.json(&json!({"is_published": true}))).await;
    (Secret::new(access.to_owned()), slug)
}

async fn send(request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.expect("an answer");
    answer
        .error_for_status()
        .expect("a success")
        .json()
        .await
        .expect("JSON")
}

/// The rules of course-service, and who knows its callers, beside this auth-service.
fn rules(cluster: &LocalCluster, store: &Store, tasks: &Tasks) -> (Courses, Callers) {
    let channel = Channel::to(&format!("http://{}", cluster.auth)).expect("an address");
    let auth =
        AuthClient::new(channel, &Secret::new(cluster.service_token.clone())).expect("a service token");
    let callers = Callers::start(auth.clone(), Clock::system(), tasks);
    let courses = Courses {
        store: store.clone(),
        auth,
        clock: Clock::system(),
        entropy: Entropy::default(),
        page_tokens: PageTokens::new(Mac::derive(&[], "page-token")),
        currency: Currency::parse("USD").expect("a currency"),
    };
    (courses, callers)
}

/// Somebody who reads a course, and how they become known.
#[derive(Clone)]
struct Reader {
    courses: Courses,
    callers: Callers,
    token: Secret<String>,
    /// `None`: they show no token.
    freshness: Option<Freshness>,
    slug: String,
}

impl Reader {
    async fn read(&self, asked: Instant) {
        let context = RequestContext {
            request_id: "bench".into(),
            method: "bench".into(),
            deadline: asked + Duration::from_secs(10),
            traceparent: None,
            peer: None,
            caller: KnownCaller::default(),
        };
        let caller = match self.freshness {
            Some(freshness) => {
                let known = self.callers.caller(&context, self.token.expose(), freshness);
                Some(known.await.expect("a caller"))
            }
            None => None,
        };
        let call = Call {
            context,
            caller,
            second_factor: None,
        };
        self.courses.get(&call, &self.slug).await.expect("a course");
    }
}

struct Figure {
    per_second: f64,
    cpu: f64,
    p50: f64,
    p99: f64,
}

/// The CPU time of this process so far, in seconds.
fn cpu_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Lets every reader read for the length of a round.
async fn round(reader: &Reader) -> Figure {
    let stop = Arc::new(AtomicBool::new(false));
    let mut reading = JoinSet::new();
    let (begun, cpu) = (Instant::now(), cpu_time());
    for _ in 0..READERS {
        let (reader, stop) = (reader.clone(), Arc::clone(&stop));
        reading.spawn(async move {
            let mut times = Vec::with_capacity(8192);
            while !stop.load(Ordering::Relaxed) {
                let asked = Instant::now();
                reader.read(asked).await;
                times.push(asked.elapsed());
            }
            times
        });
    }
    tokio::time::sleep(ROUND).await;
    stop.store(true, Ordering::Relaxed);
    let mut times: Vec<Duration> = reading.join_all().await.into_iter().flatten().collect();
    let (took, cpu) = (begun.elapsed(), cpu_time() - cpu);
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e6;
    Figure {
        per_second: times.len() as f64 / took.as_secs_f64(),
        cpu: cpu * 1e6 / times.len() as f64,
        p50: at(50),
        p99: at(99),
    }
}

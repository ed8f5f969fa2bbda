//! What REST costs: the same course, and the same list of 20, through the gateway, by the RPC called directly,
//! and from a plain axum handler that returns the same bytes. All through real sockets, side by side in
//! alternating rounds of one run, so that a machine that drifts drifts for all of them.
//!
//! `cargo bench -p local-cluster --bench rest`. The load generator, the services and the gateway share the
//! cores; the CPU column is the whole process's time per request, load generator included.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on has nothing to say"
)]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use local_cluster::LocalCluster;
use proto::course::v1::{GetCourseRequest, ListCoursesRequest, course_service_client::CourseServiceClient};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use service_runtime::{clock::Clock, settings::Values};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tonic::transport::Channel;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Callers that each wait for their answer before they ask again.
const CALLERS: usize = 48;
/// How long one round takes.
const ROUND: Duration = Duration::from_secs(2);
/// Rounds of each; the median counts.
const ROUNDS: usize = 5;
/// The cost of a password is no part of this.
const STAFF: (&str, &str) = ("bench@onlineedu.example", "a password for measuring by");

fn main() {
    // Separate threads, as separate processes would have: the load generator does not run on the services'.
    let services = runtime();
    let load = runtime();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cluster = services.block_on(start(folder.path()));
    let (gateway, course) = (cluster.gateway, cluster.course);
    let slug = load.block_on(seed(gateway));

    let one = format!("/api/v1/courses/{slug}");
    let list = "/api/v1/courses?page_size=20".to_owned();
    for (name, path, rpc) in [
        ("one course", one, Some(slug.clone())),
        ("list of 20", list, None),
    ] {
        let body = load.block_on(get(gateway, &path));
        let plain = services.block_on(plain_axum(body.clone()));
        let channel = load.block_on(async {
            Channel::from_shared(format!("http://{course}"))
                .expect("an address")
                .connect()
                .await
                .expect("a channel")
        });
        let mut figures: [Vec<Figure>; 3] = Default::default();
        for _ in 0..ROUNDS {
            figures[0].push(load.block_on(http_round(gateway, &path)));
            figures[1].push(load.block_on(grpc_round(channel.clone(), rpc.clone())));
            figures[2].push(load.block_on(http_round(plain, "/")));
        }
        report(name, body.len(), figures.map(median));
    }
    services.block_on(cluster.stop());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

async fn start(folder: &std::path::Path) -> LocalCluster {
    let values = ["GATEWAY_LISTEN", "AUTH_LISTEN", "COURSE_LISTEN", "ADMIN_LISTEN"]
        .into_iter()
        .fold(Values::default(), |values, name| values.with(name, "127.0.0.1:0"))
        .with("DATA_DIR", folder.display().to_string())
        .with("STAFF_USERNAME", STAFF.0)
        .with("STAFF_PASSWORD", STAFF.1);
    LocalCluster::start(values, Clock::system())
        .await
        .expect("a cluster")
}

/// Publishes 40 courses and says the slug of one.
async fn seed(gateway: SocketAddr) -> String {
    let client = reqwest::Client::new();
    let api = format!("http://{gateway}/api/v1");
    let login = json!({"username": STAFF.0, "password": STAFF.1});
    let session: Value = send(client.post(format!("{api}/auth/login")).json(&login)).await;
    let access = session["access"].as_str().expect("an access token");
    let mut slug = String::new();
    for number in 0..40 {
        let course = json!({
            "title": format!("Course number {number}"),
            "subtitle": "What it is about, in a sentence",
            "description": "What there is to learn, and why. ".repeat(6),
            "price": "10.99",
        });
        let made = send(
            client
                .post(format!("{api}/courses"))
                .bearer_auth(access)
                .json(&course),
        )
        .await;
        slug = made["slug"].as_str().expect("a slug").to_owned();
        let publish = json!({"is_published": true});
        send(
            client
                .patch(format!("{api}/courses/{slug}"))
                .bearer_auth(access)
                .json(&publish),
        )
        .await;
    }
    slug
}

async fn send(request: reqwest::RequestBuilder) -> Value {
    let answer = request
        .send()
        .await
        .expect("an answer")
        .error_for_status()
        .expect("a success");
    answer.json().await.expect("JSON")
}

async fn get(address: SocketAddr, path: &str) -> Vec<u8> {
    let answer = reqwest::get(format!("http://{address}{path}"))
        .await
        .expect("an answer");
    answer
        .error_for_status()
        .expect("a success")
        .bytes()
        .await
        .expect("a body")
        .to_vec()
}

/// A handler that does nothing but return the bytes.
async fn plain_axum(body: Vec<u8>) -> SocketAddr {
    let body = axum::body::Bytes::from(body);
    let handler = move || async move { ([("content-type", "application/json")], body.clone()) };
    let router = axum::Router::new().route("/", axum::routing::get(handler));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a listener");
    let address = listener.local_addr().expect("an address");
    #[allow(clippy::disallowed_methods, reason = "it ends with the process")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

#[derive(Clone, Copy, Default)]
struct Figure {
    per_second: f64,
    cpu_micros: f64,
    p50_micros: f64,
    p99_micros: f64,
}

/// Something that asks once and waits for the answer.
trait Caller: Send + 'static {
    fn call(&mut self) -> impl Future<Output = ()> + Send;
}

/// A keep-alive connection that reads each answer by its length.
struct HttpCaller {
    stream: TcpStream,
    request: Arc<[u8]>,
    buffer: Vec<u8>,
}

impl Caller for HttpCaller {
    async fn call(&mut self) {
        self.stream
            .write_all(&self.request)
            .await
            .expect("a request sent");
        self.buffer.clear();
        let mut needed = usize::MAX;
        while self.buffer.len() < needed {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("an answer");
            assert_ne!(read, 0, "the connection was closed");
            if needed == usize::MAX {
                needed = answer_length(&self.buffer).unwrap_or(usize::MAX);
            }
        }
    }
}

/// The length of head and body, once the head is there.
fn answer_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).expect("a head");
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    Some(head + length.expect("a length").parse::<usize>().expect("a number"))
}

/// One of many callers on one channel.
struct GrpcCaller {
    client: CourseServiceClient<Channel>,
    slug: Option<String>,
}

impl Caller for GrpcCaller {
    async fn call(&mut self) {
        match &self.slug {
            Some(slug) => {
                self.client
                    .get_course(GetCourseRequest { slug: slug.clone() })
                    .await
                    .expect("a course");
            }
            None => {
                let request = ListCoursesRequest {
                    page_size: 20,
                    ..ListCoursesRequest::default()
                };
                self.client.list_courses(request).await.expect("courses");
            }
        }
    }
}

async fn http_round(address: SocketAddr, path: &str) -> Figure {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\naccept: application/json\r\n\r\n");
    let request: Arc<[u8]> = request.into_bytes().into();
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        callers.push(HttpCaller {
            stream,
            request: Arc::clone(&request),
            buffer: Vec::with_capacity(32 * 1024),
        });
    }
    round(callers).await
}

async fn grpc_round(channel: Channel, slug: Option<String>) -> Figure {
    let client = CourseServiceClient::new(channel);
    round(
        (0..CALLERS)
            .map(|_| GrpcCaller {
                client: client.clone(),
                slug: slug.clone(),
            })
            .collect(),
    )
    .await
}

/// Lets every caller ask for the length of a round.
async fn round<C: Caller>(callers: Vec<C>) -> Figure {
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut running = JoinSet::new();
    let (begun, cpu) = (Instant::now(), cpu_micros());
    for mut caller in callers {
        let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
        running.spawn(async move {
            let mut times = Vec::with_capacity(8192);
            while !stop.load(Ordering::Relaxed) {
                let asked = Instant::now();
                caller.call().await;
                times.push(asked.elapsed());
                count.fetch_add(1, Ordering::Relaxed);
            }
            times
        });
    }
    tokio::time::sleep(ROUND).await;
    stop.store(true, Ordering::Relaxed);
    let mut times: Vec<Duration> = running.join_all().await.into_iter().flatten().collect();
    let (took, cpu) = (begun.elapsed(), cpu_micros() - cpu);
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e6;
    let count = count.load(Ordering::Relaxed) as f64;
    Figure {
        per_second: count / took.as_secs_f64(),
        cpu_micros: cpu / count,
        p50_micros: at(50),
        p99_micros: at(99),
    }
}

/// The CPU time of this process so far, in microseconds.
fn cpu_micros() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

fn median(mut figures: Vec<Figure>) -> Figure {
    figures.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    figures[figures.len() / 2]
}

fn report(name: &str, bytes: usize, [gateway, direct, plain]: [Figure; 3]) {
    println!("\n{name} ({bytes} bytes of JSON), {CALLERS} callers, median of {ROUNDS} rounds");
    println!("| through | requests/s | CPU µs/request | p50 µs | p99 µs |");
    println!("|---|---|---|---|---|");
    for (way, figure) in [
        ("the gateway", gateway),
        ("the RPC, directly", direct),
        ("a plain axum handler", plain),
    ] {
        println!(
            "| {way} | {:.0} | {:.1} | {:.0} | {:.0} |",
            figure.per_second, figure.cpu_micros, figure.p50_micros, figure.p99_micros
        );
    }
    println!(
        "the gateway does {:.2} of the RPC's rate and {:.2} of the plain handler's",
        gateway.per_second / direct.per_second,
        gateway.per_second / plain.per_second,
    );
}

//! The system under pressure: `cargo run` in a process of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, ExitCode, Stdio},
    time::Duration,
};

use local_cluster::LocalCluster;
use serde_json::{Value, json};
use service_runtime::{clock::Clock, process::raise_open_files, settings::Values};
use tempfile::TempDir;

const CHILD: &str = "PRESSURE_DATA_DIR";
const STAFF: (&str, &str) = ("bench@onlineedu.example", "a password for measuring by");

/// Whether this process is the system.
pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// The life of the system: until its standard input ends.
pub fn live() -> ExitCode {
    let folder = std::env::var(CHILD).expect("a folder");
    let values = ["GATEWAY_LISTEN", "AUTH_LISTEN", "COURSE_LISTEN", "ADMIN_LISTEN"]
        .into_iter()
        .fold(Values::default(), |values, name| values.with(name, "127.0.0.1:0"))
        .with("DATA_DIR", folder)
        .with("STAFF_USERNAME", STAFF.0)
        .with("STAFF_PASSWORD", STAFF.1);
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let cluster = runtime
        .block_on(LocalCluster::start(values, Clock::system()))
        .expect("a cluster");
    println!("{}", cluster.gateway);
    let _end = std::io::stdin().read(&mut [0]);
    ExitCode::SUCCESS
}

/// The running system. It ends with this value.
pub struct System {
    /// Where its gateway is.
    pub gateway: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl System {
    /// Starts it with nothing in it.
    pub fn start() -> Self {
        raise_open_files();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .env(CHILD, folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut line = String::new();
        let said = child.stdout.as_mut().expect("its output");
        BufReader::new(said).read_line(&mut line).expect("a line");
        let gateway = line.trim().parse().expect("an address");
        Self {
            gateway,
            child,
            _folder: folder,
        }
    }

    /// Publishes a course; the path at which it can be read.
    pub async fn course(&self) -> String {
        let client = reqwest::Client::new();
        let api = format!("http://{}/api/v1", self.gateway);
        let login = json!({"username": STAFF.0, "password": STAFF.1});
        let session = send(client.post(format!("{api}/auth/login")).json(&login)).await;
        let access = session["access"].as_str().expect("an access token");
        let course = json!({
            "title": "A course",
            "description": "What there is to learn, and why. ".repeat(6),
            "price": "10.99",
        });
        let made = client.post(format!("{api}/courses")).bearer_auth(access);
        let slug = send(made.json(&course)).await["slug"].clone();
        let path = format!("/api/v1/courses/{}", slug.as_str().expect("a slug"));
        let address = format!("http://{}{path}", self.gateway);
        let published = client.patch(address).bearer_auth(access);
        send(published.json(&json!({"is_published": true}))).await;
        path
    }

    /// What it holds now, and the most that it has held.
    pub fn memory(&self) -> String {
        format!(
            "{} MiB (most {})",
            self.mebibytes("VmRSS:"),
            self.mebibytes("VmHWM:")
        )
    }

    /// What it holds when everybody has been gone for a while.
    pub async fn memory_after_a_moment(&self) -> String {
        tokio::time::sleep(Duration::from_secs(15)).await;
        self.memory()
    }

    fn mebibytes(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("/proc");
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes = line
            .and_then(|line| line.split_whitespace().next())
            .expect("a number");
        kibibytes.parse::<u64>().expect("a number") / 1024
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
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

//! The processes: where they stand, and how they are started, stopped and killed.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use service_runtime::{
    admin,
    settings::{Setting, Values},
};
use tempfile::TempDir;
use test_support::postgres::{self, TestDatabase};

use crate::part::{PART, SETTINGS};

/// The first staff account of every fleet.
pub const STAFF: (&str, &str) = ("staff@example.org", "gravel lantern octopus");
/// How long a process may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// A folder and, where wanted, a PostgreSQL database. They go away with this value.
pub struct Ground {
    folder: TempDir,
    postgres: Option<TestDatabase>,
}

impl Ground {
    /// SQLite files in an empty folder.
    pub fn sqlite() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            postgres: None,
        }
    }

    /// An empty PostgreSQL database; `None` where there is none, which has been said.
    pub async fn postgres() -> Option<Self> {
        Some(Self {
            postgres: Some(postgres::database().await?),
            ..Self::sqlite()
        })
    }
}

/// Some replicas of each service. They are killed with this value.
pub struct Fleet {
    /// Where the gateways are: one port on several addresses.
    pub gateways: Vec<SocketAddr>,
    /// Every process.
    pub replicas: Vec<Replica>,
    ground: Ground,
}

impl Fleet {
    /// Starts `count` replicas of each service and waits until they are ready.
    pub async fn start(ground: Ground, count: u8) -> Self {
        Self::with(ground, count, &[]).await
    }

    /// Likewise, with settings of the test's own.
    pub async fn with(ground: Ground, count: u8, settings: &[(&'static str, &str)]) -> Self {
        let [auth_port, course_port, gateway_port, admin_port] = free_ports();
        let at = |port: u16| -> Vec<SocketAddr> {
            // The loopback network has more than one address; replicas share a port, as containers do.
            let ips = (1..=count).map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)));
            ips.map(|ip| (ip, port).into()).collect()
        };
        let urls = |addresses: &[SocketAddr]| {
            let urls: Vec<String> = addresses
                .iter()
                .map(|address| format!("http://{address}"))
                .collect();
            urls.join(",")
        };
        let (auths, courses, gateways) = (at(auth_port), at(course_port), at(gateway_port));
        let mut shared = BTreeMap::from([
            (
                "SERVICE_TOKEN",
                "a-service-token-of-the-tests-0123456789".to_owned(),
            ),
            ("SECRET_KEY", "a-secret-key-of-the-tests-0123456789".to_owned()),
            ("BASE_URL", format!("http://edu.test:{gateway_port}")),
            ("ALLOWED_HOSTS", "edu.test".to_owned()),
            ("DATA_DIR", ground.folder.path().display().to_string()),
            ("STAFF_USERNAME", STAFF.0.to_owned()),
            ("STAFF_PASSWORD", STAFF.1.to_owned()),
            ("AUTH_URL", urls(&auths)),
            ("COURSE_URL", urls(&courses)),
        ]);
        for (name, value) in settings {
            shared.insert(name, (*value).to_owned());
        }
        if let Some(database) = &ground.postgres {
            shared.insert("DATABASE_URL", database.url().to_owned());
        }
        let mut replicas = Vec::new();
        let parts = [
            ("auth-service", "AUTH_LISTEN", &auths),
            ("course-service", "COURSE_LISTEN", &courses),
            ("gateway", "GATEWAY_LISTEN", &gateways),
        ];
        for (place, (part, listen, addresses)) in parts.into_iter().enumerate() {
            for address in addresses {
                // A port for each part, on the address of its replica.
                let admin = SocketAddr::new(address.ip(), admin_port + u16::try_from(place).unwrap());
                let mut settings = shared.clone();
                settings.insert(listen, address.to_string());
                settings.insert("ADMIN_LISTEN", admin.to_string());
                let log = ground.folder.path().join(format!("{part}-{}.log", address.ip()));
                let mut replica = Replica {
                    part,
                    settings: serde_json::to_string(&settings).unwrap(),
                    admin,
                    log,
                    child: None,
                    leash: None,
                };
                replica.start();
                replica.becomes_ready().await;
                replicas.push(replica);
            }
        }
        Self {
            gateways,
            replicas,
            ground,
        }
    }

    /// The folder in which SQLite files are.
    pub fn folder(&self) -> &Path {
        self.ground.folder.path()
    }

    /// What every process has logged that nobody wants to read: warnings, errors and panics, for the message of a
    /// failed test.
    pub fn complaints(&self) -> String {
        let mut found = String::new();
        for replica in &self.replicas {
            let log = fs::read_to_string(&replica.log).unwrap_or_default();
            let is_bad = |line: &&str| {
                ["WARN", "ERROR", "panicked"]
                    .iter()
                    .any(|word| line.contains(word))
            };
            let bad: Vec<&str> = log.lines().filter(is_bad).collect();
            let last = bad.len().saturating_sub(20);
            found.push_str(&format!(
                "\n{}:\n{}\n",
                replica.log.display(),
                bad[last..].join("\n")
            ));
        }
        found
    }
}

/// Four ports in a row of free ones, the last with two more after it.
fn free_ports() -> [u16; 4] {
    let is_free =
        |port: u16| (1..=2).all(|last| TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), port)).is_ok());
    loop {
        let first = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        if first < 65_000 && (first..first + 6).all(is_free) {
            return [first, first + 1, first + 2, first + 3];
        }
    }
}

/// One process. It is killed with this value.
pub struct Replica {
    /// Which service it is.
    pub part: &'static str,
    settings: String,
    admin: SocketAddr,
    log: PathBuf,
    child: Option<Child>,
    /// While this is open the process knows that the test is there.
    leash: Option<ChildStdin>,
}

impl Replica {
    /// Starts it.
    pub fn start(&mut self) {
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .env(PART, self.part)
            .env(SETTINGS, &self.settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.leash = child.stdin.take();
        self.child = Some(child);
    }

    /// Waits until it is ready; says how long that took.
    pub async fn becomes_ready(&mut self) -> Duration {
        const ADMIN: [Setting; 1] = [Setting::optional("ADMIN_LISTEN", "Where")];
        let begun = Instant::now();
        let values = Values::default().with("ADMIN_LISTEN", self.admin.to_string());
        while let Err(error) = admin::ask(&values, &ADMIN).await {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            let log = || fs::read_to_string(&self.log).unwrap_or_default();
            assert!(ended.is_none(), "{} ended: {ended:?}\n{}", self.part, log());
            assert!(
                begun.elapsed() < READY_WITHIN,
                "{} is not ready: {error}\n{}",
                self.part,
                log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        begun.elapsed()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Its numbers, as Prometheus reads them.
    pub async fn numbers(&self) -> String {
        let answer = reqwest::get(format!("http://{}/metrics", self.admin))
            .await
            .unwrap();
        answer.text().await.unwrap()
    }

    /// The names of its threads.
    pub fn threads(&self) -> Vec<String> {
        let tasks = format!("/proc/{}/task", self.child.as_ref().expect("it runs").id());
        let name = |task: Result<fs::DirEntry, std::io::Error>| {
            fs::read_to_string(task.ok()?.path().join("comm")).ok()
        };
        fs::read_dir(tasks)
            .unwrap()
            .filter_map(name)
            .map(|name| name.trim().to_owned())
            .collect()
    }

    /// Tells it to stop, as an operator does, and waits for its end.
    pub async fn stop(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let id = child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        tokio::task::spawn_blocking(move || child.wait().unwrap())
            .await
            .unwrap()
    }

    /// Ends it with SIGKILL. It must have been alive.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "{} had ended by itself: {ended:?}", self.part);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            let _gone = child.wait();
        }
    }
}

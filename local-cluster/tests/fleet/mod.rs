//! Real processes of every service, as many of each as a test wants: where they stand, and the people who use them.
//! A test binary that has this starts itself as the processes, so it has a main function of its own: [`run`].

#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]

mod ground;
mod part;
pub mod people;
mod probe;
mod replica;
mod rows;
mod writers;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::ExitCode,
    sync::Mutex,
};

use service_runtime::entropy::Entropy;

pub use self::{
    ground::Ground,
    probe::{Probe, Sample, Summary},
    replica::Replica,
    rows::{millis, percent, row},
    writers::Writers,
};

/// The first staff account of every fleet.
pub const STAFF: (&str, &str) = ("staff@example.org", "gravel lantern octopus");

/// The main function: lives as a process of a fleet if told so, else runs what `scenarios` does with those whose
/// names the arguments ask for.
pub fn run<S: Future<Output = ()>>(scenarios: impl FnOnce(Filter) -> S) -> ExitCode {
    if let Some(orders) = part::orders() {
        return part::live(orders);
    }
    // A listing, or a filter that is after other tests, is not for this one.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let filter = arguments.into_iter().find(|argument| !argument.starts_with('-'));
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(scenarios(Filter(filter)));
    ExitCode::SUCCESS
}

/// Which scenarios are wanted.
pub struct Filter(Option<String>);

impl Filter {
    /// Whether the one of this name is.
    pub fn wants(&self, name: &str) -> bool {
        self.0
            .as_ref()
            .is_none_or(|filter| name.contains(filter.as_str()))
    }
}

/// Some replicas of each service. They are killed with this value.
pub struct Fleet {
    /// Where the gateways are: one port on several addresses.
    pub gateways: Vec<SocketAddr>,
    /// Every process.
    pub replicas: Vec<Replica>,
    /// What it stands on.
    pub ground: Ground,
}

impl Fleet {
    /// Starts `count` replicas of each service and waits until they are ready.
    pub async fn start(ground: Ground, count: u8) -> Self {
        Self::start_with(ground, count, &[]).await
    }

    /// The same with more settings, which every service is given.
    pub async fn start_with(ground: Ground, count: u8, more: &[(&'static str, String)]) -> Self {
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
            ("DATA_DIR", ground.folder().display().to_string()),
            ("STAFF_USERNAME", STAFF.0.to_owned()),
            ("STAFF_PASSWORD", STAFF.1.to_owned()),
            ("AUTH_URL", urls(&auths)),
            ("COURSE_URL", urls(&courses)),
        ]);
        if let Some(url) = ground.database_url() {
            shared.insert("DATABASE_URL", url.to_owned());
        }
        shared.extend(more.iter().cloned());
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
                let settings = settings
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect();
                let mut replica = Replica::new(part, *address, admin, ground.folder(), settings);
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
        self.ground.folder()
    }

    /// The first replica of a service.
    pub fn part(&mut self, part: &str) -> &mut Replica {
        let mut replicas = self.replicas.iter_mut();
        replicas.find(|replica| replica.part == part).unwrap()
    }

    /// Takes the replicas at an address out of it.
    pub fn take_at(&mut self, ip: Ipv4Addr) -> Vec<Replica> {
        self.replicas
            .extract_if(.., |replica| replica.address.ip() == ip)
            .collect()
    }

    /// That no process has ended by itself and none has panicked.
    pub fn is_whole(&mut self) {
        for replica in &mut self.replicas {
            let (part, log) = (replica.part, replica.log());
            assert!(replica.runs(), "{part} ended by itself:\n{log}");
            assert!(!log.contains("panicked"), "{part} panicked:\n{log}");
        }
    }

    /// What every process has logged that nobody wants to read: warnings, errors and panics, for the message of a
    /// failed test.
    pub fn complaints(&self) -> String {
        let mut found = String::new();
        for replica in &self.replicas {
            let log = replica.log();
            let is_bad = |line: &&str| {
                ["WARN", "ERROR", "panicked"]
                    .iter()
                    .any(|word| line.contains(word))
            };
            let bad: Vec<&str> = log.lines().filter(is_bad).collect();
            let last = bad.len().saturating_sub(20);
            found.push_str(&format!(
                "\n{} at {}:\n{}\n",
                replica.part,
                replica.address,
                bad[last..].join("\n")
            ));
        }
        found
    }
}

/// The settings that send mail to a server of the test.
pub fn mail_to(port: u16) -> [(&'static str, String); 3] {
    [
        ("EMAIL_HOST", "localhost".to_owned()),
        ("EMAIL_PORT", port.to_string()),
        ("EMAIL_USE_TLS", "false".to_owned()),
    ]
}

/// Four ports in a row of free ones, the last with two more after it. They are below those that systems hand out by
/// themselves, so that nobody takes them while a process is being restarted, and no two fleets have the same.
pub fn free_ports() -> [u16; 4] {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let is_free =
        |port: u16| (1..=2).all(|last| TcpListener::bind((Ipv4Addr::new(127, 0, 0, last), port)).is_ok());
    let mut taken = TAKEN.lock().unwrap();
    loop {
        let chance = u16::from_le_bytes(Entropy::default().bytes().unwrap());
        let first = 10_000 + chance % 1000 * 8;
        if (first..first + 6).all(is_free) && taken.insert(first) {
            return [first, first + 1, first + 2, first + 3];
        }
    }
}

//! A service is restarted, and all who were connected come back and ask at once. `HERD=10000` makes them more.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    net::{Ipv4Addr, SocketAddr},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use service_runtime::process::raise_open_files;
use tokio::{
    net::TcpSocket,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::fleet::{Filter, Fleet, Ground, millis, people::Person, percent, row};

/// How many people there are, where nothing else is said and so many connections can be open.
const HERD: usize = 1000;
/// How many of those want something of auth-service.
const NEED_AUTH: usize = 2000;
/// What a process has open besides connections, with room to spare.
const OTHER_FILES: usize = 1000;
/// What everybody asks for.
const COURSES: &str = "/courses?page_size=5";
/// How long it may take until everybody is served on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(180);
/// How long a start may take on such a machine.
const READY_WITHIN: Duration = Duration::from_secs(15);
/// How much memory of the gateway a connection may take, in MiB.
const MEMORY: f64 = 0.08;

pub async fn run(filter: &Filter) {
    if filter.wants("herd") {
        herd().await;
    }
}

async fn herd() {
    raise_open_files();
    let herd = std::env::var("HERD").map_or(HERD, |herd| herd.parse().unwrap());
    let herd = herd.min(open_files_allowed() - OTHER_FILES);
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let gateway = fleet.gateways[0];
    let idle = fleet.part("gateway").memory();
    let people = (0..herd).map(|number| Client::new(number, gateway)).collect();
    let (mut people, come) = all_served(people, COURSES, "").await;
    let full = fleet.part("gateway").memory();
    // Who has much to do hears others late, and must not take that for their silence.
    let log = fleet.part("gateway").log();
    assert!(!log.contains("a connection was lost"), "{}", fleet.complaints());
    let seen = restarted(&mut fleet, "gateway", &mut people, COURSES, "").await;
    row(
        &format!(
            "gateway killed and started again while {herd} are connected, who come back and ask at once"
        ),
        "ready within 5 s; everybody is served; no process ends",
        &format!("{seen}; before, {come} and memory {idle:.0} MiB, then {full:.0}"),
    );
    assert!(
        full.max(seen.memory) < idle + 32.0 + MEMORY * herd as f64,
        "{full} MiB"
    );

    people.truncate(NEED_AUTH);
    let before = fleet.part("auth-service").memory();
    let seen = restarted(&mut fleet, "auth-service", &mut people, "/me", &staff.access).await;
    row(
        &format!(
            "auth-service killed and started again while {} ask for their profiles at once",
            people.len()
        ),
        "ready within 5 s; everybody is served; no process ends",
        &format!("{seen}; before, memory {before:.0} MiB"),
    );
}

/// What was seen of a restart.
struct Restarted {
    ready: Duration,
    told: Told,
    memory: f64,
}

/// Kills a part and starts it again, while all ask at once.
async fn restarted(
    fleet: &mut Fleet,
    part: &str,
    people: &mut Vec<Client>,
    path: &str,
    access: &str,
) -> Restarted {
    fleet.part(part).kill();
    let from = Instant::now();
    fleet.part(part).start();
    let ready = async {
        fleet.part(part).becomes_ready().await;
        from.elapsed()
    };
    let asking = all_served(std::mem::take(people), path, access);
    let (ready, (served, told)) = tokio::join!(ready, asking);
    *people = served;
    fleet.is_whole();
    assert!(ready < READY_WITHIN, "{ready:?}");
    let memory = fleet.part(part).memory();
    Restarted { ready, told, memory }
}

impl fmt::Display for Restarted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ready, told, memory } = self;
        write!(
            formatter,
            "ready {} after; {told}; memory {memory:.0} MiB",
            millis(*ready)
        )
    }
}

/// How many files a process may have open at most.
fn open_files_allowed() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    line.split_whitespace().nth(3).unwrap().parse().unwrap()
}

/// Somebody with a connection of their own.
struct Client {
    number: usize,
    gateway: SocketAddr,
    sender: Option<http1::SendRequest<Empty<Bytes>>>,
    /// The refusals that it was told.
    refused: Vec<u16>,
    lost: usize,
}

/// What became of all of them.
struct Told {
    took: Vec<Duration>,
    /// How many refusals there were of each status.
    refused: BTreeMap<u16, usize>,
    lost: usize,
}

/// Lets all of them ask at once, and again until they are served.
async fn all_served(people: Vec<Client>, path: &str, access: &str) -> (Vec<Client>, Told) {
    let mut asking = JoinSet::new();
    let begun = Instant::now();
    for mut client in people {
        let (path, access) = (path.to_owned(), access.to_owned());
        asking.spawn(async move {
            (client.refused, client.lost) = (Vec::new(), 0);
            client.is_served(&path, &access).await;
            (client, begun.elapsed())
        });
    }
    let Ok(served) = timeout(PATIENCE, asking.join_all()).await else {
        panic!("not everybody is served within {PATIENCE:?}");
    };
    let (people, took): (Vec<_>, Vec<_>) = served.into_iter().unzip();
    let mut refused = BTreeMap::new();
    for status in people.iter().flat_map(|client| &client.refused) {
        *refused.entry(*status).or_default() += 1;
    }
    let told = Told {
        refused,
        lost: people.iter().map(|client| client.lost).sum(),
        took,
    };
    (people, told)
}

impl Client {
    fn new(number: usize, gateway: SocketAddr) -> Self {
        Self {
            number,
            gateway,
            sender: None,
            refused: Vec::new(),
            lost: 0,
        }
    }

    /// Asks until there is an answer that is no refusal.
    async fn is_served(&mut self, path: &str, access: &str) {
        loop {
            match self.ask(path, access).await {
                Ok(200) => return,
                Ok(status @ (429 | 503 | 504)) => {
                    self.refused.push(status);
                    // What `Retry-After` says and, as clients should, a while that is everybody's own; longer each time.
                    let own = Duration::from_millis(self.number as u64 % 1000);
                    sleep((Duration::from_secs(1) + own) * self.refused.len().min(4) as u32).await;
                }
                Ok(status) => panic!("{status} for {path}"),
                Err(_lost) => {
                    self.lost += 1;
                    self.sender = None;
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn ask(
        &mut self,
        path: &str,
        access: &str,
    ) -> Result<u16, Box<dyn std::error::Error + Send + Sync>> {
        let sender = match &mut self.sender {
            Some(sender) => sender,
            None => self.sender.insert(connect(self.number, self.gateway).await?),
        };
        let mut request = Request::get(format!("/api/v1{path}")).header(header::HOST, "edu.test");
        if !access.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {access}"));
        }
        let answer = sender.send_request(request.body(Empty::new())?).await?;
        let status = answer.status().as_u16();
        answer.into_body().collect().await?;
        Ok(status)
    }
}

/// Connects from one of many addresses, so that ports do not run out.
async fn connect(number: usize, gateway: SocketAddr) -> io::Result<http1::SendRequest<Empty<Bytes>>> {
    let socket = TcpSocket::new_v4()?;
    let last = u8::try_from(number % 100).unwrap() + 100;
    socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into())?;
    let stream = socket.connect(gateway).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(connection);
    Ok(sender)
}

impl fmt::Display for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { took, refused, lost } = self;
        write!(
            formatter,
            "half of them served after {}, all after {}, refusals {refused:?}, {lost} connections lost",
            millis(percent(50, took.clone())),
            millis(percent(100, took.clone())),
        )
    }
}

//! People take back what they asked: over HTTP/2 by resetting the stream, over HTTP/1 by closing the connection. The
//! work for it stops, nothing of it stays, and nobody else notices. `CANCELS=100000` makes them more.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    asking::{at_once, profiles, reads},
    fleet::{Filter, Fleet, Ground, millis, people::Person, row},
};

/// How many requests are taken back, where nothing else is said.
const CANCELS: usize = 4000;
/// How many people do so, each on a connection of their own.
const PEOPLE: usize = 16;
/// How many requests each of them makes at once.
const AT_ONCE: usize = 4;
/// How long work may go on afterwards on a machine that does much else.
const STOPS_WITHIN: Duration = Duration::from_secs(3);
const PARTS: [&str; 3] = ["gateway", "course-service", "auth-service"];

pub async fn run(filter: &Filter) {
    if filter.wants("cancels") {
        cancels().await;
    }
}

async fn cancels() {
    let cancels = std::env::var("CANCELS").map_or(CANCELS, |cancels| cancels.parse().unwrap());
    let mut fleet = Fleet::start(Ground::sqlite(), 1).await;
    let staff = Person::staff(&fleet.gateways, 0).await;
    let usual = Storm {
        how: How::Reset,
        path: "/me",
        needs: "auth-service and its database",
        patience: 100,
        count: cancels / 4,
    };
    for storm in [
        usual,
        Storm {
            path: "/courses?page_size=5",
            needs: "course-service and its database",
            ..usual
        },
        Storm {
            path: "/nothing",
            needs: "nothing but the gateway",
            patience: 20,
            ..usual
        },
        Storm {
            how: How::Closed,
            ..usual
        },
    ] {
        let before = PARTS.map(|part| holds(&mut fleet, part));
        let (reads, profiles) = (reads(&fleet.gateways), profiles(&staff));
        let from = Instant::now();
        let mut told = storm.breaks(&fleet.gateways, &staff).await;
        let to = Instant::now();
        let (read, profile) = (reads.between(from, to).await, profiles.between(from, to).await);
        drop((reads, profiles));
        // Once more without the others, whose requests are work.
        told.add(storm.breaks(&fleet.gateways, &staff).await);
        let stopped = stops(&mut fleet).await;
        are_closed(&mut fleet, before).await;
        let many = at_once(&staff).await;
        let after = PARTS.map(|part| holds(&mut fleet, part));
        fleet.is_whole();
        let held = |(files, memory): (usize, f64)| format!("{files} and {memory:.0} MiB");
        row(
            &format!(
                "{} requests that need {} are taken back {}",
                told.all(),
                storm.needs,
                storm.how.told()
            ),
            "work stops within 100 ms; others are served as ever; nothing of it stays",
            &format!(
                "{} taken back, {} were answered before, {} times a connection was cut off; work had stopped {} after; meanwhile reads: {read}; profiles: {profile}; then 60 at once: {many}; open files and memory of \
                 {} {}, before {}",
                told.taken_back,
                told.answered,
                told.cut_off,
                millis(stopped),
                PARTS.join(", "),
                after.map(held).join(", "),
                before.map(held).join(", "),
            ),
        );
        assert!(told.taken_back > told.all() / 20, "{told:?}");
        for seen in [read, profile, many] {
            seen.is_served_as_ever();
        }
        for ((_, memory), (_, memory_before)) in after.into_iter().zip(before) {
            assert!(memory < memory_before + 64.0, "{after:?}, before {before:?}");
        }
    }
}

/// How something is taken back.
#[derive(Debug, Clone, Copy)]
enum How {
    Reset,
    Closed,
}

impl How {
    const fn told(self) -> &'static str {
        match self {
            Self::Reset => "over HTTP/2 (`RST_STREAM`)",
            Self::Closed => "over HTTP/1 (the connection closed)",
        }
    }
}

/// What became of the requests.
#[derive(Debug)]
struct Told {
    taken_back: usize,
    answered: usize,
    cut_off: usize,
}

impl Told {
    const fn all(&self) -> usize {
        self.taken_back + self.answered + self.cut_off
    }

    fn add(&mut self, other: Self) {
        self.taken_back += other.taken_back;
        self.answered += other.answered;
        self.cut_off += other.cut_off;
    }
}

/// What many ask for and take back.
#[derive(Debug, Clone, Copy)]
struct Storm {
    how: How,
    path: &'static str,
    needs: &'static str,
    /// After how long at most they take it back, in milliseconds.
    patience: u64,
    /// How many requests there are, in two halves.
    count: usize,
}

impl Storm {
    /// Lets half of the requests be made.
    async fn breaks(self, gateways: &[SocketAddr], staff: &Person) -> Told {
        let tally: Arc<[AtomicUsize; 3]> = Arc::default();
        let mut people = JoinSet::new();
        for number in 0..PEOPLE {
            let person = Person::stranger(gateways, number).with_access(&staff.access);
            let (tally, gateway) = (Arc::clone(&tally), gateways[0]);
            people.spawn(async move {
                for turn in 0..self.count / 2 / PEOPLE / AT_ONCE {
                    let patience = |place| (number * 7 + turn * 3 + place * 5) as u64 % self.patience + 1;
                    let asking = (0..AT_ONCE).map(patience).map(async |patience| {
                        let asked = timeout(Duration::from_millis(patience), self.ask(&person, gateway));
                        let place = match asked.await {
                            Err(_taken_back) => 0,
                            Ok(true) => 1,
                            Ok(false) => 2,
                        };
                        tally[place].fetch_add(1, Ordering::Relaxed);
                    });
                    futures::future::join_all(asking).await;
                }
            });
        }
        people.join_all().await;
        let [taken_back, answered, cut_off] =
            [0, 1, 2].map(|place: usize| tally[place].load(Ordering::Relaxed));
        Told {
            taken_back,
            answered,
            cut_off,
        }
    }

    /// Whether there was an answer.
    async fn ask(self, person: &Person, gateway: SocketAddr) -> bool {
        match self.how {
            How::Reset => person.send(Method::GET, self.path, None, &[]).await.is_ok(),
            How::Closed => over_http1(gateway, self.path, &person.access).await.is_ok(),
        }
    }
}

/// Asks on a connection of its own, which closes with the future.
async fn over_http1(gateway: SocketAddr, path: &str, access: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(gateway).await?;
    let request = format!(
        "GET /api/v1{path} HTTP/1.1\r\nhost: edu.test\r\nauthorization: Bearer {access}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.read_to_end(&mut Vec::new()).await?;
    Ok(())
}

/// Waits until no part works any more; says how long that took.
async fn stops(fleet: &mut Fleet) -> Duration {
    const LOOK: Duration = Duration::from_millis(50);
    let begun = Instant::now();
    let mut before = worked(fleet);
    loop {
        sleep(LOOK).await;
        let now = worked(fleet);
        // Timers and the like need something always.
        if now - before < LOOK / 2 {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < STOPS_WITHIN, "work goes on");
        before = now;
    }
}

/// Waits until no part has more open files than before, but for a few.
async fn are_closed(fleet: &mut Fleet, before: [(usize, f64); 3]) {
    let begun = Instant::now();
    for (part, (files, _)) in PARTS.into_iter().zip(before) {
        while fleet.part(part).open_files() > files + 32 {
            assert!(begun.elapsed() < STOPS_WITHIN, "{part} keeps files open");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// How long all parts have worked since they started.
fn worked(fleet: &mut Fleet) -> Duration {
    PARTS.map(|part| fleet.part(part).processor_time()).iter().sum()
}

/// How many open files and how much memory a part has.
fn holds(fleet: &mut Fleet, part: &str) -> (usize, f64) {
    let part = fleet.part(part);
    (part.open_files(), part.memory())
}

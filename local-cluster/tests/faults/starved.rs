//! A part gets a tenth of the time: it runs for 10 ms and stands still for 90, as under a quota of the kernel.

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    asking::{PATIENCE, People, logins_every, reads_of},
    fleet::{Filter, Probe, Replica, Summary, millis, row},
};

/// How long it does.
const LASTS: Duration = Duration::from_secs(4);
/// How it gets its tenth.
const RUNS: Duration = Duration::from_millis(10);
const STANDS: Duration = Duration::from_millis(90);
/// How long its health may take to be told.
const HONEST_WITHIN: Duration = Duration::from_secs(5);
/// No request waits for longer: the gateway's deadline, and what it is late by itself.
const DEADLINE: Duration = Duration::from_secs(14);

pub async fn run(filter: &Filter) {
    if filter.wants("starved") {
        starved().await;
    }
}

async fn starved() {
    let mut people = People::come().await;
    // More of what takes its time than it can do.
    let logins: fn(&[SocketAddr]) -> Probe = |gateways| logins_every(Duration::from_millis(50), gateways);
    let reads: fn(&[SocketAddr]) -> Probe = |gateways| reads_of(4, gateways, Duration::from_millis(5));
    for (part, crowd, told) in [
        ("auth-service", logins, "20 logins/s"),
        ("course-service", reads, "200 reads/s"),
        ("gateway", reads, "200 reads/s"),
    ] {
        let crowd = crowd(&people.fleet.gateways);
        crowd.served_again(Instant::now(), PATIENCE).await;
        let before = connections(&people.fleet.replicas);
        let replica = people.fleet.part(part);
        let had = replica.processor_time();
        let starving = Starving::begin(replica);
        let from = Instant::now();
        let mut health = Duration::ZERO;
        while from.elapsed() < LASTS {
            let asked = Instant::now();
            let said = replica.is_ready().await;
            health = health.max(asked.elapsed());
            // Load is no outage.
            assert_eq!(said, Ok(()), "{part}");
            sleep(Duration::from_millis(200)).await;
        }
        let to = Instant::now();
        let got = (replica.processor_time() - had).as_secs_f64() / (to - from).as_secs_f64();
        starving.end();
        let again = people
            .are_served(to)
            .await
            .max(crowd.served_again(to, PATIENCE).await);
        let crowd = crowd.between(from, to).await;
        let seen = people.between(from, to).await;
        let after = connections(&people.fleet.replicas);
        people.fleet.is_whole();
        let lost = before.difference(&after).count();
        row(
            &format!("{part} runs for 10 of every 100 ms, for 4 s under 52 requests/s and {told} more"),
            "what it cannot do in time is refused, the rest is served; health tells the truth; no connection is given \
             up; recovery at once",
            &format!(
                "it had {:.0} % of a processor; {seen}; the {told}: {crowd}; health was told within {}; {lost} of {} \
                 connections were lost; all served {} after",
                got * 100.0,
                millis(health),
                before.len(),
                millis(again)
            ),
        );
        assert!(health < HONEST_WITHIN, "{health:?}");
        assert_eq!(lost, 0, "{before:?}, then {after:?}");
        for seen in seen.all().into_iter().chain([&crowd]) {
            is_shed_at_worst(seen);
        }
    }
}

/// That each was served, or told that there is too much to do or that it took too long.
fn is_shed_at_worst(seen: &Summary) {
    for other in &seen.others {
        let answer = other.answer.as_ref().unwrap();
        let told = [429, 503, 504].contains(&answer.status);
        assert!(told && answer.is_problem(), "{answer:?}");
    }
    assert!(seen.served > 0 && seen.longest < DEADLINE, "{seen:?}");
}

/// A process that gets a tenth of the time, until this is ended or dropped.
struct Starving {
    goes_on: Arc<AtomicBool>,
    starving: Option<JoinHandle<()>>,
}

impl Starving {
    fn begin(replica: &Replica) -> Self {
        let (goes_on, process) = (Arc::new(AtomicBool::new(true)), replica.process());
        let wanted = Arc::clone(&goes_on);
        let starving = thread::spawn(move || {
            while wanted.load(Ordering::Relaxed) {
                process.freeze();
                thread::sleep(STANDS);
                process.thaw();
                thread::sleep(RUNS);
            }
        });
        Self {
            goes_on,
            starving: Some(starving),
        }
    }

    fn end(mut self) {
        self.goes_on.store(false, Ordering::Relaxed);
        self.starving.take().unwrap().join().unwrap();
    }
}

impl Drop for Starving {
    fn drop(&mut self) {
        self.goes_on.store(false, Ordering::Relaxed);
    }
}

/// The open connections to these, each by the port that it was made from and the port that it was made to.
fn connections(replicas: &[Replica]) -> BTreeSet<(u16, u16)> {
    let told = fs::read_to_string("/proc/net/tcp").unwrap();
    let open = told.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, remote) = (address(fields.next()?)?, address(fields.next()?)?);
        let is_wanted = fields.next()? == "01" && replicas.iter().any(|replica| replica.address == remote);
        is_wanted.then_some((local.port(), remote.port()))
    });
    open.collect()
}

/// An address as the kernel writes it: hexadecimal digits, those of the IP as its memory has them.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let ip = Ipv4Addr::from(u32::from_str_radix(ip, 16).ok()?.to_ne_bytes());
    Some((ip, u16::from_str_radix(port, 16).ok()?).into())
}

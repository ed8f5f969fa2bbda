//! A network that only one scenario sees: the kernel's own loopback device, with packets that can be lost and late,
//! and names of its own. Whatever is done to it, nobody else notices.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{FileExt, MetadataExt},
    path::Path,
    process::{Command, Stdio},
};

use crate::possible::possible;

/// Set for a process that has a network of its own.
const OWN: &str = "FAULTS_NETWORK";
/// Packets are as long as on a real network.
const UP: &str = "ip link set lo mtu 1500 up";

/// Whether this process has a network of its own.
pub fn is_own() -> bool {
    std::env::var_os(OWN).is_some()
}

/// Whether there can be one here.
pub fn can_be_made() -> bool {
    let mut trial = apart();
    trial.arg(format!(
        "{UP} && tc qdisc add dev lo root tbf rate 1mbit burst 32kbit latency 400ms && nft add table inet faults && \
         mount --bind /etc/hosts /etc/hosts"
    ));
    possible(
        "the faults of the network",
        &mut trial,
        "they need unshare of util-linux, ip and tc of iproute2, nft of nftables, and root or user namespaces",
    )
}

/// Runs this program with a network of its own, for the scenario of this name, which must succeed.
pub async fn run(scenario: &str) {
    let mut command = apart();
    command
        .arg(format!("{UP} && exec \"$0\" \"$@\""))
        .arg(std::env::current_exe().unwrap())
        .arg(scenario)
        .env(OWN, "1")
        .stdin(Stdio::piped());
    let ended = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // Open until it ends, or we do: by it the child knows that we are there.
        let leash = child.stdin.take();
        let ended = child.wait().unwrap();
        drop(leash);
        ended
    });
    let ended = ended.await.unwrap();
    assert!(ended.success(), "{scenario}: {ended}");
}

/// Ends this process when the one that started it ends.
pub fn ends_with_its_parent() {
    std::thread::spawn(|| {
        let _gone = std::io::stdin().read(&mut [0]);
        std::process::exit(9);
    });
}

/// A shell in a new network, with a right to do to it what it likes.
fn apart() -> Command {
    let mut command = Command::new("unshare");
    // Root stays who it is, so that PostgreSQL can run as somebody else.
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        command.args(["--map-current-user", "--keep-caps"]);
    }
    command.args(["--net", "--mount", "sh", "-c"]);
    command
}

/// Which packets between a caller and a place are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// Those to the place.
    Asked,
    /// Those from it.
    Answers,
    /// All of them.
    Both,
}

impl Lost {
    /// What is to be told of it in a row.
    pub fn told(self) -> &'static str {
        match self {
            Self::Asked => "what is asked is lost",
            Self::Answers => "answers are lost",
            Self::Both => "both ways",
        }
    }

    /// The rules by which they are, for a place.
    pub fn at(self, place: SocketAddr) -> Vec<String> {
        let (ip, port) = (place.ip(), place.port());
        let asked = format!("ip daddr {ip} tcp dport {port} drop");
        let answers = format!("ip saddr {ip} tcp sport {port} drop");
        match self {
            Self::Asked => vec![asked],
            Self::Answers => vec![answers],
            Self::Both => vec![asked, answers],
        }
    }
}

/// The names that are known in this network.
pub struct Names(File);

impl Names {
    /// Only those that this file tells, in the form of `/etc/hosts`.
    pub fn of(file: &Path) -> Self {
        assert!(is_own(), "these names are everybody's");
        let names = File::create(file).unwrap();
        done(Command::new("mount").arg("--bind").arg(file).arg("/etc/hosts"));
        Self(names)
    }

    /// From now on these names lead there. Who looks at the same moment sees them lead there or where they led
    /// before, as addresses of the same length are written over each other.
    pub fn lead(&self, names: &[&str], there: Ipv4Addr) {
        let line = format!("{there} {}\n", names.join(" "));
        self.0.write_all_at(line.as_bytes(), 0).unwrap();
    }
}

/// From now on this much passes through the network in a second, such as `1mbit`; `None`: whatever can.
pub fn rate(rate: Option<&str>) {
    assert!(is_own(), "this network is everybody's");
    let mut tc = Command::new("tc");
    match rate {
        Some(rate) => tc
            .args(["qdisc", "add", "dev", "lo", "root", "tbf", "rate", rate])
            .args(["burst", "32kbit", "latency", "400ms"]),
        None => tc.args(["qdisc", "del", "dev", "lo", "root"]),
    };
    done(&mut tc);
}

/// From now on packets are judged by these rules, and no others.
pub fn packets(rules: &[String]) {
    assert!(is_own(), "this network is everybody's");
    // The first line lets the second one succeed: there may be none yet. All of it happens at once.
    let rules = rules.join("\n");
    let table = format!(
        "table inet faults\ndelete table inet faults\ntable inet faults {{\nchain input {{\n\
         type filter hook input priority filter\n{rules}\n}}\n}}\n"
    );
    let mut nft = Command::new("nft");
    nft.args(["-f", "-"]).stdin(Stdio::piped());
    let mut nft = nft.spawn().unwrap();
    nft.stdin.take().unwrap().write_all(table.as_bytes()).unwrap();
    assert!(nft.wait().unwrap().success(), "{table}");
}

fn done(command: &mut Command) {
    let ended = command.status().unwrap();
    assert!(ended.success(), "{command:?}: {ended}");
}

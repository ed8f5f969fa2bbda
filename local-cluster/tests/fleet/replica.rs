//! One process: how it is started, stopped, frozen, killed and starved.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use service_runtime::{
    admin,
    settings::{Setting, Values},
};

use super::part::{MIGRATIONS, PART, SETTINGS, TURNED};

/// How long a process may take to be ready, or to notice that it is not.
const READY_WITHIN: Duration = Duration::from_secs(20);

/// One process. It is killed with this value.
pub struct Replica {
    /// Which service it is.
    pub part: &'static str,
    /// Where it serves.
    pub address: SocketAddr,
    /// From its next start on, its log is a pipe that nobody reads.
    pub nobody_reads_its_log: bool,
    /// From its next start on, its files are on a disk of their own with this many bytes, which goes away with the
    /// process.
    pub small_disk: Option<u64>,
    /// From its next start on, it is of a version that has these migrations.
    pub migrations: Option<PathBuf>,
    folder: PathBuf,
    settings: BTreeMap<String, String>,
    admin: SocketAddr,
    log: PathBuf,
    child: Option<Child>,
    /// While this is open the process knows that the test is there.
    leash: Option<ChildStdin>,
    unread: Option<ChildStderr>,
}

impl Replica {
    pub(super) fn new(
        part: &'static str,
        address: SocketAddr,
        admin: SocketAddr,
        folder: &Path,
        settings: BTreeMap<String, String>,
    ) -> Self {
        Self {
            part,
            address,
            nobody_reads_its_log: false,
            small_disk: None,
            migrations: None,
            folder: folder.to_owned(),
            settings,
            admin,
            log: folder.join(format!("{part}-{}.log", address.ip())),
            child: None,
            leash: None,
            unread: None,
        }
    }

    /// Another one of the same, at another address of this computer; not started yet.
    pub fn twin(&self, last: u8) -> Self {
        let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        let [address, admin] = [self.address, self.admin].map(|at| SocketAddr::new(ip, at.port()));
        let mut settings = self.settings.clone();
        for value in settings.values_mut() {
            *value = value
                .replace(&self.address.to_string(), &address.to_string())
                .replace(&self.admin.to_string(), &admin.to_string());
        }
        Self::new(self.part, address, admin, &self.folder, settings)
    }

    /// Starts it.
    pub fn start(&mut self) {
        let mut command = self.command();
        command
            .env(PART, self.part)
            .env(SETTINGS, serde_json::to_string(&self.settings).unwrap())
            .envs(self.migrations.as_ref().map(|folder| (MIGRATIONS, folder)))
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        if self.nobody_reads_its_log {
            command.stderr(Stdio::piped());
        } else {
            let log = File::options().create(true).append(true).open(&self.log).unwrap();
            command.stderr(log);
        }
        let mut child = command.spawn().unwrap();
        self.leash = child.stdin.take();
        self.unread = child.stderr.take();
        self.child = Some(child);
    }

    /// Stops it and starts it with other values of some settings.
    pub async fn restart_with(&mut self, settings: &[(&str, String)]) {
        let settings = settings.iter().cloned();
        self.settings
            .extend(settings.map(|(name, value)| (name.to_owned(), value)));
        let ended = self.stop().await;
        assert!(ended.success(), "{} {ended}:\n{}", self.part, self.log());
        self.start();
        self.becomes_ready().await;
    }

    /// This program, where wanted in a world with one disk more.
    fn command(&self) -> Command {
        let program = std::env::current_exe().unwrap();
        let Some(bytes) = self.small_disk else {
            return Command::new(program);
        };
        let mut command = Command::new("unshare");
        command
            .args(["--map-root-user", "--mount", "sh", "-c"])
            .arg("mount -t tmpfs -o size=\"$1\" none \"$2\" && exec \"$3\"")
            .arg("sh")
            .arg(bytes.to_string())
            .arg(&self.folder)
            .arg(program);
        command
    }

    /// Waits until it is ready; says how long that took.
    pub async fn becomes_ready(&mut self) -> Duration {
        let begun = Instant::now();
        while let Err(error) = self.is_ready().await {
            assert!(self.runs(), "{} ended\n{}", self.part, self.log());
            assert!(
                begun.elapsed() < READY_WITHIN,
                "{} is not ready: {error}\n{}",
                self.part,
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        begun.elapsed()
    }

    /// Waits until it says that it is not ready; says why.
    pub async fn becomes_not_ready(&mut self) -> String {
        let begun = Instant::now();
        loop {
            if let Err(why) = self.is_ready().await {
                return why;
            }
            assert!(begun.elapsed() < READY_WITHIN, "{} stays ready", self.part);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether it says that it is ready, or else why not.
    pub async fn is_ready(&self) -> Result<(), String> {
        const ADMIN: [Setting; 1] = [Setting::optional("ADMIN_LISTEN", "Where")];
        let values = Values::default().with("ADMIN_LISTEN", self.admin.to_string());
        admin::ask(&values, &ADMIN)
            .await
            .map_err(|error| error.to_string())
    }

    /// The value of a number at its `/metrics`, by its name and labels as they stand there; 0 where it is not told.
    pub async fn number(&self, name: &str) -> f64 {
        let told = self.numbers().await;
        let value = told
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }

    /// The sum of all numbers at its `/metrics` whose names and labels begin like this.
    pub async fn total(&self, beginning: &str) -> f64 {
        let told = self.numbers().await;
        let values = told.lines().filter(|line| line.starts_with(beginning));
        values
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
            .sum()
    }

    /// Everything at its `/metrics`.
    pub async fn numbers(&self) -> String {
        let url = format!("http://{}/metrics", self.admin);
        reqwest::get(url).await.unwrap().text().await.unwrap()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The names of its threads.
    pub fn threads(&self) -> Vec<String> {
        let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).ok();
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        tasks
            .filter_map(|task| name(task.ok()?))
            .map(|name| name.trim().to_owned())
            .collect()
    }

    /// Its process id.
    pub fn id(&self) -> String {
        self.child.as_ref().expect("it runs").id().to_string()
    }

    /// How much memory it holds, in MiB.
    pub fn memory(&self) -> f64 {
        self.memory_of("VmRSS:")
    }

    /// Allows it so many MiB of memory more than it has asked for.
    pub fn limit_memory(&self, more: f64) {
        let most = (self.memory_of("VmData:") + more) * 1024.0 * 1024.0;
        run(Command::new("prlimit").args(["--pid", &self.id(), &format!("--data={most:.0}:")]));
    }

    /// A kind of its memory, as the kernel names it, in MiB.
    fn memory_of(&self, kind: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix(kind)?.trim().strip_suffix(" kB"));
        kib.unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// How long it has kept processors busy since it started.
    pub fn processor_time(&self) -> Duration {
        // Nanoseconds, of each of its threads.
        let tasks = fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        let spent = tasks.filter_map(|task| {
            let told = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            told.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(spent.sum())
    }

    /// How many files and sockets it has open.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    /// A file of its folder as it sees it.
    pub fn file(&self, name: &str) -> PathBuf {
        // Its disk may be one that only it sees.
        let inside = self.folder.strip_prefix("/").unwrap().join(name);
        Path::new("/proc").join(self.id()).join("root").join(inside)
    }

    /// Allows it no more open files than this.
    pub fn limit_open_files(&self, most: usize) {
        run(Command::new("prlimit").args(["--pid", &self.id(), &format!("--nofile={most}:")]));
    }

    /// Turns its clock.
    pub async fn turn_clock(&mut self, seconds: i64) {
        let times = |replica: &Self| replica.log().matches(TURNED).count();
        let before = times(self);
        let leash = self.leash.as_mut().expect("it runs");
        writeln!(leash, "{seconds}").unwrap();
        while times(self) == before {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Its process, to be frozen by others too.
    pub fn process(&self) -> Process {
        Process(Pid::from_child(self.child.as_ref().expect("it runs")))
    }

    /// Freezes it as it stands.
    pub fn freeze(&self) {
        self.process().freeze();
    }

    /// Lets it go on after [`Replica::freeze`].
    pub fn thaw(&self) {
        self.process().thaw();
    }

    /// Whether it has not ended.
    pub fn runs(&mut self) -> bool {
        let child = self.child.as_mut().expect("it was started");
        child.try_wait().unwrap().is_none()
    }

    /// Tells it to stop, as an operator does, and waits for its end.
    pub async fn stop(&mut self) -> ExitStatus {
        self.process().signal(Signal::TERM);
        self.ends().await
    }

    /// Waits for its end.
    pub async fn ends(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        tokio::task::spawn_blocking(move || child.wait().unwrap())
            .await
            .unwrap()
    }

    /// Ends it with SIGKILL. It must have been alive.
    pub fn kill(&mut self) {
        assert!(self.runs(), "{} had ended by itself", self.part);
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// A process that can be sent signals.
#[derive(Debug, Clone, Copy)]
pub struct Process(Pid);

impl Process {
    /// Freezes it as it stands.
    pub fn freeze(self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(self) {
        self.signal(Signal::CONT);
    }

    fn signal(self, signal: Signal) {
        kill_process(self.0, signal).unwrap();
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

fn run(command: &mut Command) {
    let ended = command.status().unwrap();
    assert!(ended.success(), "{command:?}: {ended}");
}

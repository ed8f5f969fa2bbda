//! A temporary PostgreSQL server, and the ways in which a test may interrupt it.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::account::Account;
use super::installation::Installation;
use super::watchdog::Watchdog;
use super::{TESTS, TestDatabase, database, disk, settings};
use crate::left_out;

/// How long a server may take to start, which includes its recovery, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A PostgreSQL server of this process, on a port of 127.0.0.1 that stays the same while it lives.
///
/// Clones are the same server. With the last one it is stopped and its files are removed; that happens too if
/// the process is killed. A test that stops a server takes its own, never the shared one behind
/// [`super::database()`].
#[derive(Debug, Clone)]
pub struct Cluster(Arc<Process>);

impl Cluster {
    /// Makes a new server and waits until it can be used. `None`: PostgreSQL is not installed, which has been
    /// said, and the test is to end.
    ///
    /// # Panics
    ///
    /// In CI if PostgreSQL is not installed; anywhere if it is and does not start.
    pub async fn start() -> Option<Self> {
        Self::start_on(None).await
    }

    /// The same with all of the server's data on a disk with this many bytes. `None` also where no disk can be
    /// mounted, which has been said as what leaves out `what`.
    ///
    /// # Panics
    ///
    /// As [`Cluster::start`] does, and in CI if no disk can be mounted.
    pub async fn start_on_small_disk(bytes: u64, what: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary directory");
        match disk::mount(folder.path(), bytes).and_then(|()| disk::unmount(folder.path())) {
            Ok(()) => left_out::is_here(what),
            Err(why) => {
                left_out::leave_out(what, &why, "it needs a root that may mount a tmpfs");
                return None;
            }
        }
        Self::start_on(Some(bytes)).await
    }

    async fn start_on(disk: Option<u64>) -> Option<Self> {
        let Some(installation) = Installation::find() else {
            let why = "neither TEST_POSTGRES_URL nor the programs initdb, pg_ctl and postgres are here";
            left_out::leave_out(
                TESTS,
                why,
                "install the PostgreSQL server (Debian: apt-get install postgresql)",
            );
            return None;
        };
        let process = blocking(move || Process::create(installation, disk, Process::initialise)).await;
        left_out::is_here(TESTS);
        Some(Self(Arc::new(process)))
    }

    /// A streaming replica of this server, which has to be running: another server, with a copy of all of its
    /// databases that follows every change. It can be read, not written.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn replica(&self) -> Self {
        let (installation, url) = (self.0.installation.clone(), self.url("postgres"));
        let copy = move |process: &Process| process.copy_of(&url);
        let process = blocking(move || Process::create(installation, None, copy)).await;
        Self(Arc::new(process))
    }

    /// The URL of the database with this name on the server; `postgres` is always there.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.0.port)
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Where the server's files are, among them its `log`.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        &self.0.directory
    }

    /// A new, empty database on this server.
    ///
    /// # Panics
    ///
    /// If the server is not running.
    pub async fn database(&self) -> TestDatabase {
        TestDatabase::create_on_cluster(self).await
    }

    /// Runs a statement at the server, as its owner.
    ///
    /// # Panics
    ///
    /// If the server refuses it or is not running.
    pub async fn execute(&self, statement: &'static str) {
        let done = database::execute(&self.url("postgres"), statement.to_owned()).await;
        done.unwrap_or_else(|why| panic!("{statement}: {why}"));
    }

    /// Stops the server in order, closing its connections, as an operator would. Returns when it is down.
    ///
    /// # Panics
    ///
    /// If it is not running.
    pub async fn stop(&self) {
        let process = Arc::clone(&self.0);
        blocking(move || {
            process
                .pg_ctl(&["-m", "fast", "stop"])
                .unwrap_or_else(|why| panic!("{why}"))
        })
        .await;
    }

    /// Ends every process of the server with SIGKILL, so that nothing is flushed and nobody is told. Returns
    /// when nothing answers at its port any more. What was committed is there again after
    /// [`Cluster::start_again`].
    ///
    /// # Panics
    ///
    /// If it is not running.
    pub async fn kill(&self) {
        let process = Arc::clone(&self.0);
        blocking(move || process.kill()).await;
    }

    /// The ids of its processes, of which the first one started the others.
    ///
    /// # Panics
    ///
    /// If it is not running.
    #[must_use]
    pub fn processes(&self) -> Vec<String> {
        self.0.processes()
    }

    /// Whether it runs, or has given up by itself.
    pub async fn is_running(&self) -> bool {
        let process = Arc::clone(&self.0);
        blocking(move || process.pg_ctl(&["status"]).is_ok()).await
    }

    /// What it has logged.
    ///
    /// # Panics
    ///
    /// If that cannot be read.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.0.directory.join("log")).expect("a server has a log")
    }

    /// Starts the server after [`Cluster::stop`] or [`Cluster::kill`], at the same port and with the same
    /// data. Returns when it can be used.
    ///
    /// # Panics
    ///
    /// If it is running, or does not start.
    pub async fn start_again(&self) {
        let process = Arc::clone(&self.0);
        blocking(move || process.start().unwrap_or_else(|why| panic!("{why}"))).await;
    }
}

/// Runs what waits for other processes outside of the runtime, where the code under test goes on meanwhile.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(failure) => std::panic::resume_unwind(failure.into_panic()),
    }
}

/// The server's programs and files, behind the asynchronous face of [`Cluster`].
#[derive(Debug)]
struct Process {
    installation: Installation,
    account: Option<Account>,
    directory: PathBuf,
    port: u16,
    /// Held for what its drop does.
    _watchdog: Watchdog,
}

impl Process {
    /// Makes the files of a server by `fill`, where wanted on a disk of their own, and starts it.
    fn create(
        installation: Installation,
        disk: Option<u64>,
        fill: impl FnOnce(&Self) -> Result<(), String>,
    ) -> Self {
        let directory = tempfile::Builder::new().prefix("online-edu-postgres-").tempdir();
        let directory = directory.expect("a temporary directory").keep();
        let directory = directory.canonicalize().expect("a directory just created");
        // Before anything is in it, so that no moment is left in which we could die and leave something.
        let watchdog = Watchdog::over(&directory);
        let account = Account::for_server_in(&directory);
        let mut process = Self {
            installation,
            account,
            directory,
            port: 0,
            _watchdog: watchdog,
        };
        if let Some(bytes) = disk {
            let data = process.data();
            fs::create_dir(&data).expect("a directory that is ours");
            disk::mount(&data, bytes).unwrap_or_else(|why| panic!("{why}"));
            if let Some(account) = account {
                account.take(&data);
            }
        }
        fill(&process).unwrap_or_else(|why| panic!("{why}"));
        // Another process may take the port before the server does.
        let mut failure = String::new();
        for _ in 0..5 {
            process.port = settings::free_port();
            match process.start() {
                Ok(()) => return process,
                Err(why) => failure = why,
            }
        }
        panic!("{failure}");
    }

    fn initialise(&self) -> Result<(), String> {
        self.run(
            Command::new(self.installation.program("initdb"))
                .arg("--pgdata")
                .arg(self.data())
                .args([
                    "--username",
                    "postgres",
                    "--auth",
                    "trust",
                    "--encoding",
                    "UTF8",
                    "--locale",
                    "C",
                ])
                .arg("--no-sync"),
        )?;
        let settings = fs::OpenOptions::new()
            .append(true)
            .open(self.data().join("postgresql.conf"));
        settings
            .and_then(|mut file| file.write_all(settings::LINES.as_bytes()))
            .map_err(|why| why.to_string())
    }

    /// The files of a server that follows the one at `url`, settings included.
    fn copy_of(&self, url: &str) -> Result<(), String> {
        self.run(
            Command::new(self.installation.program("pg_basebackup"))
                .args(["--dbname", url, "--pgdata"])
                .arg(self.data())
                .args(["--write-recovery-conf", "--checkpoint", "fast", "--no-sync"]),
        )
    }

    fn start(&self) -> Result<(), String> {
        let log = self.directory.join("log");
        let log_argument = log.to_string_lossy();
        let port = format!("-p {}", self.port);
        self.pg_ctl(&["-l", &log_argument, "-o", &port, "start"])
            .map_err(|why| format!("{why}\n{}", fs::read_to_string(&log).unwrap_or_default()))
    }

    /// The postmaster, and after it those that it has started.
    fn processes(&self) -> Vec<String> {
        let text = fs::read_to_string(self.pid_file()).expect("the server is running");
        let postmaster = text.lines().next().unwrap_or_default();
        // Where the system does not list them, the others still end by themselves once the postmaster is
        // gone.
        let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"));
        let children = children.unwrap_or_default();
        let all = [postmaster].into_iter().chain(children.split_whitespace());
        all.map(str::to_owned).collect()
    }

    fn kill(&self) {
        let processes = self.processes();
        // The postmaster first: it would restart what dies under it. `kill` may well miss some that left
        // meanwhile.
        let mut kill = Command::new("sh");
        kill.args(["-c", "kill -KILL \"$@\" 2>/dev/null", "kill"])
            .args(&processes);
        kill.status().expect("a shell to kill with");

        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
            assert!(
                Instant::now() < deadline,
                "PostgreSQL {} survived SIGKILL",
                processes[0]
            );
            sleep(Duration::from_millis(10));
        }
        // A container without an init keeps the dead as zombies, and the next start would take that for a
        // running server.
        let _ = fs::remove_file(self.pid_file());
    }

    fn pg_ctl(&self, arguments: &[&str]) -> Result<(), String> {
        let mut command = Command::new(self.installation.program("pg_ctl"));
        command
            .arg("-D")
            .arg(self.data())
            .arg("-w")
            .arg("-t")
            .arg(PATIENCE.as_secs().to_string());
        self.run(command.args(arguments))
    }

    /// Runs one of the programs to its end. The error is what it said.
    fn run(&self, command: &mut Command) -> Result<(), String> {
        if let Some(account) = self.account {
            account.run(command);
        }
        // The present directory may be closed to that account.
        let output = command
            .current_dir(&self.directory)
            .output()
            .map_err(|why| format!("{command:?}: {why}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(format!(
            "{command:?} ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&said)
        ))
    }

    fn pid_file(&self) -> PathBuf {
        self.data().join("postmaster.pid")
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }
}

//! The command itself, as `cargo run` starts it: what it says, and how it ends.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};

use crate::support::Caller;

/// A running command. It is killed with this value, unless it has ended.
struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
    greeting: String,
}

impl Running {
    /// Starts it and reads its greeting.
    fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same with more in its environment.
    fn start_with(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = command(folder);
        command.envs(environment.iter().copied());
        let mut child = command.spawn().expect("the command starts");
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("Ctrl-C stops it") {
            let read = output.read_line(&mut greeting).unwrap();
            assert_ne!(read, 0, "it ended after saying {greeting:?}");
        }
        Self {
            child,
            output,
            greeting,
        }
    }

    /// The first word after a label of the greeting.
    fn said(&self, label: &str) -> &str {
        let found = self.greeting.split_once(&format!("{label} "));
        let (_, rest) = found.unwrap_or_else(|| panic!("no {label} in {}", self.greeting));
        rest.split_whitespace().next().unwrap()
    }

    /// Tells it to stop, as an operator does; its last words.
    fn stop(self) -> String {
        self.stop_and_read_log().0
    }

    /// The same, and what it logged.
    fn stop_and_read_log(mut self) -> (String, String) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
        let mut words = String::new();
        self.output.read_to_string(&mut words).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {words}");
        let mut log = String::new();
        let mut errors = self.child.stderr.take().unwrap();
        errors.read_to_string(&mut log).unwrap();
        (words, log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _may_have_ended = self.child.kill();
        let _may_have_ended = self.child.wait();
    }
}

/// The command with every listener on a free port, and nothing from this process's environment.
fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-cluster"));
    command
        .env_clear()
        .env("DATA_DIR", folder)
        .env("ENABLE_LOGGING", "false");
    for flag in [
        "--gateway-listen",
        "--auth-listen",
        "--course-listen",
        "--admin-listen",
    ] {
        command.args([flag, "127.0.0.1:0"]);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[tokio::test]
async fn it_greets_a_newcomer_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(folder.path());
    let api = running.said("REST").to_owned();
    let url = api.strip_suffix("/api/v1").expect("the address of the API");
    let anonymous = Caller::anonymous(reqwest::Client::new(), url.to_owned());
    anonymous.get("/api/v1/courses").await.is(200);
    let ready = anonymous.get(running.said("health")).await;
    assert_eq!(ready.status, 200, "{ready:?}");
    let mail = anonymous.get(running.said("mail")).await;
    assert_eq!(mail.status, 200, "{mail:?}");
    let (username, password) = (
        running.said("staff").to_owned(),
        running.said("password").to_owned(),
    );
    let staff = anonymous.login(&username, &password).await;
    staff.get("/api/v1/users").await.is(200);
    let words = running.stop();
    assert!(words.contains("Stopping"), "{words}");

    let again = Running::start(folder.path());
    assert!(
        again.greeting.contains("made at an earlier start"),
        "{}",
        again.greeting
    );
    assert!(!again.greeting.contains(&password), "a password is shown once");
    let url = again.said("REST").strip_suffix("/api/v1").unwrap().to_owned();
    let anonymous = Caller::anonymous(reqwest::Client::new(), url);
    anonymous.login(&username, &password).await;
    again.stop();
}

#[tokio::test]
async fn a_password_that_its_operator_chose_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let chosen = ("STAFF_PASSWORD", "zebra kettle umbrella");
    let running = Running::start_with(folder.path(), &[chosen]);
    let greeting = running.greeting.clone();
    assert!(!greeting.contains(chosen.1), "{greeting}");
    assert!(greeting.contains("password as in STAFF_PASSWORD"), "{greeting}");
    let url = running.said("REST").strip_suffix("/api/v1").unwrap().to_owned();
    let anonymous = Caller::anonymous(reqwest::Client::new(), url);
    anonymous.login(running.said("staff"), chosen.1).await;
    running.stop();
}

/// What a cluster logs about one request, with these settings.
async fn log_of_a_request(settings: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start_with(folder.path(), settings);
    let url = running.said("REST").strip_suffix("/api/v1").unwrap().to_owned();
    let anonymous = Caller::anonymous(reqwest::Client::new(), url);
    anonymous.get("/api/v1/courses").await.is(200);
    running.stop_and_read_log().1
}

#[tokio::test]
async fn every_word_for_no_switches_the_log_off() {
    let log = log_of_a_request(&[("ENABLE_LOGGING", "true")]).await;
    assert!(log.contains("request"), "{log}");
    for word in ["off", "no", "0"] {
        assert_eq!(log_of_a_request(&[("ENABLE_LOGGING", word)]).await, "", "{word}");
    }
}

#[tokio::test]
async fn a_variable_that_nothing_reads_is_warned_of() {
    let log = log_of_a_request(&[
        ("ENABLE_LOGGING", "true"),
        ("CORS_ALLOWED_ORIGINS", "http://edu.test"),
        ("EMAIL_HSOT", "localhost"),
        // The services of a cluster find each other by themselves.
        ("AUTH_URL", "http://elsewhere"),
    ])
    .await;
    let warned = |name: &str| {
        log.lines()
            .any(|line| line.contains("nothing reads this variable") && line.contains(name))
    };
    assert!(warned("EMAIL_HSOT") && warned("AUTH_URL"), "{log}");
    assert!(
        !warned("CORS_ALLOWED_ORIGINS") && !warned("ENABLE_LOGGING"),
        "{log}"
    );
}

#[tokio::test]
async fn production_logs_json() {
    let secret = "a-secret-of-at-least-32-characters";
    let log = log_of_a_request(&[
        ("ENVIRONMENT", "production"),
        ("ENABLE_LOGGING", "yes"),
        ("BASE_URL", "https://edu.example.com"),
        ("ALLOWED_HOSTS", "127.0.0.1"),
        ("EMAIL_HOST", "127.0.0.1"),
        ("SECRET_KEY", secret),
        ("SERVICE_TOKEN", secret),
    ])
    .await;
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert!(lines.iter().any(|line| line["message"] == "request"), "{log}");
}

#[test]
fn it_says_why_it_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path())
        .args(["--access-token-lifetime", "soon"])
        .env("EMAIL_PORT", "smtp")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("local-cluster: 2 of the settings cannot be used:"),
        "{said}"
    );
    assert!(
        said.contains("ACCESS_TOKEN_LIFETIME") && said.contains("EMAIL_PORT"),
        "{said}"
    );

    let unknown = command(folder.path()).arg("--no-such-setting").output().unwrap();
    assert!(!unknown.status.success());
    let help = command(folder.path()).arg("--help").output().unwrap();
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for setting in local_cluster::settings() {
        assert!(
            help.contains(&setting.name.to_lowercase().replace('_', "-")),
            "{}",
            setting.name
        );
    }
}

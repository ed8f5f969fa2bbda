//! `gateway serve` as an operator runs it.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

fn gateway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command
        .args(arguments)
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Tells it to stop, as an operator does.
fn terminate(child: &Child) {
    let mut kill = Command::new("kill");
    assert!(
        kill.args(["-TERM", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
}

fn lines(child: &mut Child, count: usize) -> Vec<String> {
    let output = BufReader::new(child.stdout.take().unwrap());
    output.lines().take(count).map(Result::unwrap).collect()
}

#[tokio::test]
async fn it_prints_where_it_listens_serves_and_stops_when_told() {
    let listen = [
        "serve",
        "--gateway-listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ];
    let mut child = gateway(&listen).spawn().unwrap();
    let printed = lines(&mut child, 2);
    let address = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
    let (serving, admin) = (address(&printed[0]), address(&printed[1]));
    assert!(
        serving.starts_with("http://127.0.0.1:") && !serving.ends_with(":0"),
        "{serving}"
    );

    let document = reqwest::get(format!("{serving}/openapi.json")).await.unwrap();
    assert_eq!(document.status().as_u16(), 200);
    let ready = reqwest::get(format!("{admin}/readyz")).await.unwrap();
    assert_eq!(ready.status().as_u16(), 200);

    terminate(&child);
    let ended = tokio::task::spawn_blocking(move || child.wait().unwrap())
        .await
        .unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test]
async fn each_request_leaves_one_line_that_holds_nothing_private() {
    let production = [
        ("ENVIRONMENT", "production"),
        ("ALLOWED_HOSTS", "127.0.0.1"),
        ("SERVICE_TOKEN", "a-service-token-of-32-characters"),
        ("GATEWAY_LISTEN", "127.0.0.1:0"),
        ("ADMIN_LISTEN", "127.0.0.1:0"),
        ("COURSE_URL", "http://127.0.0.1:1"),
    ];
    let mut child = gateway(&["serve"]).envs(production).spawn().unwrap();
    let serving = lines(&mut child, 2)[0].rsplit(' ').next().unwrap().to_owned();
    let client = reqwest::Client::new();
    let request = client.get(format!("{serving}/api/v1/courses/private-slug?private=1"));
    request
        .header("x-request-id", "my-id")
        .bearer_auth("private-token")
        .send()
        .await
        .unwrap();
    client
        .get(format!("{serving}/verify-email?token=private-token"))
        .send()
        .await
        .unwrap();

    terminate(&child);
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap())
        .await
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let of_requests: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &serde_json::Value| line["message"] == "request")
        .collect();
    assert_eq!(of_requests.len(), 2, "{log}");
    assert_eq!(of_requests[0]["request_id"], "my-id");
    assert_eq!(of_requests[0]["route"], "/api/v1/courses/{slug}");
    assert_eq!(of_requests[0]["status"], 400);
    assert_eq!(of_requests[0]["reason"], "INVALID_REQUEST");
    assert_eq!(of_requests[1]["route"], "/verify-email");
    assert!(!log.contains("private"), "{log}");
}

#[tokio::test]
async fn a_failure_is_logged_with_the_id_of_its_request() {
    // A file where the folder of kept mail should be.
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mail"), "no folder").unwrap();
    let listen = [("GATEWAY_LISTEN", "127.0.0.1:0"), ("ADMIN_LISTEN", "127.0.0.1:0")];
    let mut command = gateway(&["serve"]);
    let mut child = command
        .envs(listen)
        .env("DATA_DIR", folder.path())
        .spawn()
        .unwrap();
    let serving = lines(&mut child, 2)[0].rsplit(' ').next().unwrap().to_owned();
    let request = reqwest::Client::new().get(format!("{serving}/dev/mail"));
    let response = request.header("x-request-id", "my-id").send().await.unwrap();
    assert_eq!(response.status().as_u16(), 500);
    // What is still on its way to the log is written then.
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let failures: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(failures.len(), 1, "{log}");
    assert!(failures[0].contains("the kept mail cannot be listed"), "{log}");
    assert!(failures[0].contains("request_id=\"my-id\""), "{log}");
}

#[test]
fn settings_that_can_never_work_are_all_named() {
    let bad = [
        ("AUTH_URL", "https://auth:50051"),
        ("COURSE_URL", "http://courses:50052/v1"),
        ("ALLOWED_HOSTS", "edu.example.com:8080"),
        ("CORS_ALLOWED_ORIGINS", "https://EDU.example.com"),
    ];
    let output = gateway(&["serve"]).envs(bad).output().unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    for (name, _) in bad {
        assert!(told.contains(&format!("- {name}: ")), "{name}: {told}");
    }
}

#[test]
fn settings_that_cannot_be_used_are_all_named() {
    let output = gateway(&["serve"])
        .env("ENVIRONMENT", "production")
        .env("AUTH_URL", "nonsense")
        .output()
        .unwrap();
    assert!(!output.status.success());
    let told = String::from_utf8(output.stderr).unwrap();
    for name in ["AUTH_URL", "ALLOWED_HOSTS", "SERVICE_TOKEN"] {
        assert!(told.contains(name), "{told}");
    }
}

#[test]
fn help_names_every_setting() {
    let output = gateway(&["--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for setting in gateway::config::SETTINGS {
        assert!(help.contains(setting.name), "{}", setting.name);
    }
}

//! The process as operators see it: it names every fault, prints what it bound, and stops cleanly.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use service_runtime::grpc::channel::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

const TOKEN: &str = "service-token-for-tests-0123456789";

/// The program without a setting of its own.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_course-service"));
    command.env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running program; it ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn every_fault_is_named_before_anything_is_bound() {
    let output = program()
        .args(["serve", "--course-listen", "here", "--default-currency", "usd"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    for name in ["COURSE_LISTEN", "DEFAULT_CURRENCY", "SERVICE_TOKEN must be set"] {
        assert!(said.contains(name), "{said}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn help_names_every_variable() {
    let output = program().args(["serve", "--help"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for setting in course_service::config::SETTINGS {
        assert!(said.contains(setting.name), "{}", setting.name);
    }
}

#[test]
fn migrating_makes_the_database_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("new folder");
    for _ in 0..2 {
        let output = program()
            .args(["migrate", "--service-token", TOKEN, "--data-dir"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    assert!(data.join("course.db").exists());
}

#[tokio::test]
async fn it_prints_what_it_bound_is_healthy_and_stops_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let child = program()
        .args([
            "serve",
            "--course-listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ])
        .args(["--service-token", TOKEN, "--data-dir"])
        .arg(folder.path())
        .spawn()
        .unwrap();
    let mut running = Running(child);
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let address = line
        .strip_prefix("course-service: gRPC on ")
        .and_then(|rest| rest.split(',').next())
        .unwrap_or_else(|| panic!("{line:?}"));

    let mut health = HealthClient::new(Channel::to(&format!("http://{address}")).unwrap());
    for service in ["", "onlineedu.course.v1.CourseService"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service:?}");
    }

    let told = Command::new("kill")
        .arg(running.0.id().to_string())
        .status()
        .unwrap();
    assert!(told.success());
    let ended = tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            if let Some(status) = running.0.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(ended.await.unwrap().success());
}

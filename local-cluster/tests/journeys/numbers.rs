//! What an operator's Prometheus reads after people have used the whole.

use std::time::Duration;

use crate::support::World;

#[tokio::test]
async fn every_service_counts_what_it_does() {
    let world = World::on_sqlite().await;
    world.user("ada").await;
    let anonymous = world.anonymous();
    anonymous.get("/api/v1/courses").await.is(200);
    anonymous.get("/invented/by/a/caller").await.is(404);
    let url = format!("http://{}/metrics", world.cluster.as_local().admin);
    // What is only looked at now and then appears a moment later.
    let mut told = String::new();
    for _ in 0..100 {
        told = reqwest::get(&url).await.unwrap().text().await.unwrap();
        if told.contains("mail_queued ") && told.contains("database_connections") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for line in [
        "http_server_requests_total{method=\"GET\",route=\"/api/v1/courses\",status=\"200\"} ",
        "http_server_requests_total{method=\"-\",route=\"-\",status=\"404\"} ",
        "http_server_request_seconds_count{route=\"/api/v1/courses\"} ",
        "grpc_server_requests_total{method=\"onlineedu.course.v1.CourseService/ListCourses\",code=\"OK\"} ",
        "grpc_server_requests_total{method=\"onlineedu.auth.v1.SessionService/Login\",code=\"OK\"} ",
        "grpc_server_request_seconds_count{method=\"onlineedu.auth.v1.AccountService/Register\"} ",
        "database_connections{database=\"auth\",work=\"writes\",state=\"used\"} ",
        "database_connections{database=\"course\",work=\"reads\",state=\"idle\"} ",
        "password_job_seconds_count ",
        "password_job_wait_seconds_count ",
        "password_jobs_waiting ",
        "mail_attempts_total{outcome=\"sent\"} ",
        "mail_queued ",
        "mail_oldest_queued_seconds ",
    ] {
        assert!(
            told.lines().any(|told| told.starts_with(line)),
            "{line} in {told}"
        );
    }
    assert!(!told.contains("invented") && !told.contains("ada@"), "{told}");
}

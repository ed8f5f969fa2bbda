//! A gateway of its own for each test.

use std::{net::SocketAddr, time::Duration};

use gateway::{config::Config, server};
use reqwest::{Client, Method, RequestBuilder, redirect::Policy};
use serde_json::Value;
use service_runtime::{lifecycle::Tasks, listen::bind_many, settings::Values};

use super::Fake;

/// What the gateway of the tests shows the services.
pub const SERVICE_TOKEN: &str = "a-service-token-of-32-characters";

/// A running gateway and what is behind it.
pub struct Gateway {
    /// Where it listens.
    pub address: SocketAddr,
    /// Behind the routes of auth-service.
    pub auth: Fake,
    /// Behind the routes of course-service.
    pub course: Fake,
    /// Its tasks.
    pub tasks: Tasks,
    client: Client,
}

impl Gateway {
    /// Starts one with the default settings.
    pub fn start() -> Self {
        Self::start_with(|values| values)
    }

    /// Starts one with settings of the test's own.
    pub fn start_with(settings: impl FnOnce(Values) -> Values) -> Self {
        let (auth, auth_address) = Fake::start();
        let (course, course_address) = Fake::start();
        let values = Values::default()
            .with("AUTH_URL", format!("http://{auth_address}"))
            .with("COURSE_URL", format!("http://{course_address}"))
            .with("SERVICE_TOKEN", format!("{SERVICE_TOKEN},{}", "o".repeat(32)))
            .with("SHUTDOWN_GRACE", "5s");
        let config = Config::from_values(&settings(values)).unwrap();
        let listeners = bind_many("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let address = listeners[0].local_addr().unwrap();
        let tasks = Tasks::default();
        server::serve(&config, listeners, &tasks).unwrap();
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        Self {
            address,
            auth,
            course,
            tasks,
            client,
        }
    }

    /// A request to send.
    pub fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    /// Sends a request; the status and the JSON of the answer.
    pub async fn send(&self, request: RequestBuilder) -> (u16, Value) {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body = response.text().await.unwrap();
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    /// Sends a body as JSON.
    pub async fn send_json(&self, method: &str, path: &str, body: impl Into<String>) -> (u16, Value) {
        let request = self
            .request(method, path)
            .header("content-type", "application/json");
        self.send(request.body(body.into())).await
    }

    /// GETs a path.
    pub async fn get(&self, path: &str) -> (u16, Value) {
        self.send(self.request("GET", path)).await
    }

    /// Whether it still serves.
    pub async fn assert_serves(&self) {
        let (status, _) = self.get("/api/v1/courses").await;
        assert_eq!(status, 200);
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

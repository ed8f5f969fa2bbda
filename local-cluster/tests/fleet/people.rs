//! The people who use the fleet, over REST and HTTP/2, through whichever gateway there is.

use std::{net::SocketAddr, time::Duration};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::STAFF;

/// Somebody with a client of their own.
#[derive(Clone)]
pub struct Person {
    client: Client,
    base: String,
    pub access: String,
    pub refresh: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub etag: String,
    /// What it is: its `Content-Type`.
    pub kind: String,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    pub body: String,
}

impl Answer {
    /// Whether it is the one answer that an outage may have: a problem with the status 503 that says when to try
    /// again.
    pub fn is_outage(&self) -> bool {
        self.status == 503 && self.retry_after.is_some() && self.is_problem()
    }

    /// Whether it says that asking again later may help.
    pub fn is_later(&self) -> bool {
        [429, 502, 503, 504].contains(&self.status)
    }

    /// Whether it is a problem of its status that has a request id and shows nothing of the inside.
    pub fn is_problem(&self) -> bool {
        let (problem, body) = (self.json(), self.body.to_lowercase());
        let shows = ["postgres", "sql", "127.0.0", "panicked", "returned from"];
        self.kind == "application/problem+json"
            && problem["status"] == self.status
            && problem["request_id"].is_string()
            && !shows.iter().any(|word| body.contains(word))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Person {
    /// Somebody who has not logged in. `turn` decides which gateway is asked first.
    pub fn stranger(gateways: &[SocketAddr], turn: usize) -> Self {
        let mut addresses = gateways.to_vec();
        addresses.rotate_left(turn % gateways.len());
        let client = Client::builder()
            .http2_prior_knowledge()
            .resolve_to_addrs("edu.test", &addresses)
            .timeout(Duration::from_secs(15))
            .build()
            .unwrap();
        Self {
            client,
            base: format!("http://edu.test:{}", gateways[0].port()),
            access: String::new(),
            refresh: String::new(),
        }
    }

    /// A staff member who has just logged in.
    pub async fn staff(gateways: &[SocketAddr], turn: usize) -> Self {
        let mut person = Self::stranger(gateways, turn);
        let login = json!({"username": STAFF.0, "password": STAFF.1});
        let answer = person
            .send(Method::POST, "/auth/login", Some(login), &[])
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        person.take(&answer);
        person
    }

    /// The same client with another access token; with an empty one it sends none.
    pub fn with_access(&self, access: &str) -> Self {
        Self {
            access: access.to_owned(),
            ..self.clone()
        }
    }

    /// Uses the tokens of this answer from now on.
    pub fn take(&mut self, answer: &Answer) {
        let token = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        (self.access, self.refresh) = (token("access"), token("refresh"));
    }

    /// The body of a request for new tokens.
    pub fn refreshing(&self) -> Value {
        json!({"refresh": self.refresh})
    }

    /// Asks for something.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.client.request(method, format!("{}/api/v1{path}", self.base));
        if !self.access.is_empty() {
            request = request.bearer_auth(&self.access);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await?;
        let header = |name: &str| {
            let value = response.headers().get(name);
            value
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        Ok(Answer {
            status: response.status().as_u16(),
            etag: header("etag"),
            kind: header("content-type"),
            retry_after: header("retry-after").parse().ok(),
            body: response.text().await?,
        })
    }
}

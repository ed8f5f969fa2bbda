//! The people who use the fleet, over REST and HTTP/2, through whichever gateway there is.

use std::{net::SocketAddr, time::Duration};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::fleet::STAFF;

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
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Person {
    /// A staff member who has just logged in. `turn` decides which gateway is asked first.
    pub async fn staff(gateways: &[SocketAddr], turn: usize) -> Self {
        let mut addresses = gateways.to_vec();
        addresses.rotate_left(turn % gateways.len());
        let client = Client::builder()
            .http2_prior_knowledge()
            .resolve_to_addrs("edu.test", &addresses)
            .timeout(Duration::from_secs(15))
            .build()
            .unwrap();
        let mut person = Self {
            client,
            base: format!("http://edu.test:{}", gateways[0].port()),
            access: String::new(),
            refresh: String::new(),
        };
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

    fn take(&mut self, answer: &Answer) {
        let token = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
        (self.access, self.refresh) = (token("access"), token("refresh"));
    }

    /// Goes on with the session; a token is taken over only when it came.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn refreshed(&mut self) -> Result<Answer, reqwest::Error> {
        let body = json!({"refresh": self.refresh});
        let answer = self.send(Method::POST, "/auth/refresh", Some(body), &[]).await?;
        if answer.status == 200 {
            self.take(&answer);
        }
        Ok(answer)
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
        let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok());
        Ok(Answer {
            status: response.status().as_u16(),
            etag: etag.unwrap_or_default().to_owned(),
            body: response.text().await?,
        })
    }
}

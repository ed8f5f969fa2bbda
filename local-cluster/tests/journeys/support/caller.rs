//! Somebody who calls: nobody in particular, or a person with a session.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Answer, Call};

/// Somebody who calls over REST.
#[derive(Clone)]
pub struct Caller {
    http: reqwest::Client,
    url: String,
    session: Option<Session>,
}

/// An open session and the id of whose it is.
#[derive(Clone)]
struct Session {
    id: String,
    access: String,
    refresh: String,
}

impl Caller {
    /// Somebody without a token.
    pub fn anonymous(http: reqwest::Client, url: String) -> Self {
        Self {
            http,
            url,
            session: None,
        }
    }

    /// Logs in; a session of its own at each call.
    pub async fn login(&self, username: &str, password: &str) -> Self {
        self.with(&self.try_login(username, password).await.is(200))
    }

    /// Logs in with a second factor.
    pub async fn login_with_code(&self, username: &str, password: &str, code: &str) -> Self {
        let body = json!({"username": username, "password": password, "code": code});
        self.with(&self.post("/api/v1/auth/login", body).await.is(200))
    }

    /// What logging in answers.
    pub async fn try_login(&self, username: &str, password: &str) -> Answer {
        let body = json!({"username": username, "password": password});
        self.post("/api/v1/auth/login", body).await
    }

    /// Goes on with the session: the same caller with the tokens that came back.
    pub async fn refreshed(&self) -> Self {
        self.with(&self.try_refresh().await.is(200))
    }

    /// What going on with the session answers.
    pub async fn try_refresh(&self) -> Answer {
        let body = json!({"refresh": self.refresh()});
        self.post("/api/v1/auth/refresh", body).await
    }

    /// The caller with the tokens in an answer.
    pub fn with(&self, tokens: &Answer) -> Self {
        let text = |value: &Value| value.as_str().expect("a token pair is whole").to_owned();
        let json = tokens.json();
        Self {
            session: Some(Session {
                id: text(&json["user"]["id"]),
                access: text(&json["access"]),
                refresh: text(&json["refresh"]),
            }),
            ..self.clone()
        }
    }

    /// Whether the access token is good now.
    pub async fn is_known(&self) -> bool {
        let answer = self.get("/api/v1/me").await;
        match answer.status {
            200 => true,
            401 => false,
            _ => panic!("{answer:?}"),
        }
    }

    /// Waits until course-service has heard that they are not to be let in any more: it may remember them.
    pub async fn is_forgotten(&self) {
        let hearing = async {
            while self.get("/api/v1/courses").await.status != 401 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let heard = tokio::time::timeout(Duration::from_secs(10), hearing).await;
        heard.expect("every service hears of it");
    }

    pub fn id(&self) -> &str {
        &self.session().id
    }

    pub fn access(&self) -> &str {
        &self.session().access
    }

    pub fn refresh(&self) -> &str {
        &self.session().refresh
    }

    pub fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub fn head(&self, path: &str) -> Call {
        self.call(Method::HEAD, path)
    }

    pub fn delete(&self, path: &str) -> Call {
        self.call(Method::DELETE, path)
    }

    pub fn post(&self, path: &str, body: Value) -> Call {
        self.call(Method::POST, path).json(&body)
    }

    pub fn patch(&self, path: &str, body: Value) -> Call {
        self.call(Method::PATCH, path).json(&body)
    }

    /// Any call; an address of its own may stand instead of a path.
    pub fn call(&self, method: Method, path: &str) -> Call {
        let address = match path.starts_with('/') {
            true => format!("{}{path}", self.url),
            false => path.to_owned(),
        };
        let call = Call::new(
            self.http.request(method.clone(), &address),
            format!("{method} {path}"),
        );
        match &self.session {
            Some(session) => call.header("authorization", &format!("Bearer {}", session.access)),
            None => call,
        }
    }

    /// The same caller with another access token.
    pub fn with_access(&self, access: &str) -> Self {
        let mut other = self.clone();
        if let Some(session) = &mut other.session {
            access.clone_into(&mut session.access);
        }
        other
    }

    /// The same caller at another address.
    pub fn at(&self, url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ..self.clone()
        }
    }

    fn session(&self) -> &Session {
        self.session.as_ref().expect("this caller is logged in")
    }
}

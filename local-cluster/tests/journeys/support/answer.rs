//! What came back over REST, and what the contract says of every answer.

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::shape;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
    /// What was asked, for the message of a failed test.
    pub(super) what: String,
}

impl Answer {
    /// Asserts the status. A refusal has to be a whole problem.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(
            self.status, status,
            "{}: {}\n{:?}",
            self.what, self.body, self.headers
        );
        if status >= 400 {
            self.assert_problem();
        }
        self
    }

    /// Asserts a refusal: its status, its reason and its sentence.
    #[track_caller]
    pub fn refused(self, status: u16, reason: &str, detail: &str) -> Self {
        let problem = self.is(status);
        let json = problem.json();
        assert_eq!(json["reason"], reason, "{}: {json}", problem.what);
        assert_eq!(json["detail"], detail, "{}: {json}", problem.what);
        problem
    }

    /// Asserts a 400 about exactly these fields, in this order; the first sentence is the detail.
    #[track_caller]
    pub fn about(self, fields: &[(&str, &str)]) -> Self {
        let problem = self.is(400);
        assert_eq!(problem.errors(), fields, "{}", problem.what);
        let detail = problem.json()["detail"].clone();
        assert_eq!(
            Some(detail.as_str().unwrap()),
            fields.first().map(|field| field.1)
        );
        problem
    }

    /// The fields a problem is about, and the sentence about each.
    #[track_caller]
    pub fn errors(&self) -> Vec<(&'static str, &'static str)> {
        let text = |value: &Value| -> &'static str { value.as_str().unwrap().to_owned().leak() };
        let json = self.json();
        let errors = json["errors"].as_array().expect("a problem lists its fields");
        errors
            .iter()
            .map(|error| (text(&error["field"]), text(&error["message"])))
            .collect()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {:?}", self.what, self.body))
    }

    /// Asserts that the body is a resource with exactly these members.
    #[track_caller]
    pub fn has(&self, members: &[&str]) -> &Self {
        assert_eq!(
            self.header("content-type"),
            Some("application/json"),
            "{}",
            self.what
        );
        shape::assert_members(&self.json(), members);
        self
    }

    /// Asserts that there is no body.
    #[track_caller]
    pub fn is_empty(&self) -> &Self {
        assert_eq!(self.body, "", "{}", self.what);
        self
    }

    /// A header, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts that it is a problem as the contract writes them, and that it tells nothing it must not.
    #[track_caller]
    pub fn assert_problem(&self) {
        let what = format!("{}: {} {}", self.what, self.status, self.body);
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{what}"
        );
        let json = self.json();
        let canonical = json.get("canonical_slug").is_some();
        let members = [
            "type",
            "title",
            "status",
            "detail",
            "code",
            "reason",
            "request_id",
            "errors",
        ];
        let members = members.iter().chain(canonical.then_some(&"canonical_slug"));
        shape::assert_members(&json, &members.copied().collect::<Vec<_>>());
        assert_eq!(json["type"], "about:blank", "{what}");
        assert_eq!(json["status"], self.status, "{what}");
        assert_eq!(json["request_id"].as_str(), self.header("x-request-id"), "{what}");
        for member in ["title", "detail", "code", "reason", "request_id"] {
            assert!(
                json[member].as_str().is_some_and(|text| !text.is_empty()),
                "{what}"
            );
        }
        for error in json["errors"].as_array().expect("a list") {
            shape::assert_members(error, &["field", "message"]);
        }
        match self.status {
            401 => assert!(self.header("www-authenticate").is_some(), "{what}"),
            429 | 503 => assert!(self.header("retry-after").is_some(), "{what}"),
            _ => {}
        }
        for inside in [
            "SELECT ",
            "INSERT ",
            "sqlx",
            "tonic",
            "panicked",
            ".rs:",
            "127.0.0.1",
        ] {
            assert!(!self.body.contains(inside), "{inside:?} in {what}");
        }
    }
}

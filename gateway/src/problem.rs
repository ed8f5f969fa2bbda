//! A refusal as REST callers see it: `application/problem+json` (RFC 9457) with the contract's members.
//!
//! Whoever refuses returns a [`Problem`]; it travels as an extension of an empty response and is written out
//! once, at the edge, where the request's id is known.

mod status;

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use service_runtime::grpc::refusal::{FieldError, code_name};
use tonic::Code;

pub use self::status::from_status;

/// The most field errors one answer names; a hostile body can hold a hundred thousand.
pub const MOST_FIELD_ERRORS: usize = 100;

/// What is told when a deadline passed, whoever noticed.
const TOO_LATE: &str = "The answer took too long.";

/// Why a request is refused.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// The gRPC code that says the same.
    pub code: Code,
    /// The machine-readable reason.
    pub reason: Cow<'static, str>,
    /// A sentence for people.
    pub detail: Cow<'static, str>,
    /// What is wrong with which field.
    pub errors: Vec<FieldError>,
    /// The current name of what was asked for by an old one: member and value.
    pub canonical: Option<Box<(String, String)>>,
    /// Headers that belong to the refusal.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem without fields.
    pub fn new(
        status: StatusCode,
        code: Code,
        reason: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code,
            reason: reason.into(),
            detail: detail.into(),
            errors: Vec::new(),
            canonical: None,
            headers: Vec::new(),
        }
    }

    /// A request that cannot be read, with a sentence that says why.
    pub fn bad_request(reason: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, reason, detail)
    }

    /// A request with wrong fields; the first message is the sentence.
    pub fn fields(mut errors: Vec<FieldError>) -> Self {
        errors.truncate(MOST_FIELD_ERRORS);
        let detail = errors
            .first()
            .map_or_else(String::new, |first| first.message.clone());
        Self {
            errors,
            ..Self::bad_request("INVALID_REQUEST", detail)
        }
    }

    /// A request with one wrong field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::fields(vec![FieldError::new(field, message)])
    }

    /// A bug of ours; its sentence is made where the request's id is known.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "INTERNAL", "")
    }

    /// A request that was not answered in time.
    pub fn too_late() -> Self {
        Self::new(
            StatusCode::GATEWAY_TIMEOUT,
            Code::DeadlineExceeded,
            "DEADLINE_EXCEEDED",
            TOO_LATE,
        )
    }

    /// More is asked at once than there is room for.
    pub fn overloaded() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            Code::ResourceExhausted,
            "OVERLOADED",
            "Too much is asked at once; try again in a moment.",
        )
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// A path that nothing is at.
    pub fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Code::NotFound,
            "ROUTE_NOT_FOUND",
            "There is nothing at this address.",
        )
    }

    /// A method that a path does not have. The router adds which ones it has.
    pub fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Code::Unimplemented,
            "METHOD_NOT_ALLOWED",
            "This address does not have this method.",
        )
    }

    /// Adds a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The sentence for people. Of a bug they learn nothing but the request's id.
    pub fn sentence(&self, request_id: &str) -> Cow<'_, str> {
        match self.status {
            StatusCode::INTERNAL_SERVER_ERROR => {
                format!("Something went wrong. Request id: {request_id}").into()
            }
            _ => Cow::Borrowed(&self.detail),
        }
    }

    /// Writes the problem out, for the request with this id.
    pub fn render(self, request_id: &str) -> Response {
        let mut members = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.sentence(request_id),
            "code": code_name(self.code),
            "reason": self.reason,
            "request_id": request_id,
            "errors": self.errors.iter().map(Listed::from).collect::<Vec<_>>(),
        });
        if let Some(canonical) = self.canonical {
            let (member, value) = *canonical;
            members[member] = value.into();
        }
        let mut response = (self.status, members.to_string()).into_response();
        let headers = response.headers_mut();
        headers.extend(self.headers);
        let media_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, media_type);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A field error as it is listed in `errors`.
#[derive(Serialize)]
struct Listed<'a> {
    field: &'a str,
    message: &'a str,
}

impl<'a> From<&'a FieldError> for Listed<'a> {
    fn from(error: &'a FieldError) -> Self {
        Self {
            field: &error.field,
            message: &error.message,
        }
    }
}

//! What comes with every request besides its message: its id, its deadline, its trace, its sender, its bearer
//! token. And, once it is known, who calls.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use tonic::{Code, Status, metadata::MetadataMap};
use uuid::Uuid;

use crate::{entropy::Entropy, grpc::refusal::Refusal, telemetry::traceparent::TRACEPARENT};

/// The metadata key of the request id.
pub const REQUEST_ID: &str = "x-request-id";
/// The metadata key under which services show each other who they are.
pub const SERVICE_TOKEN: &str = "x-service-token";
/// The metadata key in which the gateway tells a client's network address.
pub const CLIENT_ADDRESS: &str = "x-client-address";
/// The metadata key in which the gateway tells what a client's device calls itself.
pub const CLIENT_USER_AGENT: &str = "x-client-user-agent";
/// The metadata key in which an answer tells whose user id the caller has.
pub const CALLER_ID: &str = "x-caller-id";
/// The metadata key in which the answer of a method that makes something says, by `true`, that it was there already.
pub const EXISTING: &str = "x-existing";
/// How long a request without a deadline may take.
pub const LONGEST_REQUEST: Duration = Duration::from_secs(30);

/// The user id of whoever sent a request, once it is known. Clones share it.
pub type KnownCaller = Arc<OnceLock<Uuid>>;

/// What comes with a request besides its message. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// Names the request in every log line and error, across services.
    pub request_id: Arc<str>,
    /// The method that was called, `package.Service/Method`.
    pub method: Arc<str>,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// The trace that it is part of: this service's own span where there are traces, else the caller's.
    pub traceparent: Option<HeaderValue>,
    /// The address that the connection comes from; `None` when there is no connection.
    pub peer: Option<IpAddr>,
    /// Who calls.
    pub caller: KnownCaller,
}

impl RequestContext {
    /// The context that the server left with a request.
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        Self::in_extensions(request.extensions())
    }

    /// The same, of a request that has not been read yet.
    pub fn in_extensions(extensions: &http::Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_else(|| Self {
            request_id: "unknown".into(),
            method: "unknown".into(),
            deadline: Instant::now() + LONGEST_REQUEST,
            traceparent: None,
            peer: None,
            caller: Arc::default(),
        })
    }

    /// Notes who calls, for the log.
    pub fn called_by(&self, user_id: Uuid) {
        // Who it was found to be first is who it stays.
        let _known = self.caller.set(user_id);
    }

    /// How long the caller still waits.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// A request to another service on behalf of this one: same id and trace, what is left of the deadline.
    pub fn onward<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(self.time_left());
        if let Ok(id) = self.request_id.parse() {
            request.metadata_mut().insert(REQUEST_ID, id);
        }
        if let Some(Ok(trace)) = self.traceparent.as_ref().map(|trace| trace.as_bytes().try_into()) {
            request.metadata_mut().insert(TRACEPARENT, trace);
        }
        request
    }
}

/// Who a service found to have called, by what came with its answer.
pub fn caller_id(metadata: &MetadataMap) -> Option<Uuid> {
    Uuid::try_parse(metadata.get(CALLER_ID)?.to_str().ok()?).ok()
}

/// Whether what an answer tells of was there already, by what came with it.
pub fn is_existing(metadata: &MetadataMap) -> bool {
    metadata.get(EXISTING).is_some_and(|word| word == "true")
}

/// A caller's request id, if it is one that may stand in a log: 1 to 128 characters of `A-Za-z0-9._~-`.
pub fn sane_request_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    is_sane_request_id(id).then_some(id)
}

/// Whether a request id may stand in a log.
pub fn is_sane_request_id(id: &str) -> bool {
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
    (1..=128).contains(&id.len()) && id.bytes().all(sane)
}

/// A new request id: 16 random bytes in hex.
pub fn new_request_id(entropy: &Entropy) -> String {
    let bytes: [u8; 16] = entropy.bytes().unwrap_or_default();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A deadline as gRPC writes it: up to eight digits and a unit.
pub fn grpc_timeout(value: &HeaderValue) -> Option<Duration> {
    let (digits, unit) = value
        .to_str()
        .ok()?
        .split_at_checked(value.len().checked_sub(1)?)?;
    // A parser of numbers would take a sign too.
    if digits.len() > 8 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// The bearer token in the headers of a request: `Ok(None)` without an `authorization`, `Err` when there is one that is
/// not exactly one `Bearer <token>`.
///
/// # Errors
/// `UNAUTHENTICATED` (`TOKEN_INVALID`).
pub fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Status> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = match (values.next(), values.next(), headers.get("authorization-bin")) {
        (None, _, None) => return Ok(None),
        (Some(value), None, None) => value.to_str().ok(),
        _ => None,
    };
    let token = value.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
    });
    token.map(Some).ok_or_else(bad_token)
}

/// The refusal of a request whose access token is missing.
pub fn no_token() -> Status {
    Refusal::new(
        Code::Unauthenticated,
        "TOKEN_REQUIRED",
        "Authentication is required.",
    )
    .into()
}

/// The refusal of a request whose access token is not valid, whatever is wrong with it.
pub fn bad_token() -> Status {
    Refusal::new(
        Code::Unauthenticated,
        "TOKEN_INVALID",
        "The access token is not valid.",
    )
    .into()
}

/// The reason of a refusal whose caller is known but has to prove anew who they are (RFC 9470), by a second factor.
pub const STEP_UP: &str = "INSUFFICIENT_USER_AUTHENTICATION";
/// The same where only logging in again does it. The challenge is the same; the reason is what tells a front end which
/// of the two to ask for.
pub const LOGIN_TOO_OLD: &str = "LOGIN_TOO_OLD";
/// The fact in such a refusal that says how long ago that may be, in seconds.
pub const MAX_AGE: &str = "max_age";

/// The refusal of what needs a second factor that was used within `max_age`.
pub fn step_up_needed(max_age: Duration) -> Status {
    let minutes = max_age.as_secs() / 60;
    let sentence = format!("A second factor used in the last {minutes} minutes is required.");
    insufficient(STEP_UP, sentence, max_age)
}

/// The refusal of what needs somebody who logged in within `max_age`.
pub fn login_needed(max_age: Duration) -> Status {
    let minutes = max_age.as_secs() / 60;
    let sentence = format!("Please log in again: this needs a login of the last {minutes} minutes.");
    insufficient(LOGIN_TOO_OLD, sentence, max_age)
}

fn insufficient(reason: &'static str, sentence: String, max_age: Duration) -> Status {
    Refusal::new(Code::Unauthenticated, reason, sentence)
        .with(MAX_AGE, max_age.as_secs().to_string())
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_to_be_proved_anew_says_how_and_how_fresh() {
        use tonic_types::StatusExt;
        let age = Duration::from_secs(300);
        for (status, reason, sentence) in [
            (
                step_up_needed(age),
                "INSUFFICIENT_USER_AUTHENTICATION",
                "A second factor used in the last 5 minutes is required.",
            ),
            (
                login_needed(age),
                "LOGIN_TOO_OLD",
                "Please log in again: this needs a login of the last 5 minutes.",
            ),
        ] {
            assert_eq!(status.code(), Code::Unauthenticated);
            assert_eq!(status.message(), sentence);
            let info = status.get_details_error_info().unwrap();
            assert_eq!(info.reason, reason);
            assert_eq!(info.metadata["max_age"], "300");
        }
    }

    #[test]
    fn deadlines_are_read_as_grpc_writes_them() {
        let read = |text: &'static str| grpc_timeout(&HeaderValue::from_static(text));
        assert_eq!(read("100m"), Some(Duration::from_millis(100)));
        assert_eq!(read("3S"), Some(Duration::from_secs(3)));
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        for text in ["", "m", "3", "100000000S", "-1S", "+1S", "3s"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn only_sane_request_ids_are_taken_over() {
        let take = |id: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(id).unwrap());
            sane_request_id(&headers).map(str::to_owned)
        };
        assert_eq!(take("abc-123").as_deref(), Some("abc-123"));
        for id in ["", "a b", "a\"b", "é", &"x".repeat(129)] {
            assert_eq!(take(id), None, "{id}");
        }
    }

    #[test]
    fn a_bearer_token_is_one_word_after_one_scheme() {
        let with = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_static(value));
            }
            bearer(&headers).map(|token| token.map(str::to_owned))
        };
        assert_eq!(with(&[]).unwrap(), None);
        assert_eq!(with(&["Bearer a.b.c"]).unwrap().as_deref(), Some("a.b.c"));
        assert_eq!(with(&["bearer a.b.c"]).unwrap().as_deref(), Some("a.b.c"));
        for bad in [
            &["Basic abc"][..],
            &["Bearer "],
            &["Bearer"],
            &["Bearer a b"],
            &["Bearer a", "Bearer b"],
        ] {
            assert_eq!(with(bad).unwrap_err().code(), Code::Unauthenticated);
        }
    }
}

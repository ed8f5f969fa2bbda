//! The one table from gRPC statuses to problems.
//!
//! Text of a status reaches the caller only when our own services wrote it (it has their `ErrorInfo`) and
//! its code is one that speaks to callers; anything else gets a fixed sentence, because libraries and
//! proxies put hosts and causes into theirs.

use std::{error::Error, time::Duration};

use http::{HeaderValue, StatusCode, header};
use service_runtime::grpc::{
    context::{LOGIN_TOO_OLD, MAX_AGE, STEP_UP},
    refusal::{DOMAIN, FieldError},
};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use super::{Problem, TOO_LATE};

/// The problem that a status is. `etag_sent`: whether the request named a version, which is what tells a
/// lost race from a version that no longer matches.
pub fn from_status(status: &Status, etag_sent: bool) -> Problem {
    let details = status.get_error_details();
    let own = details.error_info().filter(|info| info.domain == DOMAIN);
    let row = row(status, own.map(|info| info.reason.as_str()), etag_sent);
    let mut problem = Problem::new(row.status, row.code, row.reason, row.sentence);
    if row.speaks_to_callers
        && let Some(own) = own
    {
        problem.reason = own.reason.clone().into();
        problem.detail = status.message().to_owned().into();
        problem.errors = fields(&details);
        if let Some(first) = problem.errors.first() {
            problem.detail = first.message.clone().into();
        }
    }
    match problem.status {
        StatusCode::UNAUTHORIZED => {
            let challenge = match &*problem.reason {
                "TOKEN_INVALID" => {
                    HeaderValue::from_static("Bearer realm=\"onlineedu\", error=\"invalid_token\"")
                }
                STEP_UP | LOGIN_TOO_OLD => prove_anew(own.and_then(|own| own.metadata.get(MAX_AGE))),
                _ => HeaderValue::from_static("Bearer realm=\"onlineedu\""),
            };
            problem.with_header(header::WWW_AUTHENTICATE, challenge)
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            let wait = details.retry_info().and_then(|info| info.retry_delay);
            problem.with_header(header::RETRY_AFTER, whole_seconds(wait))
        }
        _ => problem,
    }
}

struct Row {
    status: StatusCode,
    code: Code,
    reason: &'static str,
    sentence: &'static str,
    speaks_to_callers: bool,
}

fn row(status: &Status, reason: Option<&str>, etag_sent: bool) -> Row {
    let to_callers = |http, reason, sentence| Row {
        status: http,
        code: status.code(),
        reason,
        sentence,
        speaks_to_callers: true,
    };
    let fixed = |http, code, reason, sentence| Row {
        status: http,
        code,
        reason,
        sentence,
        speaks_to_callers: false,
    };
    let unavailable = "The service is not available; try again later.";
    match (status.code(), reason) {
        // The client library's own: the connection was lost while the answer was read. What a service sends
        // has no source.
        (Code::Unknown | Code::Internal, None) if status.source().is_some() => fixed(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Unavailable,
            "UNAVAILABLE",
            unavailable,
        ),
        (_, Some("ETAG_REQUIRED")) => to_callers(
            StatusCode::PRECONDITION_REQUIRED,
            "ETAG_REQUIRED",
            "The version must be named by If-Match.",
        ),
        (_, Some("IDEMPOTENCY_KEY_REUSED")) => to_callers(
            StatusCode::UNPROCESSABLE_ENTITY,
            "IDEMPOTENCY_KEY_REUSED",
            "This key was used with other input.",
        ),
        (Code::InvalidArgument, _) => to_callers(
            StatusCode::BAD_REQUEST,
            "INVALID_ARGUMENT",
            "The request is not valid.",
        ),
        (Code::FailedPrecondition, _) => to_callers(
            StatusCode::BAD_REQUEST,
            "FAILED_PRECONDITION",
            "The present state does not allow this.",
        ),
        // Without a reason of ours this is the client library: a message above its size limit.
        (Code::OutOfRange, Some(_)) => to_callers(
            StatusCode::BAD_REQUEST,
            "OUT_OF_RANGE",
            "A value is out of range.",
        ),
        (Code::Unauthenticated, _) => to_callers(
            StatusCode::UNAUTHORIZED,
            "UNAUTHENTICATED",
            "Authentication is required.",
        ),
        (Code::PermissionDenied, _) => {
            to_callers(StatusCode::FORBIDDEN, "PERMISSION_DENIED", "This is not allowed.")
        }
        (Code::NotFound, _) => to_callers(StatusCode::NOT_FOUND, "NOT_FOUND", "Not found."),
        (Code::AlreadyExists, _) => {
            to_callers(StatusCode::CONFLICT, "ALREADY_EXISTS", "This exists already.")
        }
        (Code::Aborted, _) if etag_sent => to_callers(
            StatusCode::PRECONDITION_FAILED,
            "ETAG_MISMATCH",
            "It was changed in the meantime.",
        ),
        (Code::Aborted, _) => to_callers(
            StatusCode::CONFLICT,
            "ABORTED",
            "It was changed at the same time; try again.",
        ),
        (Code::ResourceExhausted, _) => to_callers(
            StatusCode::TOO_MANY_REQUESTS,
            "RESOURCE_EXHAUSTED",
            "Too many requests; try again later.",
        ),
        (Code::Unavailable, _) => to_callers(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", unavailable),
        (Code::DeadlineExceeded, _) => timed_out(),
        // A cancellation by the service means that it is going away.
        (Code::Cancelled, _) => fixed(
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Unavailable,
            "UNAVAILABLE",
            unavailable,
        ),
        (Code::Unimplemented, _) => fixed(
            StatusCode::NOT_IMPLEMENTED,
            Code::Unimplemented,
            "UNIMPLEMENTED",
            "This is not available yet.",
        ),
        (Code::Ok | Code::Unknown | Code::Internal | Code::DataLoss | Code::OutOfRange, _) => {
            fixed(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, "INTERNAL", "")
        }
    }
}

fn timed_out() -> Row {
    Row {
        status: StatusCode::GATEWAY_TIMEOUT,
        code: Code::DeadlineExceeded,
        reason: "DEADLINE_EXCEEDED",
        sentence: TOO_LATE,
        speaks_to_callers: false,
    }
}

fn fields(details: &ErrorDetails) -> Vec<FieldError> {
    let violations = details.bad_request().map(|bad| bad.field_violations.as_slice());
    let violations = violations.unwrap_or_default().iter();
    violations
        .map(|one| FieldError::new(&one.field, &one.description))
        .collect()
}

/// The challenge of a caller who has to prove anew who they are (RFC 9470 §3), within so many seconds.
fn prove_anew(max_age: Option<&String>) -> HeaderValue {
    let bare = "Bearer realm=\"onlineedu\", error=\"insufficient_user_authentication\"";
    let told = max_age.and_then(|text| text.parse::<u32>().ok());
    let whole = told.and_then(|seconds| format!("{bare}, max_age={seconds}").parse().ok());
    whole.unwrap_or(HeaderValue::from_static(bare))
}

/// `Retry-After` in whole seconds, at least one.
fn whole_seconds(wait: Option<Duration>) -> HeaderValue {
    let millis = wait.map_or(1_000, |wait| wait.as_millis());
    let seconds = u64::try_from(millis.div_ceil(1_000)).unwrap_or(u64::MAX).max(1);
    HeaderValue::from(seconds)
}

#[cfg(test)]
mod tests {
    use service_runtime::grpc::{
        context::{login_needed, step_up_needed},
        refusal::Refusal,
    };

    use super::*;

    fn ours(code: Code, reason: &'static str) -> Status {
        Refusal::new(code, reason, "A sentence for people.").into()
    }

    #[test]
    fn every_code_has_its_http_status() {
        for (code, http) in [
            (Code::InvalidArgument, 400),
            (Code::FailedPrecondition, 400),
            (Code::OutOfRange, 400),
            (Code::Unauthenticated, 401),
            (Code::PermissionDenied, 403),
            (Code::NotFound, 404),
            (Code::AlreadyExists, 409),
            (Code::Aborted, 409),
            (Code::ResourceExhausted, 429),
            (Code::Internal, 500),
            (Code::Unknown, 500),
            (Code::DataLoss, 500),
            (Code::Unimplemented, 501),
            (Code::Unavailable, 503),
            (Code::Cancelled, 503),
            (Code::DeadlineExceeded, 504),
        ] {
            let problem = from_status(&ours(code, "REASON"), false);
            assert_eq!(problem.status.as_u16(), http, "{code:?}");
            let told = problem.detail == "A sentence for people." && problem.reason == "REASON";
            let speaks = http < 500 || code == Code::Unavailable;
            assert_eq!(told, speaks, "{code:?}");
        }
    }

    #[test]
    fn some_reasons_have_a_status_of_their_own() {
        let http = |code, reason, etag| from_status(&ours(code, reason), etag).status.as_u16();
        assert_eq!(http(Code::FailedPrecondition, "ETAG_REQUIRED", false), 428);
        assert_eq!(http(Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED", false), 422);
        assert_eq!(http(Code::Aborted, "ETAG_MISMATCH", true), 412);
    }

    #[test]
    fn who_has_to_prove_anew_is_challenged_with_an_age() {
        let bare = "Bearer realm=\"onlineedu\", error=\"insufficient_user_authentication\"";
        let told = |status: Status, reason: &str| {
            let mut problem = from_status(&status, false);
            assert_eq!(problem.status, 401);
            assert_eq!(problem.reason, reason);
            let (name, value) = problem.headers.pop().unwrap();
            assert_eq!((name, problem.headers.len()), (header::WWW_AUTHENTICATE, 0));
            value
        };
        let age = Duration::from_secs(300);
        let whole = format!("{bare}, max_age=300");
        assert_eq!(told(step_up_needed(age), STEP_UP), whole);
        assert_eq!(told(login_needed(age), LOGIN_TOO_OLD), whole);
        let challenge = |status| told(status, STEP_UP);
        // What is no number of seconds does not reach a header.
        for odd in [
            "",
            "-1",
            "3e2",
            "300, error=\"none\"",
            "300\r\nx: y",
            "99999999999",
        ] {
            let refusal = Refusal::new(Code::Unauthenticated, STEP_UP, "Again.").with(MAX_AGE, odd);
            assert_eq!(challenge(refusal.into()), bare, "{odd:?}");
        }
        assert_eq!(challenge(ours(Code::Unauthenticated, STEP_UP)), bare);
    }

    #[test]
    fn a_lost_connection_is_no_bug() {
        for code in [Code::Unknown, Code::Internal] {
            let mut lost = Status::new(code, "h2 protocol error: error reading a body from connection");
            assert_eq!(from_status(&lost, false).status, 500, "a bug of the service");
            lost.set_source(std::sync::Arc::new(std::io::Error::other("broken pipe")));
            let problem = from_status(&lost, false);
            assert_eq!((problem.status.as_u16(), problem.code), (503, Code::Unavailable));
            assert_eq!(problem.headers, [(header::RETRY_AFTER, HeaderValue::from(1))]);
        }
    }

    #[test]
    fn foreign_text_is_not_passed_on() {
        for code in (1..=16).map(Code::from_i32) {
            let problem = from_status(&Status::new(code, "tcp connect error: 10.0.0.1:50051"), false);
            assert!(!problem.detail.contains("10.0.0.1"), "{code:?}");
        }
    }

    #[test]
    fn retry_after_is_rounded_up_and_never_zero() {
        assert_eq!(whole_seconds(None), "1");
        assert_eq!(whole_seconds(Some(Duration::ZERO)), "1");
        assert_eq!(whole_seconds(Some(Duration::from_millis(2_001))), "3");
    }
}

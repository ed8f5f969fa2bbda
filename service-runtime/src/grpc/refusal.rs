//! A refusal: `google.rpc.Status` with one `ErrorInfo`, field errors in `BadRequest`, throttling in
//! `RetryInfo`. The one place that knows how those are put together and taken apart.

use std::{collections::HashMap, time::Duration};

use http::Response;
use tonic::{Code, Status, body::Body};
use tonic_types::{ErrorDetails, StatusExt};

use crate::causes::causes;
pub use crate::field::FieldError;

/// The `domain` of every `ErrorInfo`.
pub const DOMAIN: &str = "onlineedu";

/// Why a request is refused, before it becomes a `Status`.
#[derive(Debug, Clone)]
pub struct Refusal {
    code: Code,
    reason: &'static str,
    message: String,
    fields: Vec<FieldError>,
    metadata: HashMap<String, String>,
    retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal with a code, a reason in UPPER_SNAKE_CASE and a sentence for people.
    pub fn new(code: Code, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            fields: Vec::new(),
            metadata: HashMap::new(),
            retry_after: None,
        }
    }

    /// `INVALID_ARGUMENT` because of these fields; the first one's message is the sentence.
    pub fn fields(reason: &'static str, fields: Vec<FieldError>) -> Self {
        let message = fields
            .first()
            .map(|first| first.message.clone())
            .unwrap_or_default();
        Self {
            fields,
            ..Self::new(Code::InvalidArgument, reason, message)
        }
    }

    /// Says when trying again may help.
    #[must_use]
    pub const fn retry_after(mut self, duration: Duration) -> Self {
        self.retry_after = Some(duration);
        self
    }

    /// Says which fields it is about.
    #[must_use]
    pub fn about(mut self, fields: Vec<FieldError>) -> Self {
        self.fields = fields;
        self
    }

    /// Adds a fact that programs may use.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.metadata.insert(name.to_owned(), value.into());
        self
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let mut details = ErrorDetails::with_error_info(refusal.reason, DOMAIN, refusal.metadata);
        for FieldError { field, message } in refusal.fields {
            details.add_bad_request_violation(field, message);
        }
        if refusal.retry_after.is_some() {
            details.set_retry_info(refusal.retry_after);
        }
        Self::with_error_details(refusal.code, refusal.message, details)
    }
}

/// More is asked at once than can be answered in time. Refusing costs little, so what is let in is answered as fast as
/// ever.
pub(crate) fn overloaded() -> Status {
    let sentence = "Too much is asked at once; try again in a moment.";
    Refusal::new(Code::ResourceExhausted, "OVERLOADED", sentence)
        .retry_after(Duration::from_secs(1))
        .into()
}

/// A response whose refusal has a reason, also when the library refused before a method was called: an unknown
/// method, a message that is too large or none at all.
pub(crate) fn completed(response: Response<Body>) -> Response<Body> {
    let bare = Status::from_header_map(response.headers())
        .filter(|status| status.code() != Code::Ok && status.details().is_empty());
    let Some(status) = bare else {
        return response;
    };
    let refusal = match status.code() {
        // What the library calls internal before there is an answer is a request that it cannot read.
        Code::Internal => Refusal::new(
            Code::InvalidArgument,
            "MALFORMED_MESSAGE",
            "The request does not hold one message of this method.",
        ),
        Code::OutOfRange => Refusal::new(Code::OutOfRange, "MESSAGE_TOO_LARGE", status.message()),
        code => Refusal::new(code, code_name(code), status.message()),
    };
    let mut completed = Status::from(refusal).into_http();
    // Such as the encodings that are understood.
    for (name, value) in response.headers() {
        completed
            .headers_mut()
            .entry(name)
            .or_insert_with(|| value.clone());
    }
    completed
}

/// The name of a code as the gRPC documents write it.
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// A bug: logged here in full, told to the caller as nothing but the request's id.
pub fn internal(error: &(dyn std::error::Error + 'static), request_id: &str) -> Status {
    tracing::error!(request_id, error = causes(error), "internal error");
    Refusal::new(
        Code::Internal,
        "INTERNAL",
        format!("Something went wrong. Request id: {request_id}"),
    )
    .into()
}

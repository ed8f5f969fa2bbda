//! What a refusal says, as a client reads it.

use std::fmt::Debug;

use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

/// A refusal, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The code.
    pub code: Code,
    /// The machine-readable reason.
    pub reason: String,
    /// The sentence.
    pub message: String,
    /// The fields it is about and what is wrong with each.
    pub fields: Vec<(String, String)>,
    /// Whether it says when to try again.
    pub retry: bool,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details
            .error_info()
            .unwrap_or_else(|| panic!("a refusal without ErrorInfo: {status:?}"));
        assert_eq!(info.domain, "onlineedu");
        let violations = details
            .bad_request()
            .map(|bad| bad.field_violations.clone())
            .unwrap_or_default();
        Self {
            code: status.code(),
            reason: info.reason.clone(),
            message: status.message().to_owned(),
            fields: violations
                .into_iter()
                .map(|it| (it.field, it.description))
                .collect(),
            retry: details
                .retry_info()
                .is_some_and(|retry| retry.retry_delay.is_some()),
        }
    }
}

impl Refused {
    /// Asserts the code, the reason and the sentence.
    #[track_caller]
    pub fn is(&self, code: Code, reason: &str, message: &str) -> &Self {
        assert_eq!(
            (self.code, self.reason.as_str(), self.message.as_str()),
            (code, reason, message)
        );
        self
    }

    /// Asserts that it is about exactly these fields, in this order.
    #[track_caller]
    pub fn about(&self, fields: &[(&str, &str)]) -> &Self {
        let own: Vec<_> = self
            .fields
            .iter()
            .map(|(field, sentence)| (field.as_str(), sentence.as_str()))
            .collect();
        assert_eq!(own, fields);
        self
    }

    /// Asserts that it is `INVALID_ARGUMENT` about exactly these fields, the first of which is the sentence.
    #[track_caller]
    pub fn is_about(&self, fields: &[(&str, &str)]) -> &Self {
        self.is(Code::InvalidArgument, "INVALID_FIELDS", fields[0].1)
            .about(fields)
    }
}

/// The refusal that a call got.
#[track_caller]
pub fn refused<T: Debug>(answer: Result<Response<T>, Status>) -> Refused {
    answer.expect_err("this call should be refused").into()
}

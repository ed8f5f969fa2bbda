//! What comes with every request of a person, and what is said of its answer.

use auth_client::access::{Grant, Verdict};
use service_runtime::grpc::context::RequestContext;
use tonic::{Request, Response, Status};

use super::refusal::status;
use crate::domain::{Call, Error};

/// A call, and what is said of it.
pub(super) struct Asked {
    pub(super) call: Call,
    verdict: Verdict,
}

/// What every method needs to know of a request, and its message.
pub(super) fn open<T>(request: Request<T>) -> Result<(Asked, T), Status> {
    let grant = Grant::of(&request)?;
    let call = Call {
        context: RequestContext::of(&request),
        caller: grant.caller,
        second_factor: grant.second_factor,
    };
    let asked = Asked {
        call,
        verdict: grant.verdict,
    };
    Ok((asked, request.into_inner()))
}

impl Asked {
    pub(super) fn answer<T>(self, result: Result<T, Error>) -> Result<Response<T>, Status> {
        result.map(Response::new).map_err(|error| {
            match error {
                Error::CourseHidden => self.verdict.denied(),
                Error::InstructorNotStaff => self.verdict.entitled(),
                _ => {}
            }
            status(error, &self.call.context.request_id)
        })
    }
}

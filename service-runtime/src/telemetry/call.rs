//! The spans of RPCs, on both sides, by the conventions of OpenTelemetry.

use tonic::{Code, Request, Status};

use super::{Span, traceparent::TRACEPARENT};
use crate::grpc::refusal::code_name;

/// An RPC that another service is asked for, while it is waited for.
#[derive(Debug)]
pub struct RpcCall(Span);

impl RpcCall {
    /// Begins the call of `/package.Service/Method` and names it to the other side as its parent.
    pub fn begin<T>(path: &'static str, request: &mut Request<T>) -> Self {
        let mut span = Span::client(|| path.trim_start_matches('/').into());
        describe(&mut span, path);
        if let Some(Ok(parent)) = span.traceparent().map(|parent| parent.as_bytes().try_into()) {
            request.metadata_mut().insert(TRACEPARENT, parent);
        }
        Self(span)
    }

    /// Ends it with its answer.
    pub fn end<T>(mut self, answer: &Result<T, Status>) {
        let code = answer.as_ref().map_or_else(Status::code, |_| Code::Ok);
        self.0.set("rpc.grpc.status_code", i64::from(i32::from(code)));
        if code != Code::Ok {
            self.0.fail(code_name(code));
        }
    }
}

/// Says of a server's span which RPC it was and what came of it.
pub fn rpc_answered(span: &mut Span, request_id: &str, path: &str, code: Code) {
    if !span.is_seen() {
        return;
    }
    // What nobody knows has a name of the caller's making.
    if code == Code::Unimplemented {
        span.rename("unknown");
    } else {
        span.rename(path.trim_start_matches('/').to_owned());
        describe(span, path);
    }
    span.set("request.id", request_id.to_owned());
    span.set("rpc.grpc.status_code", i64::from(i32::from(code)));
    // The others are a caller's failures, not the service's.
    if let Code::Unknown
    | Code::DeadlineExceeded
    | Code::Unimplemented
    | Code::Internal
    | Code::Unavailable
    | Code::DataLoss = code
    {
        span.fail(code_name(code));
    }
}

fn describe(span: &mut Span, path: &str) {
    if !span.is_seen() {
        return;
    }
    span.set("rpc.system", "grpc");
    if let Some((service, method)) = path.trim_start_matches('/').split_once('/') {
        span.set("rpc.service", service.to_owned());
        span.set("rpc.method", method.to_owned());
    }
}

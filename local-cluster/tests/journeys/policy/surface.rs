//! Making a call of the table, over gRPC without generated clients and over REST.

use prost::Message;
use prost_reflect::{DynamicMessage, MethodDescriptor, Value};
use proto::rest::{Body, Route};
use serde_json::json;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use super::{
    caller::{Callers, Tokens},
    outcome,
    row::Row,
};
use crate::support::{World, dynamic};

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The caller is not known.
    Unknown,
    /// The course that the call is about is not there, as far as the caller is concerned.
    Hidden,
    /// The caller is known and may not.
    Denied,
    /// The caller may, but for the proof of a second factor.
    FactorNeeded,
    /// Whatever came of it: the caller may.
    Served,
}

/// Calls over gRPC.
pub async fn over_grpc(
    world: &World,
    callers: &Callers,
    row: &Row,
    method: &MethodDescriptor,
    tokens: &Tokens,
) -> Outcome {
    let mut message = DynamicMessage::new(method.input());
    for (field, value) in row.fields {
        message.set_field_by_name(field, Value::String(callers.value(value).to_owned()));
    }
    let mut request = Request::new(message.encode_to_vec());
    let metadata = request.metadata_mut();
    if let Some(token) = &tokens.bearer {
        metadata.insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    if let Some(token) = &tokens.service {
        metadata.insert("x-service-token", token.parse().unwrap());
    }
    match dynamic::call(world, method, request).await {
        Ok(_) => Outcome::Served,
        Err(status) => {
            let details = status.get_error_details();
            let reason = details.error_info().map_or("", |info| info.reason.as_str());
            let broken = [
                Code::Unimplemented,
                Code::Internal,
                Code::Unknown,
                Code::Unavailable,
            ];
            assert!(
                !reason.is_empty() && !broken.contains(&status.code()),
                "{}: {status:?}",
                row.rpc
            );
            outcome(
                status.code() == Code::Unauthenticated,
                status.code() == Code::PermissionDenied,
                reason,
            )
        }
    }
}

/// Calls over REST.
pub async fn over_rest(
    world: &World,
    callers: &Callers,
    row: &Row,
    route: &Route,
    tokens: &Tokens,
) -> Outcome {
    let path = row
        .fields
        .iter()
        .fold(route.path.to_owned(), |path, (field, value)| {
            path.replace(&format!("{{{field}}}"), callers.value(value))
        });
    assert!(!path.contains('{'), "{} needs more fields", row.rpc);
    let method = reqwest::Method::from_bytes(route.verb.as_bytes()).unwrap();
    let mut call = world.anonymous().call(method, &path);
    if let Some(token) = &tokens.bearer {
        call = call.header("authorization", &format!("Bearer {token}"));
    }
    if let Some(token) = &tokens.service {
        call = call.header("x-service-token", token);
    }
    if route.body != Body::None {
        call = call.json(&json!({}));
    }
    let answer = call.await;
    assert!(answer.status < 500, "{}: {answer:?}", row.rpc);
    if answer.status < 400 {
        return Outcome::Served;
    }
    answer.assert_problem();
    let json = answer.json();
    assert_ne!(json["reason"], "ROUTE_NOT_FOUND", "{}", row.rpc);
    outcome(
        answer.status == 401,
        answer.status == 403,
        json["reason"].as_str().unwrap(),
    )
}

//! One route as an OpenAPI operation.

use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use proto::{
    access::{Audience, policy},
    rest::{Body, Field, Route},
};
use serde_json::{Map, Value, json};

use super::{
    comments::{Comments, summary},
    schema::Schemas,
};
use crate::transcode::{addressed_by, is_parameter, is_whole_body_field, table};

/// Describes a route.
pub fn describe(
    route: &Route,
    method: &MethodDescriptor,
    comments: &Comments,
    schemas: &mut Schemas<'_>,
) -> Value {
    let comment = comments.of_method(method);
    let service = method.parent_service();
    let mut operation = json!({
        "operationId": format!("{}.{}", service.name(), method.name()),
        "tags": [tag(service)],
        "summary": summary(comment),
        "description": comment,
        "parameters": parameters(route, method, comments),
        "responses": responses(route, method, schemas),
        "security": security(route),
    });
    if let Some(body) = body(route, &method.input(), schemas) {
        let holds_something = body["properties"].as_object().is_some_and(|all| !all.is_empty());
        operation["requestBody"] = json!({
            // A DELETE says what to delete by its path; a body can only add to that.
            "required": holds_something && route.verb != "DELETE",
            "content": { "application/json": { "schema": body } },
        });
    }
    operation
}

/// The tag of a service: `AccountService` is `Account`.
pub fn tag(service: &ServiceDescriptor) -> String {
    service.name().trim_end_matches("Service").to_owned()
}

/// What every refusal looks like.
pub fn problem_response() -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({
        "description": "The request was refused.",
        "content": { "application/problem+json": { "schema": schema } },
    })
}

/// Who has to say who they are, and who may.
fn security(route: &Route) -> Value {
    match policy(route.rpc).map(|policy| policy.audience) {
        Some(Audience::Anyone) => json!([]),
        Some(Audience::Visitor) => json!([{}, { "bearer": [] }]),
        _ => json!([{ "bearer": [] }]),
    }
}

fn parameters(route: &Route, method: &MethodDescriptor, comments: &Comments) -> Vec<Value> {
    let describe = |field: &Field, place: &str| {
        let described = method.input().get_field_by_name(field.name);
        json!({
            "name": field.name,
            "in": place,
            "required": place == "path",
            "description": described.map(|field| comments.of_field(&field).to_owned()),
            "schema": Schemas::parameter(field),
        })
    };
    let mut parameters = Vec::new();
    for field in route.fields {
        if route.path.contains(&format!("{{{}}}", field.name)) {
            parameters.push(describe(field, "path"));
        } else if is_parameter(route, field) {
            parameters.push(describe(field, "query"));
        }
    }
    let mut header = |applies: bool, name: &str, required: bool, description: &str| {
        if applies {
            parameters.push(json!({
                "name": name,
                "in": "header",
                "required": required,
                "description": description,
                "schema": { "type": "string" },
            }));
        }
    };
    header(
        has_field(route, "request_id"),
        "Idempotency-Key",
        false,
        "Makes a retry safe: the same key and input answer the same for 24 hours.",
    );
    let (must_be_named, otherwise) = match etag_is_required(method) {
        true => (true, "; 428 without it"),
        false => (false, ""),
    };
    header(
        has_field(route, "etag"),
        "If-Match",
        must_be_named,
        &format!(
            "The version the change was made from; 412 when it is no longer the current one{otherwise}."
        ),
    );
    header(
        route.verb == "GET" && has_etag(method),
        "If-None-Match",
        false,
        "The version the caller has; 304 when it is the current one.",
    );
    parameters
}

fn body(route: &Route, input: &MessageDescriptor, schemas: &mut Schemas<'_>) -> Option<Value> {
    match route.body {
        Body::None => None,
        Body::Whole => Some(schemas.body(input, |name| {
            let field = route.body_fields.iter().find(|field| field.name == name);
            field.is_some_and(|field| is_whole_body_field(route, field))
        })),
        Body::Field(name) => match input.get_field_by_name(name)?.kind() {
            Kind::Message(resource) => Some(schemas.body(&resource, |_| true)),
            _ => None,
        },
    }
}

fn responses(route: &Route, method: &MethodDescriptor, schemas: &mut Schemas<'_>) -> Value {
    let output = method.output();
    let mut success = json!({ "description": "Success." });
    if output.fields().len() > 0 {
        success["content"] = json!({ "application/json": { "schema": schemas.answer(&output) } });
    }
    let mut headers = Map::new();
    if has_etag(method) {
        let description = "The version of this representation.";
        headers.insert("ETag".to_owned(), header(description));
    }
    if addressed_by(&table(), route).is_some() {
        headers.insert("Location".to_owned(), header("Where the new resource is."));
    }
    if !headers.is_empty() {
        success["headers"] = headers.into();
    }
    let mut responses = json!({ "default": { "$ref": "#/components/responses/Problem" } });
    if let Some(existing) = route.existing {
        responses[existing.to_string()] = success.clone();
        responses[existing.to_string()]["description"] = "It was there already.".into();
    }
    responses[route.success.to_string()] = success;
    if route.verb == "GET" && has_etag(method) {
        responses["304"] = json!({ "description": "The caller has the current version." });
    }
    if etag_is_required(method) {
        let mut unnamed = problem_response();
        unnamed["description"] = "No version was named by If-Match: `ETAG_REQUIRED`.".into();
        responses["428"] = unnamed;
    }
    // A course is asked for by its slug, and one that it no longer has leads to the one it has.
    if route.path.contains("{slug}") {
        let mut moved = problem_response();
        moved["description"] = "It has another slug now: `canonical_slug`.".into();
        moved["headers"] = json!({ "Location": header("The same address with that slug.") });
        responses["308"] = moved;
    }
    responses
}

fn header(description: &str) -> Value {
    json!({ "description": description, "schema": { "type": "string" } })
}

fn has_field(route: &Route, name: &str) -> bool {
    route.fields.iter().any(|field| field.name == name)
}

/// Whether the contract says that a request has to name a version.
fn etag_is_required(method: &MethodDescriptor) -> bool {
    let option = method.parent_pool();
    let option = option.get_extension_by_name("onlineedu.rest.v1.etag_required");
    option.is_some_and(|option| method.options().get_extension(&option).as_bool() == Some(true))
}

fn has_etag(method: &MethodDescriptor) -> bool {
    method.output().get_field_by_name("etag").is_some()
}

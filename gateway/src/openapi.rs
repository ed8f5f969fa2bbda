//! The OpenAPI 3.1 document, made from the contract's descriptors: comments become descriptions, the route
//! table becomes paths. Nothing here knows an RPC by name.

mod comments;
mod operation;
mod schema;

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MethodDescriptor};
use serde_json::{Map, Value, json};

use self::{comments::Comments, schema::Schemas};
use crate::transcode;

/// The document, as JSON.
pub static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET)
        .map(|pool| document(&pool).to_string())
        .unwrap_or_default()
});

fn document(pool: &DescriptorPool) -> Value {
    let comments = Comments::of(pool);
    let mut schemas = Schemas::new(&comments);
    let mut paths = Map::new();
    for route in transcode::table() {
        let Some(method) = method(pool, route.rpc) else {
            continue;
        };
        let operation = operation::describe(route, &method, &comments, &mut schemas);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.verb.to_lowercase()] = operation;
    }
    let tags = pool.services().filter(|service| {
        let prefix = format!("/{}/", service.full_name());
        transcode::table()
            .iter()
            .any(|route| route.rpc.starts_with(&prefix))
    });
    let tags: Vec<_> = tags
        .map(|service| {
            json!({
                "name": operation::tag(&service),
                "description": comments.of_service(&service),
            })
        })
        .collect();
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Online Edu",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Accounts and courses. Errors are application/problem+json (RFC 9457).",
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas.finish(),
            "responses": { "Problem": operation::problem_response() },
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
        },
    })
}

fn method(pool: &DescriptorPool, rpc: &str) -> Option<MethodDescriptor> {
    let (service, method) = rpc.strip_prefix('/')?.split_once('/')?;
    let service = pool.get_service_by_name(service)?;
    service.methods().find(|one| one.name() == method)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read() -> Value {
        serde_json::from_str(&DOCUMENT).unwrap()
    }

    /// Every value under a `$ref`, wherever it stands.
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|inner| references(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
            _ => {}
        }
    }

    #[test]
    fn every_route_is_described() {
        let document = read();
        let routes = transcode::table();
        for route in &routes {
            let operation = &document["paths"][route.path][route.verb.to_lowercase()];
            assert!(
                operation["summary"].as_str().is_some_and(|text| !text.is_empty()),
                "{route:?}"
            );
            assert!(
                !operation["responses"][route.success.to_string()].is_null(),
                "{route:?}"
            );
            let in_path = operation["parameters"].as_array().unwrap().iter();
            let in_path = in_path.filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(in_path, route.path.matches('{').count(), "{route:?}");
        }
        let described: usize = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .map(|path| path.as_object().unwrap().len())
            .sum();
        assert_eq!(described, routes.len());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = read();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 20);
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn operation_ids_are_unique() {
        let document = read();
        let paths = document["paths"].as_object().unwrap().values();
        let operations = paths.flat_map(|path| path.as_object().unwrap().values());
        let mut ids: Vec<_> = operations
            .map(|one| one["operationId"].as_str().unwrap())
            .collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all);
    }
}

//! JSON Schemas of messages: what an answer holds, what a body may hold.

use std::collections::BTreeMap;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use proto::rest::{self, Field};
use serde_json::{Map, Value, json};

use super::comments::Comments;

/// The schemas of messages that answers refer to, by name.
#[derive(Debug)]
pub struct Schemas<'a> {
    comments: &'a Comments,
    named: BTreeMap<String, Value>,
}

impl<'a> Schemas<'a> {
    /// None yet.
    pub const fn new(comments: &'a Comments) -> Self {
        Self {
            comments,
            named: BTreeMap::new(),
        }
    }

    /// A reference to the schema of a message in an answer, where every field is written out.
    pub fn answer(&mut self, message: &MessageDescriptor) -> Value {
        let name = name(message);
        if !self.named.contains_key(&name) {
            // Holds the place, for messages that contain themselves.
            self.named.insert(name.clone(), Value::Null);
            let mut properties = Map::new();
            for field in message.fields() {
                let mut schema = self.value(&field);
                if comes_as_null(&field) {
                    schema = or_null(schema);
                }
                schema["description"] = self.comments.of_field(&field).into();
                properties.insert(field.name().to_owned(), schema);
            }
            let schema = json!({
                "type": "object",
                "description": self.comments.of_message(message),
                "required": properties.keys().collect::<Vec<_>>(),
                "properties": properties,
            });
            self.named.insert(name.clone(), schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// The schema of a body that may hold these fields of a message and no others.
    pub fn body(&mut self, message: &MessageDescriptor, takes: impl Fn(&str) -> bool) -> Value {
        let mut properties = Map::new();
        for field in message.fields().filter(|field| takes(field.name())) {
            let comment = self.comments.of_field(&field);
            let mut schema = self.value(&field);
            if field.supports_presence() {
                schema = or_null(schema);
            }
            schema["description"] = comment.into();
            if comment.contains("Read-only.") {
                schema["readOnly"] = true.into();
            }
            properties.insert(field.name().to_owned(), schema);
        }
        json!({ "type": "object", "properties": properties, "additionalProperties": false })
    }

    /// The schema of a parameter.
    pub fn parameter(field: &Field) -> Value {
        match field.kind {
            rest::Kind::Bool => json!({ "type": "boolean" }),
            rest::Kind::Int32 => json!({ "type": "integer", "format": "int32" }),
            rest::Kind::Int64 => json!({ "type": "integer", "format": "int64" }),
            rest::Kind::Enum(words) => json!({ "type": "string", "enum": words }),
            rest::Kind::Timestamp => json!({ "type": "string", "format": "date-time" }),
            rest::Kind::String | rest::Kind::FieldMask | rest::Kind::Message => json!({ "type": "string" }),
        }
    }

    /// The named schemas, with the one of problems.
    pub fn finish(mut self) -> Value {
        self.named.insert("Problem".to_owned(), problem());
        json!(self.named)
    }

    fn value(&mut self, field: &FieldDescriptor) -> Value {
        let one = match field.kind() {
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Int32 => json!({ "type": "integer", "format": "int32" }),
            Kind::Int64 => json!({ "type": "integer", "format": "int64" }),
            Kind::Enum(words) => json!({ "type": "string", "enum": spoken(&words) }),
            Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
                json!({ "type": "string", "format": "date-time" })
            }
            Kind::Message(message) => self.answer(&message),
            _ => json!({ "type": "string" }),
        };
        match field.is_list() {
            true => json!({ "type": "array", "items": one }),
            false => one,
        }
    }
}

/// An enumeration's unspecified value is `null` in an answer, like whatever may be absent.
fn comes_as_null(field: &FieldDescriptor) -> bool {
    field.supports_presence() || (matches!(field.kind(), Kind::Enum(_)) && !field.is_list())
}

fn or_null(mut schema: Value) -> Value {
    if let Some(kind) = schema.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
        if let Some(Value::Array(words)) = schema.get_mut("enum") {
            words.push(Value::Null);
        }
        return schema;
    }
    json!({ "anyOf": [schema, { "type": "null" }] })
}

/// The words of an enumeration: its values without the prefix that they share with its name.
fn spoken(words: &prost_reflect::EnumDescriptor) -> Vec<String> {
    let unspecified = words.default_value();
    let prefix = unspecified.name().trim_end_matches("UNSPECIFIED");
    let values = words.values().filter(|value| value.number() != 0);
    values
        .map(|value| value.name().trim_start_matches(prefix).to_lowercase())
        .collect()
}

/// `onlineedu.auth.v1.User` is `auth.v1.User`.
fn name(message: &MessageDescriptor) -> String {
    message.full_name().trim_start_matches("onlineedu.").to_owned()
}

fn problem() -> Value {
    json!({
        "type": "object",
        "description": "Why a request was refused (RFC 9457).",
        "required": ["type", "title", "status", "detail", "code", "reason", "request_id", "errors"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string", "description": "The HTTP status in words." },
            "status": { "type": "integer", "description": "The HTTP status." },
            "detail": { "type": "string", "description": "A sentence for people; the first field message when there is one." },
            "code": { "type": "string", "description": "The gRPC status code." },
            "reason": { "type": "string", "description": "The reason, for programs." },
            "request_id": { "type": "string", "description": "Names the request in every log." },
            "canonical_slug": { "type": "string", "description": "Only with 308: the slug the course has now." },
            "errors": {
                "type": "array",
                "description": "Everything that is wrong with fields.",
                "items": {
                    "type": "object",
                    "required": ["field", "message"],
                    "properties": { "field": { "type": "string" }, "message": { "type": "string" } },
                },
            },
        },
    })
}

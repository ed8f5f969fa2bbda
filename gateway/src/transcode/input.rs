//! The typed request message out of path, query, body and headers. Everything that is wrong with the shape
//! is told at once.

use std::borrow::Cow;

use http::{HeaderName, request::Parts};
use proto::rest::{Body, Field, Kind, Route};
use serde::de::{DeserializeOwned, value::MapDeserializer};
use serde_json::{Map, Value};
use service_runtime::grpc::refusal::FieldError;

use super::{conditional, json, path, query, shape};
use crate::problem::Problem;

/// The field that `Idempotency-Key` fills.
const REQUEST_ID: &str = "request_id";
/// The field that `If-Match` fills.
const ETAG: &str = "etag";
/// The header that makes a retry safe.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The fields of a request message, as JSON values of the right shape.
#[derive(Debug, Default)]
pub struct Input {
    fields: Vec<(&'static str, Value)>,
    /// Whether a version was named.
    pub etag_sent: bool,
}

/// Reads what a request says.
///
/// # Errors
/// 400 naming every field that is wrong.
pub fn read(route: &'static Route, parts: &Parts, body: &[u8]) -> Result<Input, Problem> {
    let mut reader = Reader {
        route,
        input: Input::default(),
        errors: Vec::new(),
    };
    reader.path(parts.uri.path());
    reader.query(parts.uri.query().unwrap_or_default())?;
    match route.body {
        Body::None => {}
        Body::Whole => reader.whole(json::object(body)?),
        Body::Field(name) => reader.changes(name, json::object(body)?),
    }
    reader.idempotency_key(parts);
    reader.version(parts);
    match reader.errors.is_empty() {
        true => Ok(reader.input),
        false => Err(Problem::fields(reader.errors)),
    }
}

impl Input {
    /// The typed message.
    ///
    /// # Errors
    /// 400 naming the field inside a nested message that is wrong; the rest was checked before.
    pub fn into_message<T: DeserializeOwned>(self, route: &Route) -> Result<T, Problem> {
        let fields = MapDeserializer::<_, serde_json::Error>::new(self.fields.into_iter());
        serde_path_to_error::deserialize(fields).map_err(|error| {
            let path = error.path().to_string();
            let field = match route.body {
                Body::Field(name) => path
                    .strip_prefix(name)
                    .map_or(&*path, |rest| rest.trim_start_matches('.')),
                Body::None | Body::Whole => &path,
            };
            let message = match error.inner().to_string().starts_with("unknown field") {
                true => "This field is not known.",
                false => "This field does not have the right type.",
            };
            Problem::field(json::shortened(field), message)
        })
    }
}

struct Reader {
    route: &'static Route,
    input: Input,
    errors: Vec<FieldError>,
}

impl Reader {
    fn wrong(&mut self, field: &str, message: impl Into<String>) {
        let field = json::shortened(field);
        self.errors.push(FieldError::new(field, message));
    }

    fn set(&mut self, field: &'static str, value: Value) {
        self.input.etag_sent |= field == ETAG && value != "";
        self.input.fields.push((field, value));
    }

    fn text(&mut self, field: &'static Field, text: &str) {
        match shape::value_of(field, text) {
            Ok(value) => self.set(field.name, value),
            Err(message) => self.wrong(field.name, message),
        }
    }

    fn path(&mut self, path: &str) {
        for (name, encoded) in path::fields(self.route.path, path) {
            let field = self.route.fields.iter().find(|field| field.name == name);
            match (field, query::decode(encoded)) {
                (Some(field), Ok(text)) => self.text(field, &text),
                (Some(_), Err(_malformed)) => self.wrong(name, "This part of the address is not UTF-8."),
                (None, _) => {}
            }
        }
    }

    fn query(&mut self, query: &str) -> Result<(), Problem> {
        if query.is_empty() {
            return Ok(());
        }
        let pairs = query::pairs(query).map_err(|_| {
            Problem::bad_request("INVALID_REQUEST", "The query is not percent-encoded UTF-8.")
        })?;
        let mut seen: Vec<Cow<'_, str>> = Vec::new();
        for (name, text) in pairs {
            if seen.contains(&name) {
                self.wrong(&name, "This parameter is given twice.");
                continue;
            }
            let field = self.route.fields.iter().find(|field| field.name == name);
            match field.filter(|field| is_parameter(self.route, field)) {
                Some(field) => self.text(field, &text),
                None => self.wrong(&name, "This parameter is not known."),
            }
            seen.push(name);
        }
        Ok(())
    }

    /// A body that is the request itself; `null` is the same as absent.
    fn whole(&mut self, object: json::Object) {
        self.errors.extend(object.twice);
        for (key, value) in object.members {
            let field = self.route.body_fields.iter().find(|field| field.name == key);
            match field.filter(|field| is_whole_body_field(self.route, field)) {
                None => self.wrong(&key, "This field is not known."),
                Some(_) if value.is_null() => {}
                Some(field) => match shape::fault(field, &value) {
                    Some(message) => self.wrong(field.name, message),
                    None => self.set(field.name, value),
                },
            }
        }
    }

    /// A body that is the changes to a resource: its keys are the field mask, `null` clears.
    fn changes(&mut self, name: &'static str, object: json::Object) {
        self.errors.extend(object.twice);
        let mut resource = Map::new();
        let mut mask = Vec::new();
        for (key, value) in object.members {
            let Some(field) = self.route.body_fields.iter().find(|field| field.name == key) else {
                self.wrong(&key, "This field is not known.");
                continue;
            };
            if value.is_null() && !field.nullable {
                self.wrong(field.name, "This field must not be null.");
            } else if value.is_null() {
                mask.push(Value::from(key));
            } else if let Some(message) = shape::fault(field, &value) {
                self.wrong(field.name, message);
            } else {
                mask.push(Value::from(key.as_str()));
                resource.insert(key, value);
            }
        }
        self.set(name, Value::Object(resource));
        let masks = self
            .route
            .fields
            .iter()
            .find(|field| field.kind == Kind::FieldMask);
        if let Some(field) = masks {
            self.set(field.name, Value::Array(mask));
        }
    }

    fn idempotency_key(&mut self, parts: &Parts) {
        let mut keys = parts.headers.get_all(IDEMPOTENCY_KEY).iter();
        let Some(key) = keys.next().filter(|_| has_field(self.route, REQUEST_ID)) else {
            return;
        };
        let sound =
            |key: &str| (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        match key
            .to_str()
            .ok()
            .filter(|key| sound(key) && keys.next().is_none())
        {
            Some(key) => self.set(REQUEST_ID, key.into()),
            None => self.wrong(
                "Idempotency-Key",
                "The key must be one word of 1 to 255 visible ASCII characters.",
            ),
        }
    }

    fn version(&mut self, parts: &Parts) {
        if !has_field(self.route, ETAG) {
            return;
        }
        match conditional::demanded(&parts.headers) {
            Ok(None) => {}
            Ok(Some(_)) if self.input.etag_sent => {
                self.wrong(ETAG, "The version is named twice, here and by If-Match.");
            }
            Ok(Some(version)) => self.set(ETAG, version.into()),
            Err(error) => self.errors.push(error),
        }
    }
}

fn has_field(route: &Route, name: &str) -> bool {
    route.fields.iter().any(|field| field.name == name)
}

/// Whether a field may be a key of a body that is the whole request.
pub fn is_whole_body_field(route: &Route, field: &Field) -> bool {
    field.name != REQUEST_ID && field.kind != Kind::FieldMask && !path::has_field(route.path, field.name)
}

/// Whether a field may be a query parameter.
pub fn is_parameter(route: &Route, field: &Field) -> bool {
    // Without a body nothing else is left; with one, the path and the headers say the rest.
    route.body == Body::None
        && ![REQUEST_ID, ETAG].contains(&field.name)
        && !matches!(field.kind, Kind::FieldMask | Kind::Message)
        && !path::has_field(route.path, field.name)
}

//! The REST route table, read from the `google.api.http` annotations and written out as one typed call per
//! RPC, so that a gateway can serve all of them with one generic function.

use std::{error::Error, fmt::Write};

use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor,
};

use crate::{json, rust_path};

/// The source text of `proto::rest::visit_routes`.
pub fn table(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let mut source = String::from(
        "/// Shows every RPC that has a REST route to the visitor, in the order of the contract.\n\
         pub fn visit_routes<V: Visitor>(visitor: &mut V) {\n",
    );
    for method in pool
        .services()
        .flat_map(|service| service.methods().collect::<Vec<_>>())
    {
        if let Some(route) = route(pool, &method)? {
            writeln!(source, "    {route}")?;
        }
    }
    source.push_str("}\n");
    Ok(source)
}

/// The source text of `proto::rest::Texts` for every message of the contract.
pub fn texts(pool: &DescriptorPool) -> String {
    let own = pool
        .all_messages()
        .filter(|message| message.package_name().starts_with("onlineedu."));
    own.map(|message| {
        let plain = |field: &FieldDescriptor| field.kind() == Kind::String && !field.is_list();
        let arms: String = message
            .fields()
            .filter(plain)
            .map(|field| match field.supports_presence() {
                true => format!("{0:?} => self.r#{0}.as_deref(), ", field.name()),
                false => format!("{0:?} => Some(&self.r#{0}), ", field.name()),
            })
            .collect();
        let (asked, answer) = match arms.is_empty() {
            true => ("_field", "None".to_owned()),
            false => ("field", format!("match field {{ {arms}_ => None }}")),
        };
        format!(
            "impl Texts for {} {{ fn text(&self, {asked}: &str) -> Option<&str> {{ {answer} }} }}\n",
            rust_path(message.full_name()),
        )
    })
    .collect()
}

fn route(pool: &DescriptorPool, method: &MethodDescriptor) -> Result<Option<String>, Box<dyn Error>> {
    let extension = |name: &str| {
        pool.get_extension_by_name(name)
            .ok_or_else(|| format!("the contract does not import {name}"))
    };
    let options = method.options();
    let rule = options.get_extension(&extension("google.api.http")?);
    let rule = rule.as_message().ok_or("google.api.http is not a message")?;
    let Some((verb, path)) = pattern(rule) else {
        return Ok(None);
    };

    let input = method.input();
    let body = rule
        .get_field_by_name("body")
        .and_then(|body| body.as_str().map(str::to_owned));
    let (body, body_fields) = match body.as_deref() {
        None | Some("") => ("Body::None".to_owned(), String::from("&[]")),
        Some("*") => ("Body::Whole".to_owned(), fields(&input)),
        Some(name) => {
            let field = input
                .get_field_by_name(name)
                .ok_or_else(|| format!("no body field {name}"))?;
            let Kind::Message(resource) = field.kind() else {
                return Err("a body is a message".into());
            };
            (format!("Body::Field({name:?})"), fields(&resource))
        }
    };
    let declared = options.get_extension(&extension("onlineedu.rest.v1.success_status")?);
    let success = match declared.as_i32() {
        Some(status) if status != 0 => status,
        _ if method.output().fields().len() == 0 => 204,
        _ => 200,
    };
    let existing = options.get_extension(&extension("onlineedu.rest.v1.existing_status")?);
    let existing = existing.as_i32().filter(|status| *status != 0);
    Ok(Some(format!(
        "visitor.unary::<{}, {}>(&Route {{ verb: {verb:?}, path: {path:?}, package: {:?}, rpc: \"/{}/{}\", \
         body: {body}, success: {success}, existing: {existing:?}, fields: {}, body_fields: {body_fields} }});",
        rust_path(input.full_name()),
        rust_path(method.output().full_name()),
        method.parent_service().package_name(),
        method.parent_service().full_name(),
        method.name(),
        fields(&input),
    )))
}

fn pattern(rule: &DynamicMessage) -> Option<(String, String)> {
    ["get", "put", "post", "delete", "patch"]
        .into_iter()
        .find_map(|verb| {
            let path = rule.get_field_by_name(verb)?.as_str()?.to_owned();
            (!path.is_empty()).then(|| (verb.to_uppercase(), path))
        })
}

fn fields(message: &MessageDescriptor) -> String {
    let fields: Vec<String> = message.fields().map(|field| describe(&field)).collect();
    format!("&[{}]", fields.join(", "))
}

fn describe(field: &FieldDescriptor) -> String {
    let kind = match field.kind() {
        Kind::Bool => "Kind::Bool".to_owned(),
        Kind::Int32 => "Kind::Int32".to_owned(),
        Kind::Int64 => "Kind::Int64".to_owned(),
        Kind::String => "Kind::String".to_owned(),
        Kind::Enum(words) => {
            let words: Vec<String> = json::spoken(&words)
                .map(|(_, word)| format!("{word:?}"))
                .collect();
            format!("Kind::Enum(&[{}])", words.join(", "))
        }
        Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
            "Kind::Timestamp".to_owned()
        }
        Kind::Message(message) if message.full_name() == "google.protobuf.FieldMask" => {
            "Kind::FieldMask".to_owned()
        }
        Kind::Message(_) => "Kind::Message".to_owned(),
        other => unreachable!(
            "{} has the kind {other:?}, which REST has no JSON for yet",
            field.full_name()
        ),
    };
    format!(
        "Field {{ name: {:?}, kind: {kind}, repeated: {}, nullable: {} }}",
        field.name(),
        field.cardinality() == Cardinality::Repeated,
        field.supports_presence(),
    )
}

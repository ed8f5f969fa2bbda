//! The REST routes of the contract, as data and types: read from the `google.api.http` annotations at build
//! time, so that adding an RPC touches no gateway code.

use serde::{Serialize, de::DeserializeOwned};

/// How one RPC looks to a REST client.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The HTTP method, in capitals.
    pub verb: &'static str,
    /// The path, with `{field}` where a segment is a field of the request.
    pub path: &'static str,
    /// The package of the service, which says whom to call.
    pub package: &'static str,
    /// The gRPC path, `/package.Service/Method`.
    pub rpc: &'static str,
    /// Which part of the request the HTTP body is.
    pub body: Body,
    /// The HTTP status of success.
    pub success: u16,
    /// The HTTP status when what the method makes was there already, for those that say so.
    pub existing: Option<u16>,
    /// The fields of the request message: path and query are read by these.
    pub fields: &'static [Field],
    /// The fields of what the HTTP body is; empty without one.
    pub body_fields: &'static [Field],
}

/// Which part of the request message the HTTP body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// None: everything comes from path and query.
    None,
    /// Every field that is not in the path.
    Whole,
    /// One field, a resource.
    Field(&'static str),
}

/// A field of a message, as far as JSON is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in proto and JSON.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it holds a list of that.
    pub repeated: bool,
    /// Whether it may be absent (`null`).
    pub nullable: bool,
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A 32-bit whole number.
    Int32,
    /// A 64-bit whole number.
    Int64,
    /// Text.
    String,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// A point in time, RFC 3339.
    Timestamp,
    /// The keys of a PATCH; derived from its body, never written by a client.
    FieldMask,
    /// Another message.
    Message,
}

/// Something that wants to know every route with its message types.
pub trait Visitor {
    /// One unary RPC.
    fn unary<Request, Response>(&mut self, route: &'static Route)
    where
        Request: prost::Message + Default + DeserializeOwned + 'static,
        Response: prost::Message + Default + Serialize + Texts + 'static;
}

/// A message whose text fields can be asked for by name, so that generic code finds an `etag` or the
/// `slug` that a new resource is addressed by.
pub trait Texts {
    /// The text of a field; `None` when it is absent or the message has no such text.
    fn text(&self, field: &str) -> Option<&str>;
}

include!(concat!(env!("OUT_DIR"), "/routes.rs"));

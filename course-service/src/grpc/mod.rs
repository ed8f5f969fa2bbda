//! The gRPC surface: decode, call, encode. The one room that knows generated types.

mod course;
mod instructor;
mod mask;
mod person;
mod refusal;
mod service;

pub use person::PersonGrpc;
pub use service::CourseGrpc;

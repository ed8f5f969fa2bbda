//! The gRPC surface: decode, call, encode. The one room that knows generated types.

mod course;
mod instructor;
mod mask;
mod refusal;
mod service;

pub use service::CourseGrpc;

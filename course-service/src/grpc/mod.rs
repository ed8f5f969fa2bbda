//! The gRPC surface: decode, call, encode. The one room that knows generated types.

mod asked;
mod course;
mod enrollment;
mod instructor;
mod mask;
mod person;
mod refusal;
mod service;

pub use enrollment::EnrollmentGrpc;
pub use person::PersonGrpc;
pub use service::CourseGrpc;

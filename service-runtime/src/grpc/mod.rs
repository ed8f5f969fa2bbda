//! gRPC as every service speaks it: [`server`] with limits, [`context`] of a request, [`refusal`]s with
//! machine-readable reasons, the [`service_token`] by which services know each other, and the [`channel`] to another one.

pub mod channel;
pub mod context;
mod edge;
pub mod refusal;
pub mod server;
pub mod service_token;
mod until_stopped;

//! gRPC as every service speaks it: [`server`] with limits, [`context`] of a request, [`refusal`]s with
//! machine-readable reasons, what a [`client`] shows of itself, and the [`channel`] to another service.

pub mod channel;
pub mod client;
pub mod context;
mod edge;
pub mod refusal;
pub mod server;
mod until_stopped;

//! What an operator sees of single requests: lines in the [log](start), and traces, which follow a request from
//! service to service down to its statements.
//!
//! - [`Tracer`]: makes the spans of one service and has them delivered by OTLP; none where nobody asked for traces
//! - `lines`: how a line of the log gets out without holding anybody up
//! - [`Span`]: one step of a request; [`RpcCall`] and [`Statement`]: the steps that leave the process
//! - [`traceparent`]: how a trace travels

mod call;
mod delivery;
pub(crate) mod lines;
mod log;
mod queue;
mod span;
mod statement;
pub mod traceparent;
mod tracer;

pub use self::{
    call::{RpcCall, rpc_answered},
    log::start,
    span::Span,
    statement::Statement,
    tracer::{TraceSettings, Tracer},
};

//! Every RPC of auth-service over a real socket: what works, and what is refused in which words.

#[path = "../support/mod.rs"]
mod support;

mod journeys;

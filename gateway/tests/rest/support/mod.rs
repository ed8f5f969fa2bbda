//! What every topic needs: a gateway on a free port, and the fake services behind it.

mod fake;
mod gateway;
mod raw;

pub use self::{
    fake::Fake,
    gateway::{Gateway, SERVICE_TOKEN},
    raw::{exchange, exchange_slowly, request},
};

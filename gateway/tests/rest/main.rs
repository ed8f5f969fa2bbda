//! The gateway as its callers see it: real sockets in front, a fake service behind. A file per topic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on fails"
)]

mod support;

mod binary;
mod connections;
mod context;
mod cors;
mod every_route;
mod hostile_http;
mod hostile_json;
mod input;
mod kept_mail;
mod limits;
mod mail_links;
mod openapi;
mod output;
mod overload;
mod problems;
mod shutdown;
mod tls;

//! Journeys through the whole of Online Edu, as its users make them: over REST and gRPC, in a browser, with
//! mail that a real SMTP server receives, on both databases and across replicas. The cluster is the one that
//! `cargo run` starts; the replicas are two of each service on one PostgreSQL, behind one gateway. What is about one
//! process, such as its start, its settings, its pages and what it refuses to read, runs without replicas.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop at once"
)]
#![allow(
    clippy::disallowed_methods,
    reason = "what the ban protects is the product's, not a test's"
)]

mod account;
mod backup;
mod browser;
mod client_address;
mod command;
mod course;
mod course_list;
mod deletion;
mod document;
mod enrollment;
mod factor;
mod grpc;
mod hostile;
mod instructor;
mod mail_link;
mod numbers;
mod own_data;
mod password;
mod policy;
mod profile;
mod races;
mod read_replica;
mod registration;
mod restart;
mod security;
mod security_events;
mod session;
mod settings;
mod staff;
mod support;
mod tls;

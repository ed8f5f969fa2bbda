//! Journeys through the whole of Online Edu, as its users make them: over REST and gRPC, in a browser, with
//! mail that a real SMTP server receives, on both databases. The cluster is the one that `cargo run` starts.

mod account;
mod course;
mod course_list;
mod instructor;
mod mail_link;
mod password;
mod profile;
mod race;
mod registration;
mod session;
mod staff;
mod support;

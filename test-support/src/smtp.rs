//! A real SMTP server for tests: it takes mail over real sockets, and can be told to misbehave at any step.
//!
//! ```no_run
//! # async fn example() {
//! use std::time::Duration;
//! use test_support::smtp::{Action, SmtpServer, Stage};
//!
//! let server = SmtpServer::builder()
//!     .script(|stage| match stage {
//!         Stage::RcptTo(address) if address.starts_with("full@") => Action::reply(452, "mailbox full"),
//!         _ => Action::Continue,
//!     })
//!     .start()
//!     .await;
//! // … the code under test sends to server.address() …
//! let message = server.next_to("ada@example.org", Duration::from_secs(5)).await;
//! let token = test_support::mail::token(&message);
//! # }
//! ```

mod builder;
mod command;
mod message;
mod script;
mod server;
mod session;

pub use builder::Builder;
pub use message::{Login, Message};
pub use script::{Action, Stage};
pub use server::SmtpServer;

//! The gateway gives browsers REST: it transcodes the annotated RPCs of the contract, serves the pages that
//! mail links open, and holds no rules and no data.
//!
//! A request crosses [`edge`] (id, limits, headers, log), then [`transcode`] or one of the [`pages`]; whatever refuses it
//! returns a [`problem`]. [`server`] puts it together, [`config`] says with what, [`openapi`] describes it.

mod addresses;
pub mod config;
pub mod edge;
pub mod openapi;
pub mod pages;
pub mod problem;
pub mod server;
pub mod transcode;

//! The gateway as its callers see it: real sockets in front, a fake service behind. A file per topic.

mod support;

mod context;
mod cors;
mod every_route;
mod hostile;
mod input;
mod limits;
mod output;
mod problems;
mod shutdown;

//! What an internal service uses to know its caller.

pub mod access_token;

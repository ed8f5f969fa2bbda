//! What an internal service uses to know its caller.
//!
//! - [`callers`]: who calls, remembered for as long as that is true
//! - [`access_token`]: verifies a token strictly, which says who it was made for
//! - [`authorize`]: asks auth-service, whose answer says what they may do now

pub mod access_token;
pub mod authorize;
pub mod callers;
mod security_state;

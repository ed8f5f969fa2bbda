//! Retries that act once: the caller's key, bound to who calls what with which input.

use auth_client::authorize::Caller;
use aws_lc_rs::digest::{SHA256, digest};
use serde::Serialize;
use service_runtime::{
    database::idempotency::{LONGEST_KEY, Once},
    field::FieldError,
};

/// What a request id asks for; the empty one asks for nothing.
pub(super) fn once(
    method: &str,
    caller: &Caller,
    request_id: String,
    input: &impl Serialize,
) -> Result<Option<Once>, FieldError> {
    if request_id.is_empty() {
        return Ok(None);
    }
    if request_id.len() > LONGEST_KEY || !request_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(FieldError::new(
            "request_id",
            "The idempotency key must be at most 255 visible ASCII characters",
        ));
    }
    let input = serde_json::to_vec(input).unwrap_or_default();
    Ok(Some(Once {
        scope: format!("{method} {}", caller.user_id),
        key: request_id,
        // Nothing of a course is secret, so the hash needs no key and outlives every change of keys.
        fingerprint: digest(&SHA256, &input).as_ref().to_vec(),
        former: Vec::new(),
    }))
}

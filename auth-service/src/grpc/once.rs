//! The wish that a call act once, as the contract carries it: `request_id`.

use proto::auth::v1 as pb;
use service_runtime::{
    database::idempotency::{LONGEST_KEY, Once},
    mac::Mac,
};

use crate::domain::error::Error;

/// The wish in a registration. Its fingerprint is keyed, because the input holds a password.
///
/// # Errors
/// [`Error::Invalid`] for a key that is too long or not visible ASCII.
pub(crate) fn registration(mac: &Mac, request: &pb::RegisterRequest) -> Result<Option<Once>, Error> {
    let key = &request.request_id;
    if key.is_empty() {
        return Ok(None);
    }
    if key.len() > LONGEST_KEY || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::field(
            "request_id",
            "A request id has at most 255 visible ASCII characters.",
        ));
    }
    let input = prost::Message::encode_to_vec(request);
    Ok(Some(Once {
        scope: "Register".to_owned(),
        key: key.clone(),
        fingerprint: mac.tag(&input).to_vec(),
        former: mac.tags(&input).skip(1).map(|tag| tag.to_vec()).collect(),
    }))
}

//! Recovery codes: shown once, kept as hashes, each good for one use.

use aws_lc_rs::digest::{SHA256, digest};
use service_runtime::{entropy::Entropy, secret::Secret};
use uuid::Uuid;

use crate::{
    domain::error::Error,
    model::factor::{RECOVERY_CODES, RecoveryCode},
};

/// Texts to be shown, and what is kept of each.
type Codes = (Vec<Secret<String>>, Vec<Vec<u8>>);

/// New codes of a user.
///
/// # Errors
/// When there is no chance to be had.
pub(super) fn make(entropy: &Entropy, user_id: Uuid) -> Result<Codes, Error> {
    let mut pairs = Vec::with_capacity(RECOVERY_CODES);
    for _ in 0..RECOVERY_CODES {
        let code = RecoveryCode::new(entropy.bytes()?);
        pairs.push((code.text(), hash(user_id, &code)));
    }
    Ok(pairs.into_iter().unzip())
}

/// What is kept of a recovery code. It has 120 bits of chance, so that a plain hash gives it away to nobody; and it
/// holds when `SECRET_KEY` changes.
pub(super) fn hash(user_id: Uuid, code: &RecoveryCode) -> Vec<u8> {
    let message = [&user_id.as_bytes()[..], code.expose()].concat();
    digest(&SHA256, &message).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_code_is_one_accounts_own() {
        let code = RecoveryCode::new([7; 15]);
        assert_ne!(hash(Uuid::from_u128(1), &code), hash(Uuid::from_u128(2), &code));
    }
}

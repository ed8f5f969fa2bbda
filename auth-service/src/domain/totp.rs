//! One-time passwords of an authenticator app (TOTP, RFC 6238) as every app makes them: HMAC-SHA-1, six digits, thirty
//! seconds.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use chrono::{DateTime, Utc};
use data_encoding::BASE32_NOPAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use service_runtime::secret::Secret;

/// How long a code is shown, in seconds.
const STEP: i64 = 30;
/// How many steps before and after the present one are good too: a phone's clock may be off, and people type.
const DRIFT: i64 = 1;
/// Whose codes they are, as apps show it.
const ISSUER: &str = "Online%20Edu";

/// What a code is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the code of this step, and neither it nor a later one was used.
    Right(i64),
    /// It is a code of now, but it or a later one was used.
    Used,
    /// It is not a code of now.
    Wrong,
}

/// What six digits are worth now. Every step is looked at, whatever the others come to.
pub fn judge(secret: &[u8], digits: &[u8; 6], now: DateTime<Utc>, last_step: i64) -> Verdict {
    let present = now.timestamp().div_euclid(STEP);
    let mut verdict = Verdict::Wrong;
    for step in present - DRIFT..=present + DRIFT {
        if verify_slices_are_equal(&code(secret, step), digits).is_ok() {
            // Steps come in their order: one that is right stands behind those that were used.
            verdict = match step > last_step {
                true => Verdict::Right(step),
                false => Verdict::Used,
            };
        }
    }
    verdict
}

/// The code of a step.
fn code(secret: &[u8], step: i64) -> [u8; 6] {
    let mut left = truncated(secret, step) % 1_000_000;
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
    }
    digits
}

/// The 31 bits that a code is made of (RFC 4226 §5.3).
fn truncated(secret: &[u8], step: i64) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag.last().copied().unwrap_or(0) & 0x0f);
    let bytes = tag.get(offset..).and_then(|rest| rest.first_chunk());
    u32::from_be_bytes(bytes.copied().unwrap_or_default()) & 0x7fff_ffff
}

/// A secret as people type it into an app.
pub fn secret_text(secret: &[u8]) -> Secret<String> {
    Secret::new(BASE32_NOPAD.encode(secret))
}

/// A secret as a link that apps open; `account` is how they name it.
pub fn uri(secret: &[u8], account: &str) -> Secret<String> {
    let account = utf8_percent_encode(account, NON_ALPHANUMERIC);
    let secret = secret_text(secret);
    Secret::new(format!(
        "otpauth://totp/{ISSUER}:{account}?secret={}&issuer={ISSUER}&algorithm=SHA1&digits=6&period={STEP}",
        secret.expose()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of the vectors.
    const SECRET: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    #[test]
    fn the_codes_are_those_of_rfc_6238() {
        for (seconds, eight_digits) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let step = seconds / STEP;
            let eight = format!("{:08}", truncated(SECRET, step) % 100_000_000);
            assert_eq!(eight, eight_digits);
            assert_eq!(&code(SECRET, step), &eight_digits.as_bytes()[2..]);
        }
    }

    #[test]
    fn a_code_is_good_one_step_around_its_own_and_once() {
        let now = at(1_234_567_890);
        let step = now.timestamp() / STEP;
        for (offset, good) in [(-2, false), (-1, true), (0, true), (1, true), (2, false)] {
            let verdict = judge(SECRET, &code(SECRET, step + offset), now, 0);
            let expected = if good {
                Verdict::Right(step + offset)
            } else {
                Verdict::Wrong
            };
            assert_eq!(verdict, expected, "{offset}");
            let again = judge(SECRET, &code(SECRET, step + offset), now, step + offset);
            let expected = if good { Verdict::Used } else { Verdict::Wrong };
            assert_eq!(again, expected, "{offset}");
        }
        // No code of a step before one that was used.
        assert_eq!(judge(SECRET, &code(SECRET, step - 1), now, step), Verdict::Used);
        assert_eq!(
            judge(SECRET, &code(SECRET, step + 1), now, step),
            Verdict::Right(step + 1)
        );
        // A clock before 1970 breaks nothing.
        assert_eq!(
            judge(SECRET, b"000000", at(-1_000_000_000_000), 0),
            Verdict::Wrong
        );
    }

    #[test]
    fn a_code_is_good_to_the_second() {
        let start = at(1_234_567_890);
        assert_eq!(start.timestamp() % STEP, 0, "a step begins");
        let shown = code(SECRET, start.timestamp() / STEP);
        for (seconds, good) in [(-31, false), (-30, true), (0, true), (59, true), (60, false)] {
            let verdict = judge(SECRET, &shown, start + chrono::TimeDelta::seconds(seconds), 0);
            assert_eq!(verdict != Verdict::Wrong, good, "{seconds} s");
        }
    }

    #[test]
    fn the_link_is_one_that_apps_open() {
        assert_eq!(
            uri(SECRET, "ada+x@example.org").expose(),
            "otpauth://totp/Online%20Edu:ada%2Bx%40example%2Eorg?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Online%20Edu&algorithm=SHA1&digits=6&period=30"
        );
    }
}

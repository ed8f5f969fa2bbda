//! The second factor of an account: an authenticator app, and recovery codes for when it is lost.

use chrono::{DateTime, Utc};
use data_encoding::BASE32_NOPAD_VISUAL;
use service_runtime::secret::Secret;
use uuid::Uuid;

use crate::model::{event::SecurityEvent, mail::NewMail};

/// The length of the secret that an app shares, in bytes: 160 bits, as RFC 4226 recommends.
pub const SECRET_LEN: usize = 20;
/// The length of a recovery code, in bytes: 120 bits, so that nobody guesses one and a plain hash may be kept.
pub const RECOVERY_LEN: usize = 15;
/// How many recovery codes there are.
pub const RECOVERY_CODES: usize = 10;
/// How many letters of a recovery code stand together.
const GROUP: usize = 4;
/// The longest text that may be a code, in bytes; people may type spaces and dashes where they like.
const LONGEST: usize = 80;

/// What somebody typed to prove a second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// Six digits of the app.
    App(Secret<[u8; 6]>),
    /// A recovery code.
    Recovery(RecoveryCode),
}

impl Code {
    /// Reads a code: spaces and dashes do not count, nor does case, and letters that look like digits are taken for
    /// them. `None` for what no code looks like.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let typed: Vec<u8> = text
            .bytes()
            .filter(|byte| !matches!(byte, b' ' | b'-'))
            .map(|byte| byte.to_ascii_uppercase())
            .collect();
        if let Ok(digits) = <[u8; 6]>::try_from(typed.as_slice()) {
            let are_digits = digits.iter().all(u8::is_ascii_digit);
            return are_digits.then(|| Self::App(Secret::new(digits)));
        }
        let bytes = BASE32_NOPAD_VISUAL.decode(&typed).ok()?;
        let bytes = bytes.try_into().ok()?;
        Some(Self::Recovery(RecoveryCode(Secret::new(bytes))))
    }
}

/// A code that replaces the app once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryCode(Secret<[u8; RECOVERY_LEN]>);

impl RecoveryCode {
    /// The code of these unpredictable bytes.
    pub const fn new(bytes: [u8; RECOVERY_LEN]) -> Self {
        Self(Secret::new(bytes))
    }

    /// Its bytes.
    pub const fn expose(&self) -> &[u8; RECOVERY_LEN] {
        self.0.expose()
    }

    /// Its text as people write it down: `ABCD-EFGH-…`.
    pub fn text(&self) -> Secret<String> {
        let letters = BASE32_NOPAD_VISUAL.encode(self.expose());
        let groups: Vec<&str> = (0..letters.len())
            .step_by(GROUP)
            .filter_map(|start| letters.get(start..start + GROUP))
            .collect();
        Secret::new(groups.join("-"))
    }
}

/// A second factor as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFactor {
    /// Names the enrolment: beginning again makes another one.
    pub id: Uuid,
    /// The secret that the app shares, sealed.
    pub sealed_secret: Vec<u8>,
    /// The latest time step whose code was used.
    pub last_step: i64,
    /// Wrong codes since the last right one.
    pub failures: i64,
    /// Until when no code of the app is looked at because of them.
    pub blocked_until: Option<DateTime<Utc>>,
}

/// What an attempt with a code comes to, and what is kept of it.
#[derive(Debug)]
pub struct Attempt {
    /// Whether the code was right.
    pub passed: bool,
    /// The latest time step whose code was used.
    pub last_step: i64,
    /// Wrong codes since the last right one.
    pub failures: i64,
    /// Until when no code of the app is looked at because of them.
    pub blocked_until: Option<DateTime<Utc>>,
    /// What to tell the trail.
    pub events: Vec<SecurityEvent>,
    /// What to tell the owner.
    pub mail: Option<NewMail>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_of_the_app_are_read_as_they_are_shown() {
        let read = |text: &str| match Code::parse(text) {
            Some(Code::App(digits)) => Some(*digits.expose()),
            _ => None,
        };
        assert_eq!(read("012345"), Some(*b"012345"));
        assert_eq!(read(" 012 345 "), Some(*b"012345"));
        assert_eq!(read("012-345"), Some(*b"012345"));
        for text in [
            "",
            "12345",
            "1234567",
            "12345a",
            "+12345",
            "１２３４５６",
            "12345\0",
            "0x1234",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn recovery_codes_are_read_as_people_type_them() {
        let code = RecoveryCode::new(*b"\x00\x11\x22recovery\xfd\xfe\xff!");
        let text = code.text().expose().clone();
        assert_eq!(text.len(), 29);
        for typed in [
            text.clone(),
            text.to_lowercase(),
            text.replace('-', ""),
            text.replace('-', " - "),
            text.replace('O', "0").replace('I', "1").replace('B', "8"),
        ] {
            assert_eq!(Code::parse(&typed), Some(Code::Recovery(code.clone())), "{typed}");
        }
        for other in [
            &text[..28],
            &format!("{text}A"),
            &text.replace('-', "_"),
            &" ".repeat(81),
        ] {
            assert_eq!(Code::parse(other), None, "{other}");
        }
    }

    #[test]
    fn debug_shows_no_code() {
        let shown = format!("{:?} {:?}", Code::parse("012345"), RecoveryCode::new([65; 15]));
        assert!(!shown.contains("012345") && !shown.contains("65"), "{shown}");
    }

    proptest! {
        #[test]
        fn a_recovery_code_is_read_back(bytes in any::<[u8; RECOVERY_LEN]>()) {
            let code = RecoveryCode::new(bytes);
            prop_assert_eq!(Code::parse(code.text().expose()), Some(Code::Recovery(code)));
        }

        #[test]
        fn no_text_breaks_the_reading(text in "\\PC{0,100}") {
            if let Some(Code::Recovery(code)) = Code::parse(&text) {
                prop_assert_eq!(Code::parse(code.text().expose()), Some(Code::Recovery(code)));
            }
        }
    }
}

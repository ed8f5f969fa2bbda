//! Codes of a second factor as people type them: six digits of an app, or a recovery code, read by arithmetic.

#![no_main]

use arbitrary::Arbitrary;
use auth_service::model::factor::{Code, RECOVERY_LEN, RecoveryCode};
use fuzz::edits::Edits;
use libfuzzer_sys::fuzz_target;
use service_runtime::secret::Secret;

#[derive(Debug, Arbitrary)]
struct Typed<'a> {
    recovery: [u8; RECOVERY_LEN],
    digits: u32,
    edits: Edits<'a>,
    text: &'a str,
    /// How many spaces somebody typed before it.
    spaces: u8,
}

fuzz_target!(|typed: Typed| {
    let code = RecoveryCode::new(typed.recovery);
    let written = code.text();
    assert_eq!(Code::parse(written.expose()), Some(Code::Recovery(code)));

    for text in [
        typed.edits.text(written.expose()),
        typed.edits.text(&format!("{:06}", typed.digits % 1_000_000)),
        typed.text.to_owned(),
    ] {
        let text = " ".repeat(typed.spaces.into()) + &text;
        let read = Code::parse(&text);
        assert_eq!(read, expected(&text), "{text:?}");
        if let Some(Code::Recovery(code)) = read {
            // However it was typed, it is written in one way.
            assert_eq!(code.text().expose().replace('-', ""), plain(&text));
        }
    }
});

/// The letters that count.
fn plain(text: &str) -> String {
    let letters = text.chars().filter(|letter| ![' ', '-'].contains(letter));
    let letters = letters.map(|letter| match letter {
        '0' => 'O',
        '1' => 'I',
        '8' => 'B',
        letter => letter.to_ascii_uppercase(),
    });
    letters.collect()
}

fn expected(text: &str) -> Option<Code> {
    if text.len() > 80 {
        return None;
    }
    let digits: Vec<u8> = text.bytes().filter(|byte| !b" -".contains(byte)).collect();
    if digits.len() == 6 && digits.iter().all(|byte| (b'0'..=b'9').contains(byte)) {
        return Some(Code::App(Secret::new(digits.try_into().unwrap())));
    }
    // A number of 24 digits to the base of 32.
    let letters = plain(text);
    let mut number = 0_u128;
    for letter in letters.bytes() {
        let digit = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
            .iter()
            .position(|own| *own == letter)?;
        number = number.checked_mul(32)? + digit as u128;
    }
    let bytes = number.to_be_bytes();
    (letters.len() == 24).then(|| Code::Recovery(RecoveryCode::new(bytes[1..].try_into().unwrap())))
}

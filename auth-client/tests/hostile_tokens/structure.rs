//! J1 and J2: parts that are too many, too few or otherwise written, and signatures that are not the token's own.

use crate::forge::{Cases, Forge, SUBJECT, encode, message};

/// The order of the group (RFC 8032 §5.1), little-endian.
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

pub fn structure(forge: &Forge) -> Cases {
    let good = forge.good();
    let parts: Vec<&str> = good.split('.').collect();
    let json = format!(
        r#"{{"protected":"{}","payload":"{}","signature":"{}"}}"#,
        parts[0], parts[1], parts[2]
    );
    vec![
        ("empty", String::new()),
        ("two dots", "..".to_owned()),
        ("four parts", format!("{good}.{}", parts[2])),
        ("five parts", format!("{}.{good}", message("{}", "{}"))),
        ("JSON serialisation", json),
        ("a space before", format!(" {good}")),
        ("a space after", format!("{good} ")),
        ("a newline", format!("{}.{}\n.{}", parts[0], parts[1], parts[2])),
        ("padding", format!("{good}==")),
        ("the standard alphabet", standard_alphabet(forge)),
    ]
}

/// A token whose signature needs one of the two letters that the alphabets write differently.
fn standard_alphabet(forge: &Forge) -> String {
    let tokens = (0..256).map(|place| {
        let subject = format!("{}{place:02x}", &SUBJECT[..SUBJECT.len() - 2]);
        let token = forge.signed(forge.header(), forge.claims_with(SUBJECT, &subject));
        assert!(forge.accepts(&token));
        token
    });
    let different = |token: &String| token.rsplit('.').next().unwrap().contains(['-', '_']);
    let token = tokens
        .into_iter()
        .find(different)
        .expect("most signatures have one");
    let (message, signature) = token.rsplit_once('.').unwrap();
    format!("{message}.{}", signature.replace('-', "+").replace('_', "/"))
}

pub fn signature(forge: &Forge) -> Cases {
    let good = forge.good();
    let (message, encoded) = good.rsplit_once('.').unwrap();
    let with = |signature: &str| format!("{message}.{signature}");
    let bytes = forge.sign(message);
    assert_eq!(encode(&bytes), encoded, "Ed25519 signs the same twice");

    let longer = [&bytes[..], &[0]].concat();
    let mut malleable = bytes.clone();
    let mut carry = 0;
    for (byte, add) in malleable[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "S + L still fits in 32 bytes");
    vec![
        ("stripped", with("")),
        ("a letter less", with(&encoded[..encoded.len() - 1])),
        ("four letters less", with(&encoded[..encoded.len() - 4])),
        ("a byte more", with(&encode(longer))),
        ("bits that do not count", with(&other_spelling(encoded))),
        ("S + L", with(&encode(malleable))),
        ("another key", with(&encode(Forge::new().sign(message)))),
    ]
}

/// The same 64 bytes, with one of the four bits set that the last letter has too many.
fn other_spelling(encoded: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = encoded.split_at(encoded.len() - 1);
    let value = LETTERS
        .iter()
        .position(|letter| *letter == last.as_bytes()[0])
        .unwrap();
    assert_eq!(value & 0b1111, 0);
    format!("{rest}{}", char::from(LETTERS[value | 1]))
}

//! J3 to J6: other algorithms, keys that the token brings along, headers that mean something, other purposes.

use crate::forge::{Cases, Forge, KID, encode, message};

pub fn algorithm(forge: &Forge) -> Cases {
    let with = |alg: &str| forge.header_with("EdDSA", alg);
    let signed = |alg: &str| forge.signed(with(alg), forge.claims());
    let unsigned = |alg: &str| format!("{}.", message(with(alg), forge.claims()));
    let twice = forge.header_with(r#""alg":"EdDSA""#, r#""alg":"none","alg":"EdDSA""#);
    let array = format!("[{}]", forge.header());
    vec![
        ("none, unsigned", unsigned("none")),
        ("none, signed", signed("none")),
        ("None, unsigned", unsigned("None")),
        ("eddsa", signed("eddsa")),
        ("Ed25519", signed("Ed25519")),
        (
            "HS256",
            forge.mac(&with("HS256"), b"a secret of 32 bytes that is good"),
        ),
        (
            "HS256 keyed with the public key",
            forge.mac(&with("HS256"), forge.public_key()),
        ),
        ("alg twice", forge.signed(twice, forge.claims())),
        ("an array", forge.signed(array, forge.claims())),
    ]
}

pub fn key_injection(forge: &Forge) -> Cases {
    let signed = |header: String| forge.signed(header, forge.claims());
    let kid = format!(r#""kid":"{KID}""#);
    let instead = |by: &str| signed(forge.header_with(&kid, by));
    let added = |more: &str| instead(&format!("{kid},{more}"));
    // The attacker's own key, brought along and used.
    let mallory = Forge::new();
    let jwk = format!(
        r#"{kid},"jwk":{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#,
        encode(mallory.public_key())
    );
    vec![
        (
            "jwk",
            mallory.signed(forge.header_with(&kid, &jwk), forge.claims()),
        ),
        (
            "jku and x5u",
            added(r#""jku":"https://evil.test/k","x5u":"https://evil.test/c""#),
        ),
        ("kid is a path", instead(r#""kid":"../../dev/null""#)),
        ("kid is SQL", instead(r#""kid":"x' UNION SELECT 'k'--""#)),
        ("kid is a number", instead(r#""kid":1"#)),
        ("kid twice", added(&kid)),
    ]
}

pub fn semantics(forge: &Forge) -> Cases {
    let signed = |header: String| forge.signed(header, forge.claims());
    let added = |more: &str| signed(forge.header_with("}", &format!(",{more}}}")));
    vec![
        ("crit of something unknown", added(r#""crit":["x"],"x":1"#)),
        ("crit b64", added(r#""crit":["b64"],"b64":false"#)),
        ("zip", added(r#""zip":"DEF""#)),
        ("cty", added(r#""cty":"JWT""#)),
        ("a byte order mark", signed(format!("\u{feff}{}", forge.header()))),
        ("garbage after it", signed(format!("{}x", forge.header()))),
    ]
}

pub fn purpose(forge: &Forge) -> Cases {
    vec![
        (
            "a refresh token",
            forge.signed(forge.header_with("at+jwt", "refresh+jwt"), forge.claims()),
        ),
        (
            "no purpose",
            forge.signed(forge.header_with(r#""typ":"at+jwt","#, ""), forge.claims()),
        ),
    ]
}

/// What the corpus does not list: everything near the one type.
#[test]
fn only_the_exact_type_is_an_access_token() {
    let forge = Forge::new();
    for typ in [
        "JWT",
        "AT+JWT",
        "application/at+jwt",
        "at+jwt ",
        "id+jwt",
        "secevent+jwt",
        "",
    ] {
        let token = forge.signed(forge.header_with("at+jwt", typ), forge.claims());
        assert!(!forge.accepts(&token), "{typ:?}");
    }
}

//! Access tokens: whatever is signed with the right key or not, the verifier says the same as a reading of the token
//! that shares no code with it.

#![no_main]

use std::{sync::LazyLock, time::Duration};

use arbitrary::Arbitrary;
use auth_client::access_token::{AccessToken, Verifier};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use ed25519_dalek::{Signature, Signer, SigningKey};
use fuzz::{base64url, edits::Edits, json::Json};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

const ISSUER: &str = "https://edu.test";
const KID: &str = "0195e7a0-0000-7000-8000-000000000001";
const NOW: i64 = 1_772_366_400;
const LIFE: i64 = 900;
const HEADER: &str = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"0195e7a0-0000-7000-8000-000000000001"}"#;
const CLAIMS: &str = r#"{"iss":"https://edu.test","aud":"onlineedu","sub":"0195e7a0-0000-7000-8000-00000000000a","sid":"0195e7a0-0000-7000-8000-00000000000b","iat":1772366400,"exp":1772367300,"jti":"0195e7a0-0000-7000-8000-00000000000c","auth_time":1772366400,"amr":["pwd"]}"#;

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_bytes(&[7; 32]));
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let key = KEY.verifying_key().to_bytes();
    Verifier::new(ISSUER, Duration::from_secs(LIFE as u64), [(KID, &key[..])])
});

#[derive(Debug, Arbitrary)]
struct Offered<'a> {
    header: Edits<'a>,
    claims: Edits<'a>,
    /// What is changed after signing.
    token: Edits<'a>,
    /// How far from when it was issued it is offered, in seconds.
    later: i16,
}

fuzz_target!(|offered: Offered| {
    let header = URL_SAFE_NO_PAD.encode(offered.header.bytes(HEADER));
    let claims = URL_SAFE_NO_PAD.encode(offered.claims.bytes(CLAIMS));
    let message = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(KEY.sign(message.as_bytes()).to_bytes());
    let token = offered.token.text(&format!("{message}.{signature}"));
    let seconds = NOW + i64::from(offered.later);
    let now = DateTime::from_timestamp(seconds, 0).unwrap();

    let verified = VERIFIER.verify(&token, now).ok();
    assert_eq!(verified, expected(&token, seconds), "{token}");
    let untouched = offered.header.is_empty() && offered.claims.is_empty() && offered.token.is_empty();
    if untouched && (0..LIFE).contains(&i64::from(offered.later)) {
        assert!(verified.is_some());
    }
    if verified.is_some() {
        assert_eq!(Verifier::key_id(&token).as_deref(), Some(KID));
        // Only a time that stands in the token, and never does in ours, comes between being issued and being good.
        assert!(VERIFIER.was_good(&token) || !offered.claims.is_empty());
        assert!(!VERIFIER.may_be_of_a_new_key(&token, now));
    } else {
        // Whatever these say of a token that is refused, they say it.
        VERIFIER.was_good(&token);
        VERIFIER.may_be_of_a_new_key(&token, now);
    }
});

/// What a token says, if it is one.
fn expected(token: &str, now: i64) -> Option<AccessToken> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        return None;
    };
    let signature: [u8; 64] = base64url::read(signature)?.try_into().ok()?;
    let message = &token[..header.len() + 1 + claims.len()];
    let signature = Signature::from_bytes(&signature);
    KEY.verifying_key()
        .verify_strict(message.as_bytes(), &signature)
        .ok()?;

    let header = part(header)?;
    let text = |object: &Json, name: &str| object.only(name)?.text().map(str::to_owned);
    let header_is_ours = header.has(&["alg", "typ", "kid"], &[])
        && text(&header, "alg")? == "EdDSA"
        && text(&header, "typ")? == "at+jwt"
        && text(&header, "kid")? == KID;

    let claims = part(claims)?;
    let needed = [
        "iss",
        "aud",
        "sub",
        "sid",
        "iat",
        "exp",
        "jti",
        "auth_time",
        "amr",
    ];
    let claims_are_ours = claims.has(&needed, &["nbf"])
        && text(&claims, "iss")? == ISSUER
        && text(&claims, "aud")? == "onlineedu";
    let number = |name| claims.only(name).and_then(Json::integer);
    let (issued, expires, proved) = (number("iat")?, number("exp")?, number("auth_time")?);
    let begun = match claims.only("nbf") {
        Some(from) => from.integer()? <= now,
        None => true,
    };
    let life = i128::from(expires) - i128::from(issued);
    let in_time = issued <= now + 5
        && expires > now
        && 0 < life
        && life <= i128::from(LIFE)
        && i128::from(proved) <= i128::from(issued) + 5;
    let factors = claims.only("amr")?.items()?.iter();
    let factors = factors.map(|factor| factor.text().map(str::to_owned));
    let token = AccessToken {
        id: id(&text(&claims, "jti")?)?,
        user_id: id(&text(&claims, "sub")?)?,
        session_id: id(&text(&claims, "sid")?)?,
        issued_at: instant(issued)?,
        expires_at: instant(expires)?,
        auth_time: instant(proved)?,
        factors: factors.collect::<Option<_>>()?,
    };
    (token_is_short(message) && header_is_ours && claims_are_ours && begun && in_time).then_some(token)
}

/// An object and nothing before it.
fn part(encoded: &str) -> Option<Json> {
    let bytes = base64url::read(encoded)?;
    bytes.starts_with(b"{").then(|| Json::read(&bytes))?
}

/// With the 86 letters of the signature and the dot before it, at most 4096.
fn token_is_short(message: &str) -> bool {
    message.len() + 87 <= 4096
}

fn id(text: &str) -> Option<Uuid> {
    let number = u128::from_str_radix(&text.replace('-', ""), 16).ok()?;
    let id = Uuid::from_u128(number);
    (id.to_string() == text).then_some(id)
}

fn instant(seconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(seconds, 0)
}

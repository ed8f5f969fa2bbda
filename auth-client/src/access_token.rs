//! Access tokens (JWT, RFC 9068) are accepted exactly as their issuer makes them, and in no other form.
//!
//! A JWT library checks what a configuration asks for and lets the rest pass: unknown critical headers,
//! embedded keys, lists of audiences, an expiry of right now, a payload of a megabyte. Here the order is
//! reversed (RFC 8725): a bounded size, one header with three known members, one algorithm, one type, a key
//! of our own key set, the signature, and then claims of known names and types only. A token with anything
//! more, less or other is refused, and every refusal is the same.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, crypto};
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

/// The one `typ` (RFC 9068 §2.1).
const TYPE: &str = "at+jwt";
/// The one `alg` (RFC 8037). RFC 9864 renames it; exactly one name is accepted.
const ALGORITHM: &str = "EdDSA";
/// The one `aud`.
const AUDIENCE: &str = "onlineedu";
/// No token is longer, in bytes.
const LONGEST: usize = 4096;
/// How far another machine's clock may be ahead, in seconds.
const SKEW: i64 = 5;

/// How old a key may be that somebody does not know yet.
const NEW_KEY: TimeDelta = TimeDelta::seconds(60);

/// What an access token says: who, in which session, and how they proved it. It carries no rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// The token's own id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// The session it belongs to.
    pub session_id: Uuid,
    /// When it was issued.
    pub issued_at: DateTime<Utc>,
    /// From then on it is refused.
    pub expires_at: DateTime<Utc>,
    /// When the person proved who they are.
    pub auth_time: DateTime<Utc>,
    /// How they proved it, as RFC 8176 names.
    pub factors: Vec<String>,
}

/// The token is not one of ours, or no longer. Why is nobody's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the access token is not valid")]
pub struct BadToken;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    iat: i64,
    exp: i64,
    /// Never issued, enforced where present.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    nbf: Option<i64>,
    jti: String,
    auth_time: i64,
    amr: Vec<String>,
}

/// A number that is there: `null` is not one.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    i64::deserialize(deserializer).map(Some)
}

/// A key that signs tokens.
#[derive(Clone)]
pub struct Signer {
    issuer: String,
    kid: String,
    key: EncodingKey,
}

impl Signer {
    /// A signer for `issuer` with an Ed25519 key in PKCS#8 and the id under which its public key is known.
    pub fn new(issuer: &str, kid: &str, pkcs8: &[u8]) -> Self {
        Self {
            issuer: issuer.to_owned(),
            kid: kid.to_owned(),
            key: EncodingKey::from_ed_der(pkcs8),
        }
    }

    /// The token's text.
    ///
    /// # Errors
    /// [`BadToken`] when the key is not an Ed25519 key.
    pub fn sign(&self, token: &AccessToken) -> Result<String, BadToken> {
        let header = Header {
            alg: ALGORITHM.into(),
            typ: TYPE.into(),
            kid: self.kid.clone(),
        };
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: token.user_id.to_string(),
            sid: token.session_id.to_string(),
            iat: token.issued_at.timestamp(),
            exp: token.expires_at.timestamp(),
            nbf: None,
            jti: token.id.to_string(),
            auth_time: token.auth_time.timestamp(),
            amr: token.factors.clone(),
        };
        let message = format!("{}.{}", encode(&header)?, encode(&claims)?);
        let signature =
            crypto::sign(message.as_bytes(), &self.key, Algorithm::EdDSA).map_err(|_| BadToken)?;
        Ok(format!("{message}.{signature}"))
    }
}

/// Knows the issuer and its public keys, and accepts nothing else.
#[derive(Clone)]
pub struct Verifier {
    issuer: String,
    keys: HashMap<String, DecodingKey>,
    /// No token lives longer, in seconds.
    longest_life: i64,
}

impl Verifier {
    /// A verifier of tokens of `issuer` that live at most `longest_life`, signed with one of `keys`: the id of
    /// each and its 32 bytes.
    pub fn new<'a>(
        issuer: &str,
        longest_life: std::time::Duration,
        keys: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Self {
        let keys = keys
            .into_iter()
            .map(|(kid, key)| (kid.to_owned(), DecodingKey::from_ed_der(key)));
        Self {
            issuer: issuer.to_owned(),
            keys: keys.collect(),
            longest_life: i64::try_from(longest_life.as_secs()).unwrap_or(i64::MAX),
        }
    }

    /// The key id that a token names, if its header is one of ours: what to look for when the key is not
    /// known yet. It says nothing about the token being valid.
    pub fn key_id(token: &str) -> Option<String> {
        let header = token.get(..LONGEST.min(token.len()))?.split('.').next()?;
        decode::<Header>(header).ok().map(|header| header.kid)
    }

    /// Whether a token that was refused may be of a key that was made in the last minute and is not known yet. It
    /// says nothing about the token being valid.
    pub fn may_be_of_a_new_key(&self, token: &str, now: DateTime<Utc>) -> bool {
        Self::key_id(token).is_some_and(|kid| {
            let made = key_time(&kid).map(|made| (now - made).abs());
            made.is_some_and(|age| age < NEW_KEY) && !self.knows(&kid)
        })
    }

    /// Whether the key is known.
    pub fn knows(&self, kid: &str) -> bool {
        self.keys.contains_key(kid)
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`BadToken`], whatever is wrong with it.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<AccessToken, BadToken> {
        self.read(self.claims(token)?, now.timestamp())
    }

    /// Whether a token was good when it was issued: if it is refused now, then because of the time, of which its
    /// issuer may think otherwise.
    pub fn was_good(&self, token: &str) -> bool {
        let claims = self.claims(token);
        claims.is_ok_and(|claims| {
            let issued_at = claims.iat;
            self.read(claims, issued_at).is_ok()
        })
    }

    /// The claims that one of our keys has signed.
    fn claims(&self, token: &str) -> Result<Claims, BadToken> {
        if token.len() > LONGEST {
            return Err(BadToken);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(BadToken)?;
        let (header, claims) = message.split_once('.').ok_or(BadToken)?;

        let header: Header = decode(header)?;
        if header.alg != ALGORITHM || header.typ != TYPE {
            return Err(BadToken);
        }
        let key = self.keys.get(&header.kid).ok_or(BadToken)?;
        // The library's decoder takes more than one spelling of the same bytes.
        URL_SAFE_NO_PAD.decode(signature).map_err(|_| BadToken)?;
        if !crypto::verify(signature, message.as_bytes(), key, Algorithm::EdDSA).unwrap_or(false) {
            return Err(BadToken);
        }

        decode(claims)
    }

    fn read(&self, claims: Claims, now: i64) -> Result<AccessToken, BadToken> {
        let ours = claims.iss == self.issuer && claims.aud == AUDIENCE;
        let begun = claims.iat <= now.saturating_add(SKEW) && claims.nbf.is_none_or(|nbf| nbf <= now);
        let life = claims.exp.checked_sub(claims.iat).ok_or(BadToken)?;
        let alive = claims.exp > now && (1..=self.longest_life).contains(&life);
        if !(ours && begun && alive && claims.auth_time <= claims.iat.saturating_add(SKEW)) {
            return Err(BadToken);
        }
        Ok(AccessToken {
            id: id(&claims.jti)?,
            user_id: id(&claims.sub)?,
            session_id: id(&claims.sid)?,
            issued_at: instant(claims.iat)?,
            expires_at: instant(claims.exp)?,
            auth_time: instant(claims.auth_time)?,
            factors: claims.amr,
        })
    }
}

/// A key's id is a UUIDv7: it says when the key was made, so that an id of another time is not looked for.
fn key_time(kid: &str) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = Uuid::try_parse(kid).ok()?.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

/// One part of a token: base64url without padding, UTF-8, one JSON object of known members.
fn decode<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, BadToken> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| BadToken)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| BadToken)?;
    // The derived readers would also take the members as a list.
    if !text.starts_with('{') {
        return Err(BadToken);
    }
    serde_json::from_str(text).map_err(|_| BadToken)
}

fn encode(part: &impl Serialize) -> Result<String, BadToken> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(part).map_err(|_| BadToken)?))
}

/// A UUID in its one canonical spelling.
fn id(text: &str) -> Result<Uuid, BadToken> {
    let id = Uuid::try_parse(text).map_err(|_| BadToken)?;
    if id.hyphenated().to_string() == text {
        Ok(id)
    } else {
        Err(BadToken)
    }
}

fn instant(seconds: i64) -> Result<DateTime<Utc>, BadToken> {
    DateTime::from_timestamp(seconds, 0).ok_or(BadToken)
}

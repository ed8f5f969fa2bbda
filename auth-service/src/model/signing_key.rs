//! Signing keys and the states they pass through: each is published before it signs, and verifies for as long as a
//! token of it may live.

use chrono::{DateTime, Utc};

use crate::model::event::SecurityEvent;

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It is published, so that whoever verifies knows it before it signs.
    Next,
    /// It signs.
    Active,
    /// It signs no more, and verifies until no token of it can live.
    Retiring,
}

impl KeyState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retiring => "retiring",
        }
    }
}

/// A key that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// The id that tokens name it by.
    pub kid: String,
    /// The public part, 32 bytes.
    pub public_key: Vec<u8>,
    /// The private part in PKCS#8, sealed.
    pub sealed_private_key: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when it may sign if it has to wait.
    pub may_sign_from: DateTime<Utc>,
    /// What to tell the trail where it is added.
    pub event: SecurityEvent,
}

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The id that tokens name it by.
    pub kid: String,
    /// The public part, 32 bytes.
    pub public_key: Vec<u8>,
    /// The private part in PKCS#8, sealed.
    pub sealed_private_key: Vec<u8>,
    /// Where it is in its life.
    pub state: KeyState,
    /// Since when it is there.
    pub since: DateTime<Utc>,
    /// From when it may sign, or might.
    pub may_sign_from: DateTime<Utc>,
}

//! An account.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::profile::Profile;

/// An account, without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// UUIDv7.
    pub id: Uuid,
    /// The address as the person wrote it.
    pub username: String,
    /// What the person says about themself.
    pub profile: Profile,
    /// Whether the account may log in.
    pub is_active: bool,
    /// Whether the account administers the site.
    pub is_staff: bool,
    /// When the address was first proved.
    pub verified_at: Option<DateTime<Utc>>,
    /// A new address that waits to be confirmed.
    pub pending_username: Option<String>,
    /// When the account was registered.
    pub date_joined: DateTime<Utc>,
    /// When the person last logged in.
    pub last_login: Option<DateTime<Utc>>,
    /// Since when logging in takes a second factor; `None` without one.
    #[serde(default)]
    pub factor_since: Option<DateTime<Utc>>,
    /// The version: every change adds one.
    pub revision: i64,
}

impl User {
    /// The version as callers see it.
    pub fn etag(&self) -> String {
        format!("r{}", self.revision)
    }
}

/// The revision in an etag of [`User::etag`]; `None` for any other text.
pub fn revision_of(etag: &str) -> Option<i64> {
    let digits = etag.strip_prefix('r')?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// How users are ordered in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserOrder {
    /// By registration, the oldest first.
    Joined,
    /// By registration, the newest first.
    JoinedDescending,
    /// By address.
    Username,
    /// By address, backwards.
    UsernameDescending,
}

impl UserOrder {
    /// Reads an `order_by`; empty means the newest first.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "" | "date_joined desc" => Self::JoinedDescending,
            "date_joined" => Self::Joined,
            "username" => Self::Username,
            "username desc" => Self::UsernameDescending,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_etags_are_read() {
        assert_eq!(revision_of("r12"), Some(12));
        for text in ["", "r", "12", "r-1", "r1x", "r99999999999999999999", "r 1", "r+1"] {
            assert_eq!(revision_of(text), None, "{text}");
        }
    }
}

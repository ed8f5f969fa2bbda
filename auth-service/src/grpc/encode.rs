//! From the model to the messages of the contract.

use std::time::Duration;

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::auth::v1 as pb;
use service_runtime::secret::Secret;

use crate::{
    domain::{
        security_state::Update,
        session::Tokens,
        signing_key::{KeyRing, PublicKey},
    },
    model::{profile::ColorMode, security_change::SecurityChange, session::Session, user::User},
};

/// A point in time.
pub(crate) fn timestamp(instant: DateTime<Utc>) -> Timestamp {
    let nanos = i32::try_from(instant.timestamp_subsec_nanos()).unwrap_or(0);
    Timestamp {
        seconds: instant.timestamp(),
        nanos,
    }
}

/// A user as staff sees them.
pub(crate) fn user(user: User) -> pb::User {
    pb::User {
        etag: user.etag(),
        id: user.id.to_string(),
        username: user.username,
        first_name: user.profile.first_name,
        last_name: user.profile.last_name,
        bio: user.profile.bio,
        user_greeting: user.profile.user_greeting,
        color_mode: color_mode(user.profile.color_mode),
        dashboard_first_date: user.profile.dashboard_first_date.map(|date| date.to_string()),
        dashboard_second_date: user.profile.dashboard_second_date.map(|date| date.to_string()),
        is_active: user.is_active,
        is_staff: user.is_staff,
        date_joined: Some(timestamp(user.date_joined)),
        last_login: user.last_login.map(timestamp),
    }
}

/// A user as they see themself.
pub(crate) fn profile(user: User) -> pb::Profile {
    pb::Profile {
        etag: user.etag(),
        id: user.id.to_string(),
        username: user.username,
        first_name: user.profile.first_name,
        last_name: user.profile.last_name,
        bio: user.profile.bio,
        user_greeting: user.profile.user_greeting,
        color_mode: color_mode(user.profile.color_mode),
        dashboard_first_date: user.profile.dashboard_first_date.map(|date| date.to_string()),
        dashboard_second_date: user.profile.dashboard_second_date.map(|date| date.to_string()),
        is_active: user.is_active,
        is_staff: user.is_staff,
        date_joined: Some(timestamp(user.date_joined)),
        last_login: user.last_login.map(timestamp),
        pending_username: user.pending_username,
        has_totp: user.factor_since.is_some(),
    }
}

/// A user as other services see them.
pub(crate) fn public_user(user: User) -> pb::PublicUser {
    pb::PublicUser {
        id: user.id.to_string(),
        username: user.username,
        first_name: user.profile.first_name,
        last_name: user.profile.last_name,
        is_active: user.is_active,
        is_staff: user.is_staff,
    }
}

/// What a session is used with.
pub(crate) fn token_pair(tokens: Tokens) -> pb::TokenPair {
    pb::TokenPair {
        access: tokens.access.expose().clone(),
        refresh: tokens.refresh.expose().clone(),
        token_type: "Bearer".to_owned(),
        expires_in: i32::try_from(tokens.expires_in.as_secs()).unwrap_or(i32::MAX),
        user: Some(user(tokens.user)),
    }
}

/// What a second factor is shown with.
pub(crate) fn stepped_up((access, expires_in): (Secret<String>, Duration)) -> pb::SteppedUp {
    pb::SteppedUp {
        access: access.expose().clone(),
        token_type: "Bearer".to_owned(),
        expires_in: i32::try_from(expires_in.as_secs()).unwrap_or(i32::MAX),
    }
}

/// Recovery codes, to be shown once.
pub(crate) fn recovery_codes(codes: Vec<Secret<String>>) -> pb::RecoveryCodes {
    pb::RecoveryCodes {
        recovery_codes: codes.iter().map(|code| code.expose().clone()).collect(),
    }
}

/// An open session; `current` is the one that asks.
pub(crate) fn session(session: Session, current: uuid::Uuid) -> pb::Session {
    pb::Session {
        is_current: session.id == current,
        id: session.id.to_string(),
        user_agent: session.user_agent,
        ip_address: session.ip_address,
        created_at: Some(timestamp(session.created_at)),
        last_used_at: Some(timestamp(session.last_used_at)),
    }
}

/// What a watcher is told.
pub(crate) fn security_update(update: Update, keys: &KeyRing) -> pb::SecurityUpdate {
    let (mut ended_sessions, mut changed_users) = (Vec::new(), Vec::new());
    for change in update.changes {
        match change {
            SecurityChange::SessionEnded(id) => ended_sessions.push(id.to_string()),
            SecurityChange::UserChanged(id) => changed_users.push(id.to_string()),
            SecurityChange::KeysChanged => {}
        }
    }
    pb::SecurityUpdate {
        revision: update.revision,
        is_snapshot: update.is_snapshot,
        ended_sessions,
        changed_users,
        verification: update.has_keys.then(|| pb::Verification {
            issuer: keys.issuer().to_owned(),
            longest_life: i64::try_from(keys.token_lifetime().as_secs()).unwrap_or(i64::MAX),
            jwks: Some(jwks(keys)),
        }),
    }
}

/// The public keys.
pub(crate) fn jwks(keys: &KeyRing) -> pb::Jwks {
    pb::Jwks {
        keys: keys.public_keys().into_iter().map(jwk).collect(),
    }
}

/// A public key (RFC 8037).
fn jwk(key: PublicKey) -> pb::Jwk {
    pb::Jwk {
        x: key.x(),
        kid: key.kid,
        kty: "OKP".to_owned(),
        crv: "Ed25519".to_owned(),
        r#use: "sig".to_owned(),
        alg: "EdDSA".to_owned(),
    }
}

fn color_mode(mode: ColorMode) -> i32 {
    match mode {
        ColorMode::Light => pb::ColorMode::Light.into(),
        ColorMode::Dark => pb::ColorMode::Dark.into(),
    }
}

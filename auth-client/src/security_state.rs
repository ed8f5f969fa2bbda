//! What was heard of the state of security: until when remembered answers can be trusted, and which of them are no
//! longer true.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use proto::auth::v1::{SecurityUpdate, Verification};
use tokio::time::Instant;
use uuid::Uuid;

use crate::access_token::{AccessToken, BadToken, Verifier};

/// How long what was heard is trusted after a heartbeat. Three of them fit into it.
pub(crate) const TRUST: Duration = Duration::from_millis(500);
/// How much longer than a token lives its end is remembered, for clocks that disagree.
const MARGIN: Duration = Duration::from_secs(300);
/// How many changes are remembered at most. Beyond that everything is asked for anew.
const MOST_CHANGES: usize = 100_000;

/// What was heard. At first that is nothing.
#[derive(Default)]
pub(crate) struct SecurityState {
    /// How tokens are verified; `None` before it was heard.
    verifier: Option<Verifier>,
    longest_life: Duration,
    /// The revision up to which everything was heard.
    revision: i64,
    /// Counts the databases: after a restore, revisions say nothing about those of before.
    epoch: u64,
    /// Answers of older revisions are not to be trusted.
    oldest: i64,
    /// When it was heard last that everything was told.
    heartbeat: Option<Instant>,
    /// The sessions that have ended and the users that have changed, each with its latest revision.
    changes: HashMap<Uuid, Change>,
    /// The same in the order in which they were heard of.
    heard: VecDeque<(Instant, Uuid)>,
}

#[derive(Debug, Clone, Copy)]
struct Change {
    revision: i64,
    is_end: bool,
    heard: Instant,
}

/// What an answer was true of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) epoch: u64,
    pub(crate) revision: i64,
}

impl SecurityState {
    /// The revision to go on from: 0 for a snapshot.
    pub(crate) const fn revision(&self) -> i64 {
        self.revision
    }

    /// Which database the revisions are of.
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether everything is known that has happened up to a moment ago.
    pub(crate) fn is_current(&self) -> bool {
        self.verifier.is_some() && self.heartbeat.is_some_and(|heard| heard.elapsed() < TRUST)
    }

    /// Takes in what was heard.
    pub(crate) fn hear(&mut self, update: SecurityUpdate) {
        let now = Instant::now();
        let is_heartbeat = !update.is_snapshot
            && update.verification.is_none()
            && update.ended_sessions.is_empty()
            && update.changed_users.is_empty();
        if is_heartbeat {
            self.heartbeat = Some(now);
        }
        if update.is_snapshot {
            // Whatever happened before it may have been missed, until the snapshot is whole.
            self.heartbeat = None;
            if update.revision < self.revision {
                self.epoch += 1;
                self.revision = 0;
                self.oldest = 0;
                self.changes.clear();
                self.heard.clear();
            }
        } else {
            self.revision = update.revision;
        }
        if let Some(verification) = update.verification {
            self.longest_life = Duration::from_secs(u64::try_from(verification.longest_life).unwrap_or(0));
            self.verifier = Some(verifier(&verification, self.longest_life));
        }
        let revision = update.revision;
        for (ids, is_end) in [(update.ended_sessions, true), (update.changed_users, false)] {
            // An id that is none can be nobody's.
            for id in ids.iter().filter_map(|id| Uuid::try_parse(id).ok()) {
                let change = Change {
                    revision,
                    is_end,
                    heard: now,
                };
                self.changes.insert(id, change);
                self.heard.push_back((now, id));
            }
        }
        self.forget(now, revision);
    }

    /// Whether the account and the session are, as far as was heard, what they were at that moment.
    pub(crate) fn is_still_true(&self, moment: &Moment, session_id: Uuid, user_id: Uuid) -> bool {
        let unchanged = |id| {
            self.changes
                .get(&id)
                .is_none_or(|change| change.revision <= moment.revision)
        };
        moment.epoch == self.epoch
            && moment.revision >= self.oldest
            && unchanged(session_id)
            && unchanged(user_id)
    }

    /// Whether tokens of this key are still good.
    pub(crate) fn knows_key(&self, kid: &str) -> bool {
        self.verifier.as_ref().is_some_and(|verifier| verifier.knows(kid))
    }

    /// Reads a token: `Ok(None)` when only auth-service can, because the key is new, or the time another one there.
    pub(crate) fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Option<AccessToken>, BadToken> {
        let Some(verifier) = &self.verifier else {
            return Ok(None);
        };
        match verifier.verify(token, now) {
            Ok(token) if self.has_ended(token.session_id) => Err(BadToken),
            Ok(token) => Ok(Some(token)),
            Err(BadToken) if verifier.may_be_of_a_new_key(token, now) || verifier.was_good(token) => Ok(None),
            Err(bad) => Err(bad),
        }
    }

    fn has_ended(&self, session_id: Uuid) -> bool {
        self.changes.get(&session_id).is_some_and(|change| change.is_end)
    }

    /// Forgets what no token can be about any more, or everything when it is too much.
    fn forget(&mut self, now: Instant, revision: i64) {
        let kept = self.longest_life + MARGIN;
        while let Some((heard, id)) = self.heard.front().copied()
            && now.duration_since(heard) > kept
        {
            self.heard.pop_front();
            // Unless it was heard of again.
            if self.changes.get(&id).is_some_and(|change| change.heard == heard) {
                self.changes.remove(&id);
            }
        }
        if self.heard.len() > MOST_CHANGES {
            self.heard.clear();
            self.changes.clear();
            self.oldest = revision;
        }
    }
}

/// The verifier of what was told. A key that is none verifies nothing.
fn verifier(told: &Verification, longest_life: Duration) -> Verifier {
    let keys: Vec<(String, Vec<u8>)> = told
        .jwks
        .iter()
        .flat_map(|jwks| &jwks.keys)
        .filter_map(|key| Some((key.kid.clone(), URL_SAFE_NO_PAD.decode(&key.x).ok()?)))
        .collect();
    let keys = keys.iter().map(|(kid, key)| (kid.as_str(), key.as_slice()));
    Verifier::new(&told.issuer, longest_life, keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_7: Moment = Moment {
        epoch: 0,
        revision: 7,
    };

    fn ended(revision: i64, ids: impl IntoIterator<Item = u128>) -> SecurityUpdate {
        SecurityUpdate {
            revision,
            ended_sessions: ids
                .into_iter()
                .map(|id| Uuid::from_u128(id).to_string())
                .collect(),
            ..SecurityUpdate::default()
        }
    }

    fn is_still_true(state: &SecurityState, moment: &Moment, session: u128) -> bool {
        state.is_still_true(moment, Uuid::from_u128(session), Uuid::nil())
    }

    #[test]
    fn only_later_changes_make_an_answer_wrong() {
        let mut state = SecurityState::default();
        state.hear(ended(7, [1]));
        state.hear(ended(8, [2]));
        assert!(is_still_true(&state, &AT_7, 1), "the answer knew of it");
        assert!(!is_still_true(&state, &AT_7, 2));
        assert!(is_still_true(&state, &AT_7, 3));
        assert_eq!(state.revision(), 8);
    }

    #[test]
    fn a_snapshot_counts_when_it_is_whole() {
        let mut state = SecurityState::default();
        let part = |ids: &[u128]| SecurityUpdate {
            is_snapshot: true,
            ..ended(9, ids.iter().copied())
        };
        state.hear(part(&[1]));
        assert_eq!(state.revision(), 0, "who comes back needs it from the beginning");
        state.hear(part(&[2]));
        state.hear(ended(9, []));
        assert_eq!(state.revision(), 9);
        assert!(!is_still_true(&state, &AT_7, 1) && !is_still_true(&state, &AT_7, 2));
    }

    #[test]
    fn what_is_too_much_is_asked_for_anew() {
        let mut state = SecurityState::default();
        for thousand in 0..=100 {
            let ids = (0..1000).map(|id| thousand * 1000 + id);
            state.hear(ended(i64::try_from(thousand).unwrap() + 1, ids));
        }
        assert!(state.changes.len() <= MOST_CHANGES && state.heard.len() <= MOST_CHANGES);
        let (before, after) = (
            Moment {
                epoch: 0,
                revision: 100,
            },
            Moment {
                epoch: 0,
                revision: 101,
            },
        );
        assert!(
            !is_still_true(&state, &before, 999_999_999),
            "it may have changed"
        );
        assert!(is_still_true(&state, &after, 999_999_999));
    }

    #[tokio::test(start_paused = true)]
    async fn what_no_token_is_about_is_forgotten() {
        let mut state = SecurityState::default();
        state.hear(ended(8, [1, 2]));
        tokio::time::advance(MARGIN - Duration::from_secs(1)).await;
        state.hear(ended(9, [2]));
        assert_eq!(state.changes.len(), 2);
        tokio::time::advance(Duration::from_secs(2)).await;
        state.hear(ended(9, []));
        assert_eq!(state.changes.keys().collect::<Vec<_>>(), [&Uuid::from_u128(2)]);
        tokio::time::advance(MARGIN).await;
        state.hear(ended(9, []));
        assert!(state.changes.is_empty() && state.heard.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn trust_ends_half_a_second_after_the_last_heartbeat() {
        let mut state = SecurityState::default();
        state.hear(SecurityUpdate {
            verification: Some(Verification::default()),
            ..ended(7, [])
        });
        assert!(!state.is_current(), "that was no heartbeat");
        state.hear(ended(7, []));
        assert!(state.is_current());
        tokio::time::advance(TRUST / 2).await;
        // Changes may be late news; only a heartbeat says that there are no others.
        state.hear(ended(8, [1]));
        tokio::time::advance(TRUST / 2).await;
        assert!(!state.is_current());
    }
}

//! What is known of an open session from outside: which tokens there were, and who holds which.

use uuid::Uuid;

use super::{chance::Chance, session_of};
use crate::support::Session;

/// How many clients share a session.
pub const CLIENTS: usize = 4;

/// A refresh by a client, or by somebody else who got hold of a token.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    pub client: Option<usize>,
    /// The place of the token among those of the session.
    pub counter: usize,
}

/// An open session.
pub struct Open {
    pub id: Uuid,
    /// Its refresh tokens, each the successor of the one before.
    pub tokens: Vec<String>,
    /// Its access tokens, the newest last.
    pub access: Vec<String>,
    /// The refresh token that each client holds.
    held: [usize; CLIENTS],
}

impl Open {
    /// One that was opened just now; every client holds its token.
    pub fn new(session: Session) -> Self {
        Self {
            id: session_of(&session.refresh),
            tokens: vec![session.refresh],
            access: vec![session.access],
            held: [0; CLIENTS],
        }
    }

    /// The place of the newest refresh token.
    pub fn newest(&self) -> usize {
        self.tokens.len() - 1
    }

    /// Calls of clients that wait for each other: those who lost an answer first, until all of them have it.
    pub fn patient_calls(&self, chance: &mut Chance) -> Vec<Call> {
        let newest = self.newest();
        let calls_with =
            |counter: usize| -> Vec<Call> { self.calls().filter(|call| call.counter == counter).collect() };
        let late = newest.checked_sub(1).map(calls_with).unwrap_or_default();
        let mut calls = match late.is_empty() {
            true => calls_with(newest),
            false => late,
        };
        if calls.is_empty() {
            // Everybody is left behind by somebody else.
            return self.calls().take(1).collect();
        }
        // Some ask twice at once.
        for call in calls.clone() {
            if chance.one_in(2) {
                calls.push(call);
            }
        }
        calls
    }

    /// Calls of clients that do not wait for each other, and of a thief.
    pub fn anybodys_calls(&self, chance: &mut Chance) -> Vec<Call> {
        let mut calls: Vec<_> = self.calls().filter(|_| chance.one_in(2)).collect();
        if calls.is_empty() || chance.one_in(3) {
            let stolen = Call {
                client: None,
                counter: chance.below(self.tokens.len()),
            };
            calls.push(stolen);
        }
        calls
    }

    /// A call of every client with what it holds.
    fn calls(&self) -> impl Iterator<Item = Call> {
        let held = self.held.iter().enumerate();
        held.map(|(client, counter)| Call {
            client: Some(client),
            counter: *counter,
        })
    }

    /// Somebody was answered; says whether with the one successor there can be. Of a lost answer the client does not
    /// know.
    #[must_use]
    pub fn got(&mut self, call: &Call, session: Session, is_lost: bool) -> bool {
        let next = call.counter + 1;
        if next == self.tokens.len() {
            if self.tokens.contains(&session.refresh) {
                return false;
            }
            self.tokens.push(session.refresh.clone());
        }
        self.access.push(session.access);
        if let (Some(client), false) = (call.client, is_lost) {
            self.held[client] = next;
        }
        self.tokens.get(next) == Some(&session.refresh)
    }
}

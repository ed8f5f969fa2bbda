//! Throttles: how often passwords, registrations and mails may be tried before an attempt no longer counts.
//!
//! A password is compared first, and then one statement both counts the attempt and decides whether it was one
//! of those that count. Its answer depends on the comparison only if it was: so however many guesses arrive at once, no
//! more of them can be right than the limit says, and an attempt that is refused costs what any other costs.
//!
//! An outsider cannot lock a person out. Failures are counted for an account and a network together, and a network that
//! the account logged in from is judged by what happens there alone. Many failures from many other networks make a new
//! network wait for [`LOGIN`]'s interval before it counts, and no longer.

use std::time::Duration;

use service_runtime::{clock::Clock, mac::Mac};
use uuid::Uuid;

use crate::{
    domain::error::Error,
    model::{
        client::Client,
        mail::MailKind,
        network::Network,
        throttle::{
            CREDENTIAL_CHANGE, EXPORT, Found, LOGIN, LOGIN_NETWORK, LOGIN_NETWORK_KNOWN, LOGIN_STRANGERS,
            LOGIN_UNTOLD, Lane, Limit, MAIL_CONFIRM, MAIL_NETWORK, MAIL_NOTICE, MAIL_RESET, MAIL_VERIFY,
            PASSWORD, REGISTRATION, USERNAME_CHANGE, Weight,
        },
        username::Username,
    },
    store::Store,
};

/// How many bytes of a keyed hash stand for an account or a network.
const TAG: usize = 16;
/// How many networks of an account are remembered.
const NETWORKS_KEPT: usize = 8;

/// Counts attempts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Throttle {
    /// Where they are counted.
    pub store: Store,
    /// When it is.
    pub clock: Clock,
    /// Hides whom and where they are counted for.
    pub tags: Mac,
    /// How long a mail link is valid: mails are never further apart than two thirds of it, so that who is refused
    /// another one has one that works.
    pub link_lifetime: Duration,
}

/// Whether an attempt counts. What is to be told of one that does not is told from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It does.
    LetIn,
    /// It does not, by this limit.
    Refused(Limit),
}

impl Verdict {
    /// Whether it does.
    pub fn is_let_in(self) -> bool {
        self == Self::LetIn
    }

    /// Refuses openly, where that reveals nothing.
    ///
    /// # Errors
    /// [`Error::Throttled`].
    pub fn or_refuse(self) -> Result<(), Error> {
        match self {
            Self::LetIn => Ok(()),
            Self::Refused(limit) => Err(Error::Throttled(limit.interval)),
        }
    }
}

impl Throttle {
    /// Counts a login, known to be right or wrong, for the account that `username` names, whether or not there is one.
    /// Only a right one that is let in may be answered as right.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn login(
        &self,
        username: &str,
        client: &Client,
        known: &[u8],
        right: bool,
    ) -> Result<Verdict, Error> {
        let account = self.account(username);
        let failure = |weight| if right { Weight::Nothing } else { weight };
        let own = if right { Weight::Forgives } else { Weight::One };
        let lane = |limit, account: &[u8], network: &[u8], weight| Lane {
            limit,
            account: account.to_vec(),
            network: network.to_vec(),
            weight,
        };
        let now = self.clock.now();
        let Some(network) = Network::of(&client.ip_address) else {
            let found = self
                .store
                .attempt(&[lane(LOGIN_UNTOLD, &account, &[], own)], now)
                .await?;
            return Ok(verdict(LOGIN_UNTOLD, found.iter().all(|lane| lane.let_in)));
        };
        let is_known = self.is_known(&network, known);
        let network = self.tag("network", network.as_bytes());
        // As many lanes for everybody, so that their number tells nothing.
        let (by_strangers, by_network) = if is_known {
            (Weight::Nothing, LOGIN_NETWORK_KNOWN)
        } else {
            (failure(Weight::One), LOGIN_NETWORK)
        };
        let lanes = [
            lane(LOGIN, &account, &network, own),
            lane(LOGIN_STRANGERS, &account, &[], by_strangers),
            lane(by_network, &[], &network, failure(Weight::OneIfFirstIsClear)),
        ];
        let found = self.store.attempt(&lanes, now).await?;
        let [pair, strangers, network] = found[..] else {
            return Err(Error::internal("an attempt was not found in its lanes"));
        };
        let waited = || has_waited(pair, now.timestamp_micros());
        let refused = if !pair.let_in {
            Some(LOGIN)
        } else if !network.let_in {
            Some(by_network)
        } else if !is_known && !strangers.let_in && !waited() {
            Some(LOGIN_STRANGERS)
        } else {
            None
        };
        Ok(refused.map_or(Verdict::LetIn, refuse))
    }

    /// The networks of an account once it has logged in from here; `None` when they stay as they are.
    pub fn networks_with(&self, client: &Client, known: &[u8]) -> Option<Vec<u8>> {
        let network = Network::of(&client.ip_address)?;
        if self.is_known(&network, known) {
            return None;
        }
        let mut networks = self.tag("network", network.as_bytes());
        networks.extend_from_slice(known);
        networks.truncate(NETWORKS_KEPT * TAG);
        Some(networks)
    }

    /// The names under which logins to an account are counted, while the secret is being changed too.
    pub fn names_of(&self, username: &Username) -> Vec<Vec<u8>> {
        let message = message("account", username.key().as_bytes());
        self.tags.tags(&message).map(|tag| tag[..TAG].to_vec()).collect()
    }

    /// Counts a password that somebody who is logged in gives again, known to be right or wrong. Only a right one that
    /// is let in may be answered as right.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn password(&self, user_id: Uuid, right: bool) -> Result<Verdict, Error> {
        let account = self.tag("user", user_id.as_bytes());
        let weight = if right { Weight::Forgives } else { Weight::One };
        self.one(Lane {
            limit: PASSWORD,
            account,
            network: Vec::new(),
            weight,
        })
        .await
    }

    /// Counts a registration.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn registration(&self, client: &Client) -> Result<Verdict, Error> {
        self.by_network(REGISTRATION, client).await
    }

    /// Counts a mail that somebody asks for who is not logged in, before it is known whether it will be sent.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn mail_asked(&self, client: &Client) -> Result<Verdict, Error> {
        self.by_network(MAIL_NETWORK, client).await
    }

    /// Counts a mail of this kind to an address, whether or not anybody has it.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn mail(&self, kind: MailKind, recipient: &Username) -> Result<Verdict, Error> {
        self.one(self.mail_lane(kind, recipient)).await
    }

    /// Where a mail of this kind to an address is counted, for what counts it together with something else.
    pub fn mail_lane(&self, kind: MailKind, recipient: &Username) -> Lane {
        let limit = match kind {
            MailKind::VerifyEmail => MAIL_VERIFY,
            MailKind::ResetPassword => MAIL_RESET,
            MailKind::ConfirmUsername => MAIL_CONFIRM,
            _ => MAIL_NOTICE,
        };
        let limit = Limit {
            interval: limit.interval.min(self.link_lifetime * 2 / 3),
            ..limit
        };
        Lane {
            limit,
            account: self.account(recipient.key()),
            network: Vec::new(),
            weight: Weight::One,
        }
    }

    /// Counts a new address that an account asks for.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn username_change(&self, user_id: Uuid) -> Result<Verdict, Error> {
        self.by_user(USERNAME_CHANGE, user_id).await
    }

    /// Counts a change of how one logs in to an account. What it takes has been proved: nobody else uses up its
    /// owner's share.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn credential_change(&self, user_id: Uuid) -> Result<Verdict, Error> {
        self.by_user(CREDENTIAL_CHANGE, user_id).await
    }

    /// Counts a copy of their data that somebody takes.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn export(&self, user_id: Uuid) -> Result<Verdict, Error> {
        self.by_user(EXPORT, user_id).await
    }

    async fn by_user(&self, limit: Limit, user_id: Uuid) -> Result<Verdict, Error> {
        let account = self.tag("user", user_id.as_bytes());
        self.one(Lane {
            limit,
            account,
            network: Vec::new(),
            weight: Weight::One,
        })
        .await
    }

    async fn by_network(&self, limit: Limit, client: &Client) -> Result<Verdict, Error> {
        match Network::of(&client.ip_address) {
            None => Ok(Verdict::LetIn),
            Some(network) => {
                let network = self.tag("network", network.as_bytes());
                self.one(Lane {
                    limit,
                    account: Vec::new(),
                    network,
                    weight: Weight::One,
                })
                .await
            }
        }
    }

    async fn one(&self, lane: Lane) -> Result<Verdict, Error> {
        let limit = lane.limit;
        let found = self.store.attempt(&[lane], self.clock.now()).await?;
        Ok(verdict(limit, found.iter().all(|lane| lane.let_in)))
    }

    /// What stands for an account: its folded address, or whatever was typed instead of one.
    fn account(&self, username: &str) -> Vec<u8> {
        let key = Username::parse(username).map_or_else(|_| username.to_owned(), |it| it.key().to_owned());
        self.tag("account", key.as_bytes())
    }

    fn is_known(&self, network: &Network, known: &[u8]) -> bool {
        let message = message("network", network.as_bytes());
        let mut tags = self.tags.tags(&message);
        tags.any(|tag| known.chunks_exact(TAG).any(|known| known == &tag[..TAG]))
    }

    fn tag(&self, what: &str, bytes: &[u8]) -> Vec<u8> {
        self.tags.tag(&message(what, bytes))[..TAG].to_vec()
    }
}

/// Whether a network has waited for its turn while others attack the account: it was there an interval ago, and nothing
/// is owed.
fn has_waited(pair: Found, now: i64) -> bool {
    pair.since <= now - LOGIN.step() && pair.was <= now
}

fn verdict(limit: Limit, let_in: bool) -> Verdict {
    if let_in { Verdict::LetIn } else { refuse(limit) }
}

/// A refusal, counted in the numbers.
pub(super) fn refuse(limit: Limit) -> Verdict {
    metrics::counter!("throttled_total", "limit" => limit.kind).increment(1);
    Verdict::Refused(limit)
}

fn message(what: &str, bytes: &[u8]) -> Vec<u8> {
    [what.as_bytes(), b"\0", bytes].concat()
}

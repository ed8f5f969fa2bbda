//! The state of security as it changes. One task per process reads the log of changes as soon as there is something
//! new; every watcher is told from where it was: by the changes since then where they are known, otherwise by all that
//! are kept, and again and again that nothing else has happened.

use std::{collections::VecDeque, time::Duration};

use futures_util::StreamExt;
use service_runtime::lifecycle::Tasks;
use tokio::{sync::watch, time::Instant};

use crate::{
    domain::{error::Error, signing_key::KeyRing},
    model::security_change::{RecordedChange, SecurityChange},
    store::Store,
};

/// How often the log is looked into: how late a change is heard of when no hint of it came.
const LOOK: Duration = Duration::from_millis(50);
/// How often a watcher is told that it has been told everything, as long as the database answers.
const HEARTBEAT: Duration = Duration::from_millis(150);
/// How long ago somebody may have looked at most for that to be said.
const CURRENT: Duration = Duration::from_millis(250);
/// How many changes are kept at hand for watchers; who is further behind is served from the database.
const AT_HAND: usize = 4096;
/// How many revisions are read from the database at once. Most have one change; ending everybody's sessions has a
/// thousand.
const WINDOW: i64 = 50;

/// What is known of the state of security. Cheap to clone; clones know the same.
#[derive(Clone)]
pub struct SecurityState {
    store: Store,
    keys: KeyRing,
    news: watch::Sender<News>,
}

/// What was read last.
#[derive(Debug)]
struct News {
    /// The latest revision.
    revision: i64,
    /// The latest changes: all of the revisions after `complete_after`.
    recent: VecDeque<RecordedChange>,
    complete_after: i64,
    /// When the database was asked last.
    asked: Instant,
}

impl News {
    fn at(revision: i64, asked: Instant) -> Self {
        Self {
            revision,
            asked,
            recent: VecDeque::new(),
            complete_after: revision,
        }
    }

    fn add(&mut self, changes: Vec<RecordedChange>, revision: i64, asked: Instant) {
        self.revision = revision;
        self.asked = asked;
        self.recent.extend(changes);
        while self.recent.len() > AT_HAND {
            if let Some(dropped) = self.recent.pop_front() {
                self.complete_after = dropped.revision;
            }
        }
    }

    /// The changes after a revision, if they are at hand.
    fn since(&self, revision: i64) -> Option<Vec<SecurityChange>> {
        (self.complete_after <= revision).then(|| {
            let heard = self
                .recent
                .partition_point(|recorded| recorded.revision <= revision);
            self.recent
                .range(heard..)
                .map(|recorded| recorded.change)
                .collect()
        })
    }
}

/// What a watcher is told.
#[derive(Debug, PartialEq, Eq)]
pub struct Update {
    /// Everything up to this revision has been told, unless this is a part of a snapshot.
    pub revision: i64,
    /// Whether this is a part of a snapshot: the watcher may have missed changes before it.
    pub is_snapshot: bool,
    /// What has changed; nothing in a heartbeat.
    pub changes: Vec<SecurityChange>,
    /// Whether the keys may be others than the watcher knows.
    pub has_keys: bool,
}

impl SecurityState {
    /// Begins with what the database has now.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn open(store: Store, keys: KeyRing) -> Result<Self, Error> {
        let asked = Instant::now();
        let news = News::at(store.security_revision().await?, asked);
        // What changed before this is known to the keys: they are read after it.
        keys.look().await?;
        let (news, _) = watch::channel(news);
        Ok(Self { store, keys, news })
    }

    /// Follows the log until asked to stop.
    pub async fn follow(self, tasks: Tasks) {
        let mut hints = std::pin::pin!(self.store.hints_of_security_changes());
        let mut is_current = true;
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _hint = hints.next() => {}
                () = self.store.records_security_changes() => {}
                () = tasks.stopping() => return,
            }
            let looked = self.look().await;
            if let Err(error) = &looked
                && is_current
            {
                tracing::warn!(%error, "security changes cannot be read; watchers hear nothing until they can");
            }
            is_current = looked.is_ok();
        }
    }

    /// Reads what is new, and tells the watchers that somebody has looked.
    async fn look(&self) -> Result<(), Error> {
        let asked = Instant::now();
        let known = self.news.borrow().revision;
        let revision = self.store.security_revision().await?;
        if revision < known {
            // An older database was restored: who watches begins anew.
            self.keys.look().await?;
            self.news.send_replace(News::at(revision, asked));
            return Ok(());
        }
        let mut changes = Vec::new();
        let mut read = known;
        while read < revision {
            let until = revision.min(read.saturating_add(WINDOW));
            changes.extend(self.store.security_changes(read, until).await?);
            read = until;
        }
        // The keys before the news of them.
        if changes
            .iter()
            .any(|recorded| recorded.change == SecurityChange::KeysChanged)
        {
            self.keys.look().await?;
        }
        self.news.send_modify(|news| news.add(changes, revision, asked));
        Ok(())
    }

    /// Watches, from after a revision that the watcher has heard of or else from a snapshot.
    pub fn watch(&self, after: Option<i64>) -> Watcher {
        Watcher {
            state: self.clone(),
            news: self.news.subscribe(),
            place: Place::Outside(after),
            began: Instant::now(),
            beat: None,
        }
    }
}

/// One who watches.
pub struct Watcher {
    state: SecurityState,
    news: watch::Receiver<News>,
    place: Place,
    began: Instant,
    /// When it was told last that it has been told everything.
    beat: Option<Instant>,
}

/// How far a watcher is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// It has not been told anything; what it knew before.
    Outside(Option<i64>),
    /// It has been told a snapshot up to the first revision, which goes to the second.
    Snapshot(i64, i64),
    /// It has been told everything up to this revision.
    At(i64),
}

impl Watcher {
    /// Waits for what is to be told next; at most for a heartbeat, as long as the database answers.
    ///
    /// # Errors
    /// When the database cannot serve.
    pub async fn next(&mut self) -> Result<Update, Error> {
        match self.place {
            Place::Outside(after) => self.enter(after).await,
            Place::Snapshot(told, until) => {
                let next = until.min(told.saturating_add(WINDOW));
                let changes = self.read(told, next).await?;
                self.place = if next < until {
                    Place::Snapshot(next, until)
                } else {
                    Place::At(until)
                };
                Ok(Update {
                    revision: until,
                    is_snapshot: true,
                    changes,
                    has_keys: false,
                })
            }
            Place::At(told) => self.go_on(told).await,
        }
    }

    async fn enter(&mut self, after: Option<i64>) -> Result<Update, Error> {
        // What is told first is not older than the wish to hear it. The sender lives as long as `state`.
        let began = self.began;
        drop(self.news.wait_for(|news| news.asked >= began).await);
        let current = self.news.borrow_and_update().revision;
        let oldest = self.state.store.oldest_security_revision().await?;
        let is_kept = |after: i64| after == current || oldest.is_some_and(|oldest| oldest <= after + 1);
        let (revision, is_snapshot) = match after {
            Some(after) if after <= current && is_kept(after) => {
                self.place = Place::At(after);
                (after, false)
            }
            _ => {
                let before = oldest.map_or(current, |oldest| oldest - 1).min(current);
                self.place = Place::Snapshot(before, current);
                (current, true)
            }
        };
        Ok(Update {
            revision,
            is_snapshot,
            changes: Vec::new(),
            has_keys: true,
        })
    }

    async fn go_on(&mut self, told: i64) -> Result<Update, Error> {
        loop {
            let (revision, asked, at_hand) = {
                let news = self.news.borrow_and_update();
                (news.revision, news.asked, news.since(told))
            };
            if revision < told {
                return self.enter(None).await;
            }
            let is_due = self.beat.is_none_or(|beat| beat.elapsed() >= HEARTBEAT);
            if revision == told && is_due && asked.elapsed() <= CURRENT {
                self.beat = Some(Instant::now());
                return Ok(Update {
                    revision,
                    is_snapshot: false,
                    changes: Vec::new(),
                    has_keys: false,
                });
            }
            if revision > told {
                let (revision, changes) = match at_hand {
                    Some(changes) => (revision, changes),
                    None => {
                        let until = revision.min(told.saturating_add(WINDOW));
                        (until, self.read(told, until).await?)
                    }
                };
                self.place = Place::At(revision);
                return Ok(Update {
                    revision,
                    is_snapshot: false,
                    has_keys: changes.contains(&SecurityChange::KeysChanged),
                    changes,
                });
            }
            // The sender lives as long as `state`.
            let _looked = self.news.changed().await;
        }
    }

    async fn read(&self, after: i64, until: i64) -> Result<Vec<SecurityChange>, Error> {
        let recorded = self.state.store.security_changes(after, until).await?;
        Ok(recorded.into_iter().map(|recorded| recorded.change).collect())
    }
}

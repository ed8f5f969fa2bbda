//! Answers get lost, and old tokens come back: four clients share a session, and after every round of theirs a model
//! says what each may have been told. Two replicas answer.
//!
//! `ROUNDS=10000 cargo test -p auth-service --test races lost_answers -- --nocapture` plays for longer than the tests
//! do by themselves, and `SEED=…` plays the same rounds again.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "what the bans protect is the product's, not a test's"
)]

mod chance;
mod session;

use std::{
    ops::AddAssign,
    time::{Duration, Instant},
};

use auth_service::domain::refresh_token::RefreshTokens;
use chance::Chance;
use futures::future::join_all;
use proto::auth::v1::{
    self as pb, session_service_client::SessionServiceClient, token_service_client::TokenServiceClient,
};
use service_runtime::{entropy::Entropy, lifecycle::Tasks, on};
use session::{CLIENTS, Call, Open};
use tonic::{Code, Status, transport::Channel};
use uuid::Uuid;

use crate::{
    on_both_databases,
    support::{Refused, Service, Session, as_service},
};

/// How many rounds the tests play by themselves.
const ROUNDS: usize = 200;
/// How often a call is made again whose answer is that the database did not answer.
const TRIES: usize = 5;
/// How many sessions are played with at the same time.
const LANES: usize = 4;

on_both_databases!(no_lost_answer_forks_or_ends_a_session_and_every_replay_ends_it);

async fn no_lost_answer_forks_or_ends_a_session_and_every_replay_ends_it(service: Service) {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let rounds = number("ROUNDS").map_or(ROUNDS, |rounds| usize::try_from(rounds).unwrap());
    let seed = number("SEED").unwrap_or_else(|| u64::from_le_bytes(Entropy::default().bytes().unwrap()));
    let tasks = Tasks::default();
    let replicas = [service.channel(), service.replica(&tasks, |values| values).await];

    let begun = Instant::now();
    let mut lanes = Vec::new();
    for lane in 0..LANES {
        lanes.push(Lane::open(&service, &replicas, seed, lane).await);
    }
    let played = lanes.into_iter().map(|lane| lane.play(rounds.div_ceil(LANES)));
    let mut seen = Seen::default();
    join_all(played).await.into_iter().for_each(|one| seen += one);
    println!("seed {seed}, {:.1?}: {seen:?}", begun.elapsed());
    if rounds >= ROUNDS {
        let kinds = [seen.lost, seen.retries, seen.cut, seen.replays, seen.undecided];
        assert!(kinds.iter().all(|times| *times > 0), "seed {seed}: {seen:?}");
    }
    tasks.stop();
}

/// What came about, in numbers.
#[derive(Debug, Default)]
struct Seen {
    rounds: usize,
    refreshes: usize,
    /// Answers that no client got to see.
    lost: usize,
    /// Refreshes with a token whose successor existed and was not used.
    retries: usize,
    /// Rounds whose calls were given up half-way.
    cut: usize,
    /// Rounds with a token whose successor had been used.
    replays: usize,
    /// Rounds in which a retry met the use of its successor, and chance said which was first.
    undecided: usize,
    /// Of those, the ones in which the retry was last, and so a replay.
    ended_by_chance: usize,
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.refreshes += other.refreshes;
        self.lost += other.lost;
        self.retries += other.retries;
        self.cut += other.cut;
        self.replays += other.replays;
        self.undecided += other.undecided;
        self.ended_by_chance += other.ended_by_chance;
    }
}

/// One person and the session that they have at the time.
struct Lane<'a> {
    service: &'a Service,
    replicas: &'a [Channel; 2],
    username: String,
    chance: Chance,
    open: Open,
    seen: Seen,
    seed: u64,
    round: usize,
}

impl<'a> Lane<'a> {
    async fn open(service: &'a Service, replicas: &'a [Channel; 2], seed: u64, lane: usize) -> Self {
        let username = format!("person{lane}@example.org");
        let open = Open::new(service.user(&username).await);
        let chance = Chance::new(seed, lane);
        Self {
            service,
            replicas,
            username,
            chance,
            open,
            seen: Seen::default(),
            seed,
            round: 0,
        }
    }

    /// Who failed, to play it again.
    fn told(&self) -> String {
        format!("SEED={}, {}, round {}", self.seed, self.username, self.round)
    }

    async fn play(mut self, rounds: usize) -> Seen {
        for round in 0..rounds {
            self.round = round;
            self.seen.rounds += 1;
            let is_over = match self.chance.one_in(20) {
                true => self.cut_off().await,
                false => self.play_round().await,
            };
            if is_over {
                self.open = Open::new(self.service.login(&self.username).await);
            }
        }
        self.seen
    }

    /// A round of refreshes; says whether the session has ended with it.
    async fn play_round(&mut self) -> bool {
        let calls = match self.chance.one_in(3) {
            true => self.open.anybodys_calls(&mut self.chance),
            false => self.open.patient_calls(&mut self.chance),
        };
        let has_ended = self.answered(&calls).await;
        if has_ended {
            self.nothing_works().await;
        }
        has_ended
    }

    /// Makes calls at the same time and compares all that they led to with what may be. Says whether the session has
    /// ended.
    async fn answered(&mut self, calls: &[Call]) -> bool {
        let newest = self.open.newest();
        let used = calls.iter().any(|call| call.counter == newest);
        let retried = newest > 0 && calls.iter().any(|call| call.counter + 1 == newest);
        let replayed = calls.iter().any(|call| call.counter + 2 <= newest);
        let undecided = used && retried && !replayed;

        let answers: Vec<_> = calls
            .iter()
            .map(|call| (self.replica(), self.open.tokens[call.counter].clone()))
            .collect();
        let answers = join_all(answers.into_iter().map(|(to, token)| refresh(to, token))).await;
        let told: Vec<_> = calls
            .iter()
            .zip(&answers)
            .map(|(call, answer)| (call, answer.is_ok()))
            .collect();
        let told = format!("{}, newest token {newest}: {told:?}", self.told());

        let mut refused = false;
        for (call, answer) in calls.iter().zip(answers) {
            self.seen.refreshes += 1;
            self.seen.retries += usize::from(call.counter + 1 == newest);
            match answer {
                Ok(pair) => {
                    assert!(call.counter + 2 > newest, "a replay got a token. {told}");
                    let is_lost = self.chance.one_in(3);
                    self.seen.lost += usize::from(is_lost);
                    let fits = self.open.got(call, pair, is_lost);
                    assert!(fits, "one token, two successors. {told}");
                }
                Err(status) => {
                    assert_refused(status);
                    refused = true;
                }
            }
        }
        self.seen.replays += usize::from(replayed);
        self.seen.undecided += usize::from(undecided);
        self.seen.ended_by_chance += usize::from(undecided && refused);

        assert!(refused || !replayed, "a replay was not noticed. {told}");
        assert!(!refused || replayed || undecided, "a false alarm. {told}");
        let stored = self.service.store.session(self.open.id).await.unwrap().unwrap();
        assert_eq!(stored.ended_at.is_some(), refused, "{told}");
        let counter = usize::try_from(stored.refresh_counter).unwrap();
        // Of a session that ended, the last step may have been taken without anybody being told.
        match (refused, undecided) {
            (false, _) => assert_eq!(counter, self.open.newest(), "{told}"),
            (true, true) => assert_eq!(counter, newest + 1, "a false alarm. {told}"),
            (true, false) => assert!(
                (self.open.newest()..=newest + usize::from(used)).contains(&counter),
                "{told}"
            ),
        }
        assert_eq!(self.alarms().await, i64::from(refused), "{told}");
        if !refused {
            let access = self.open.access.last().unwrap();
            assert!(knows(self.replica_of(0), access).await, "{told}");
            assert!(knows(self.replica_of(1), access).await, "{told}");
        }
        refused
    }

    /// Calls are given up at any moment, so nobody knows how far they came: the same token still leads to one successor.
    /// The session is done with after that, because such a call may still be under way.
    async fn cut_off(&mut self) -> bool {
        self.seen.cut += 1;
        let newest = self.open.newest();
        let calls: Vec<_> = (0..4)
            .map(|_| (self.replica(), self.chance.below(5000)))
            .collect();
        let token = self.open.tokens[newest].clone();
        let calls = calls.into_iter().map(|(replica, micros)| {
            let patience = Duration::from_micros(u64::try_from(micros).unwrap());
            tokio::time::timeout(patience, refresh(replica, token.clone()))
        });
        for pair in join_all(calls).await.into_iter().flatten() {
            let call = Call {
                client: None,
                counter: newest,
            };
            assert!(self.open.got(&call, pair.unwrap(), true), "{}", self.told());
        }
        // Once more, whether it was refreshed meanwhile or not.
        let retries: Vec<_> = (0..CLIENTS)
            .map(|_| Call {
                client: None,
                counter: newest,
            })
            .collect();
        assert!(!self.answered(&retries).await);
        true
    }

    /// Nothing of an ended session works, and saying so again raises no other alarm.
    async fn nothing_works(&mut self) {
        let told = self.told();
        for access in self.open.access.iter().rev().take(8) {
            for replica in [0, 1] {
                assert!(!knows(self.replica_of(replica), access).await, "{told}");
            }
        }
        let newest = self.open.newest();
        for counter in [newest, newest.saturating_sub(1), 0] {
            let token = self.open.tokens[counter].clone();
            assert_refused(refresh(self.replica(), token).await.expect_err(&told));
        }
        assert_eq!(self.alarms().await, 1, "{told}");
    }

    /// Either replica.
    fn replica(&mut self) -> Channel {
        let which = self.chance.below(2);
        self.replica_of(which)
    }

    fn replica_of(&self, which: usize) -> Channel {
        self.replicas[which].clone()
    }

    /// How many replays in this session the trail tells of.
    async fn alarms(&self) -> i64 {
        let alarms = on!(&self.service.database, |pool| {
            sqlx::query_scalar(
                "SELECT count(*) FROM security_events WHERE session_id = $1 AND kind = 'refresh_replayed' \
                 AND severity = 'critical'",
            )
            .bind(self.open.id)
            .fetch_one(pool)
            .await
        });
        alarms.unwrap()
    }
}

/// A refresh that is tried again for as long as the service says that it does not know: on a busy machine a statement
/// may take longer than it waits.
async fn refresh(replica: Channel, token: String) -> Result<Session, Status> {
    let mut sessions = SessionServiceClient::new(replica);
    let answer = until_known(async || {
        let refresh = token.clone();
        sessions.refresh(pb::RefreshRequest { refresh }).await
    });
    Ok(answer.await?.into_inner().into())
}

/// The answer to a call that may be made again.
async fn until_known<T>(mut call: impl AsyncFnMut() -> Result<T, Status>) -> Result<T, Status> {
    for _ in 0..TRIES {
        match call().await {
            Err(status) if status.code() == Code::Unavailable => {}
            answer => return answer,
        }
    }
    call().await
}

fn assert_refused(status: Status) {
    Refused::from(status).is(
        Code::Unauthenticated,
        "REFRESH_FAILED",
        "Token refresh failed. Please log in again.",
    );
}

async fn knows(replica: Channel, access: &str) -> bool {
    let request = pb::AuthorizeRequest {
        access_token: access.to_owned(),
    };
    match TokenServiceClient::new(replica)
        .authorize(as_service(request))
        .await
    {
        Ok(_) => true,
        Err(status) if status.code() == Code::Unauthenticated => false,
        Err(status) => panic!("{status:?}"),
    }
}

/// Which session a refresh token is of.
fn session_of(token: &str) -> Uuid {
    RefreshTokens::read(token).unwrap().session_id
}

//! The callers of the table, each with what it shows.

use std::iter;

use chrono::TimeDelta;
use serde_json::json;
use test_support::authenticator::Authenticator;

use crate::{
    course::published,
    factor,
    support::{Caller as Person, PASSWORD, World},
};

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Nobody,
    /// Somebody with a token that is none, or none any more; the word says which.
    BadToken(&'static str),
    /// Somebody who is logged in.
    Person(Role, Proof),
    Service,
    WrongService,
}

/// Who a person is to the course that requests are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    User,
    /// A user who is enrolled in another course.
    EnrolledElsewhere,
    /// A user who is enrolled in this one.
    Student,
    Staff,
    /// Staff who teach another course.
    ElsewhereInstructor,
    Instructor,
}

/// Whether their session proved a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// Their account has none.
    None,
    /// More than five minutes ago.
    Stale,
    /// A moment ago.
    Fresh,
}

pub const ROLES: [Role; 6] = [
    Role::User,
    Role::EnrolledElsewhere,
    Role::Student,
    Role::Staff,
    Role::ElsewhereInstructor,
    Role::Instructor,
];
pub const PROOFS: [Proof; 3] = [Proof::None, Proof::Stale, Proof::Fresh];

impl Caller {
    /// Who this is to those who look at tokens of people only.
    pub fn seen_from_outside(self) -> Self {
        match self {
            Self::Service | Self::WrongService => Self::Nobody,
            other => other,
        }
    }
}

/// What a caller shows.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    pub bearer: Option<String>,
    pub service: Option<String>,
}

/// An account that somebody calls with.
struct Account {
    role: Role,
    proof: Proof,
    username: String,
    /// The app that makes their codes, for an account with a second factor.
    authenticator: Option<Authenticator>,
}

/// What was prepared: accounts, tokens that are bad, and things that requests are about.
pub struct Callers {
    accounts: Vec<Account>,
    bad: Vec<(&'static str, String)>,
    /// A published course, and one that is archived.
    course: String,
    archived: String,
    /// Somebody whom requests are about, and as whom nobody calls.
    subject: Person,
    subject_name: String,
}

impl Callers {
    /// Prepares them; another round has other accounts.
    pub async fn prepare(world: &World, foreign: &Person, round: usize) -> Self {
        let founder = world.staff().await;
        let expired = founder.access().to_owned();
        world.clock.turn(TimeDelta::minutes(16));
        let founder = world.staff().await;
        let course = published(&founder, &format!("A course {round}")).await;
        let elsewhere = published(&founder, &format!("Another course {round}")).await;
        let archived = published(&founder, &format!("A former course {round}")).await;
        let here = [&course, &archived].map(String::as_str);
        let mut accounts = Vec::new();
        for role in ROLES {
            for proof in PROOFS {
                let name = format!("{role:?}-{proof:?}-{round}").to_lowercase();
                let person = match role {
                    Role::User | Role::EnrolledElsewhere | Role::Student => world.user(&name).await,
                    Role::Staff | Role::ElsewhereInstructor | Role::Instructor => {
                        world.another_staff(&name).await
                    }
                };
                let (taught, studied) = match role {
                    Role::User | Role::Staff => (&[][..], &[][..]),
                    Role::EnrolledElsewhere => (&[][..], &[&*elsewhere][..]),
                    Role::Student => (&[][..], &here[..]),
                    Role::ElsewhereInstructor => (&[&*elsewhere][..], &[][..]),
                    Role::Instructor => (&here[..], &[][..]),
                };
                for slug in taught {
                    let body = json!({"user_id": person.id()});
                    let path = format!("/api/v1/courses/{slug}/instructors");
                    founder.post(&path, body).await.is(201);
                }
                for slug in studied {
                    let path = format!("/api/v1/courses/{slug}/enrollment");
                    person.post(&path, json!({})).await.is(201);
                }
                let authenticator = match proof {
                    Proof::None => None,
                    Proof::Stale | Proof::Fresh => Some(factor::set_up(world, &person).await.0),
                };
                accounts.push(Account {
                    role,
                    proof,
                    username: format!("{name}@example.org"),
                    authenticator,
                });
            }
        }
        let is_archived = json!({"is_archived": true});
        let path = format!("/api/v1/courses/{archived}");
        founder.patch(&path, is_archived).await.is(200);
        let (ended, subject) = (format!("ended-{round}"), format!("subject-{round}"));
        let (user, subject_name) = (world.user(&ended).await, format!("{subject}@example.org"));
        let over = user.login(&format!("{ended}@example.org"), PASSWORD).await;
        let logout = json!({"refresh": over.refresh()});
        over.post("/api/v1/auth/logout", logout).await.is(204);
        Self {
            accounts,
            bad: vec![
                ("garbage", "garbage".to_owned()),
                ("expired", expired),
                ("ended", over.access().to_owned()),
                ("of another system", foreign.access().to_owned()),
                ("refresh", user.refresh().to_owned()),
            ],
            course,
            archived,
            subject: world.user(&subject).await,
            subject_name,
        }
    }

    /// Every caller; people with a session of their own.
    pub async fn all(&mut self, world: &World) -> Vec<(Caller, Tokens)> {
        let bearer = |token: &str| Tokens {
            bearer: Some(token.to_owned()),
            service: None,
        };
        let service = |token: &str| Tokens {
            bearer: None,
            service: Some(token.to_owned()),
        };
        let bad = self
            .bad
            .iter()
            .map(|(kind, token)| (Caller::BadToken(kind), bearer(token)));
        let mut all: Vec<_> = iter::once((Caller::Nobody, Tokens::default()))
            .chain(bad)
            .collect();
        // A code is good once.
        world.clock.turn(TimeDelta::seconds(31));
        for proof in [Proof::Stale, Proof::Fresh, Proof::None] {
            for account in self.accounts.iter().filter(|account| account.proof == proof) {
                let person = account.log_in(world).await;
                all.push((Caller::Person(account.role, proof), bearer(person.access())));
            }
            if proof == Proof::Stale {
                world.clock.turn(TimeDelta::minutes(6));
            }
        }
        all.push((Caller::Service, service(&world.cluster.service_token)));
        all.push((Caller::WrongService, service(&"x".repeat(43))));
        self.subject = world.anonymous().login(&self.subject_name, PASSWORD).await;
        all
    }

    /// The value of a field of a request.
    pub fn value<'a>(&'a self, field: &'a str) -> &'a str {
        match field {
            "$course" => &self.course,
            "$archived" => &self.archived,
            "$user" => self.subject.id(),
            "$access" => self.subject.access(),
            plain => plain,
        }
    }
}

impl Account {
    async fn log_in(&self, world: &World) -> Person {
        let anonymous = world.anonymous();
        match &self.authenticator {
            Some(authenticator) => {
                let code = authenticator.code(world.clock.now());
                anonymous.login_with_code(&self.username, PASSWORD, &code).await
            }
            None => anonymous.login(&self.username, PASSWORD).await,
        }
    }
}

//! The callers of the table, each with what it shows.

use chrono::TimeDelta;
use serde_json::json;

use crate::{
    course::published,
    support::{Caller as Person, PASSWORD, STAFF, World},
};

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Nobody,
    /// Somebody with a token that is none, or none any more; the word says which.
    BadToken(&'static str),
    User,
    /// Staff, but no instructor of the course.
    Staff,
    Instructor,
    Service,
    WrongService,
}

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

/// What was prepared: tokens that are bad, and things that requests are about.
pub struct Callers {
    bad: Vec<(&'static str, String)>,
    course: String,
    /// Somebody whom requests are about, and as whom nobody calls.
    subject: Person,
}

impl Callers {
    /// Prepares them in a fresh world.
    pub async fn prepare(world: &World) -> Self {
        let instructor = world.staff().await;
        let expired = instructor.access().to_owned();
        world.clock.turn(TimeDelta::minutes(16));
        let instructor = instructor.login(STAFF, PASSWORD).await;
        world.another_staff("staff").await;
        let (user, subject) = (world.user("user").await, world.user("subject").await);
        let ended = user.login(user_name(), PASSWORD).await;
        let logout = json!({"refresh": ended.refresh()});
        ended.post("/api/v1/auth/logout", logout).await.is(204);
        let foreign = World::on_sqlite().await.staff().await;
        Self {
            bad: vec![
                ("garbage", "garbage".to_owned()),
                ("expired", expired),
                ("ended", ended.access().to_owned()),
                ("of another system", foreign.access().to_owned()),
                ("refresh", user.refresh().to_owned()),
            ],
            course: published(&instructor, "A course").await,
            subject,
        }
    }

    /// Every caller; people with a session of their own that is fresh.
    pub async fn all(&self, world: &World) -> Vec<(Caller, Tokens)> {
        let anonymous = world.anonymous();
        let bearer = |token: &str| Tokens {
            bearer: Some(token.to_owned()),
            service: None,
        };
        let service = |token: &str| Tokens {
            bearer: None,
            service: Some(token.to_owned()),
        };
        let mut all = vec![(Caller::Nobody, Tokens::default())];
        for (kind, token) in &self.bad {
            all.push((Caller::BadToken(kind), bearer(token)));
        }
        for (caller, username) in [
            (Caller::User, user_name()),
            (Caller::Staff, "staff@example.org"),
            (Caller::Instructor, STAFF),
        ] {
            let person = anonymous.login(username, PASSWORD).await;
            all.push((caller, bearer(person.access())));
        }
        all.push((Caller::Service, service(&world.cluster.service_token)));
        all.push((Caller::WrongService, service(&"x".repeat(43))));
        all
    }

    /// The value of a field of a request.
    pub fn value<'a>(&'a self, field: &'a str) -> &'a str {
        match field {
            "$course" => &self.course,
            "$user" => self.subject.id(),
            "$access" => self.subject.access(),
            plain => plain,
        }
    }
}

fn user_name() -> &'static str {
    "user@example.org"
}

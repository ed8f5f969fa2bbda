//! Course-service learns of every erasure: whatever it does, however long it is away, and wherever whoever tells it is
//! cut off.

use std::{pin::pin, task::Poll};

use auth_service::{
    course_client::CourseClient,
    domain::erasure::{Messenger, Round},
    model::{event::SecurityEvent, event_kind::EventKind, profile::Profile, user::User, username::Username},
    store::{Store, erasure::Erased},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::poll_fn;
use service_runtime::{
    clock::Clock, database::Database, entropy::Entropy, grpc::channel::Channel, on, secret::Secret,
};
use test_support::ground::Ground;
use uuid::Uuid;

use crate::{
    fake_courses::{FakeCourses, Mood},
    support::SERVICE_TOKEN,
};

macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(super::Office::on(test_support::ground::Ground::sqlite()).await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                if let Some(ground) = test_support::ground::Ground::postgres().await {
                    super::$test(super::Office::on(ground).await).await;
                }
            })*
        }
    };
}

on_both_databases!(
    whatever_course_service_does_it_is_told_again,
    what_takes_several_calls_gets_them,
    every_heir_is_told_once,
    a_repetition_tells_no_heir_again,
    a_messenger_may_be_cut_off_at_any_step,
    two_messengers_share_the_work,
);

/// A messenger, what it works on and whom it tells.
struct Office {
    store: Store,
    database: Database,
    clock: Clock,
    courses: FakeCourses,
    messenger: Messenger,
    _ground: Ground,
}

impl Office {
    async fn on(ground: Ground) -> Self {
        let url = ground.database_url("auth.db");
        let store = Store::connect(&url).await.unwrap();
        store.migrate().await.unwrap();
        let clock = Clock::turnable("2026-03-01T12:00:00Z".parse::<DateTime<Utc>>().unwrap());
        let courses = FakeCourses::start();
        let channel = Channel::to(&courses.url()).unwrap();
        let messenger = Messenger {
            store: store.clone(),
            clock: clock.clone(),
            entropy: Entropy::default(),
            courses: CourseClient::new(channel, &Secret::new(SERVICE_TOKEN.to_owned())).unwrap(),
            mail: Default::default(),
        };
        let office = Self {
            database: Database::connect(&url, "auth").await.unwrap(),
            store,
            clock,
            courses,
            messenger,
            _ground: ground,
        };
        office.add("root@example.org", true).await;
        office
    }

    async fn add(&self, address: &str, is_staff: bool) -> Uuid {
        let user = User {
            id: Entropy::default().new_id(self.clock.now()).unwrap(),
            username: address.to_owned(),
            profile: Profile::default(),
            is_active: true,
            is_staff,
            verified_at: None,
            pending_username: None,
            date_joined: self.clock.now(),
            last_login: None,
            factor_since: None,
            revision: 1,
        };
        let username = Username::parse(address).unwrap();
        self.store
            .register(&user, &username, "form", &[], None, None)
            .await
            .unwrap();
        user.id
    }

    /// Somebody who has just been erased.
    async fn erased(&self, address: &str) -> Uuid {
        let id = self.add(address, false).await;
        self.erase(id).await;
        id
    }

    async fn erase(&self, id: Uuid) {
        let event = SecurityEvent {
            id: Entropy::default().new_id(self.clock.now()).unwrap(),
            time: self.clock.now(),
            kind: EventKind::AccountDeleted,
            actor_id: None,
            subject_id: Some(id),
            session_id: None,
            ip_address: String::new(),
            request_id: String::new(),
            detail: String::new(),
        };
        assert_eq!(
            self.store.erase_user(id, None, &event).await.unwrap(),
            Erased::Yes
        );
    }

    async fn waiting(&self) -> i64 {
        self.store.waiting_erasures().await.unwrap().0
    }

    /// How many mails tell an heir.
    async fn mails(&self) -> usize {
        self.told_heirs().await.len()
    }

    /// To whom they go.
    async fn told_heirs(&self) -> Vec<String> {
        on!(&self.database, |pool| {
            sqlx::query_scalar(
                "SELECT recipient FROM mail_outbox WHERE kind = 'courses_inherited' ORDER BY recipient",
            )
            .fetch_all(pool)
            .await
        })
        .unwrap()
    }

    /// The staff user of this address is none any more.
    async fn demote(&self, address: &str) {
        on!(&self.database, |pool| {
            sqlx::query("UPDATE users SET is_staff = FALSE WHERE username = $1")
                .bind(address)
                .execute(pool)
                .await
                .map(drop)
        })
        .unwrap();
    }

    /// How often it was told of somebody.
    fn told(&self, id: Uuid) -> usize {
        let told = self.courses.erased();
        told.iter().filter(|wish| wish.user_id == id.to_string()).count()
    }
}

async fn whatever_course_service_does_it_is_told_again(office: Office) {
    assert_eq!(office.messenger.round().await, Round::Nothing);
    let ada = office.erased("ada@example.org").await;
    for mood in [
        Mood::Unavailable,
        Mood::Asleep,
        Mood::Broken,
        Mood::Heirless,
        Mood::Forgetful,
    ] {
        office.courses.feel(mood);
        assert_eq!(office.messenger.round().await, Round::Failed, "{mood:?}");
        assert_eq!(
            office.messenger.round().await,
            Round::Nothing,
            "not at once, after {mood:?}"
        );
        assert_eq!(office.waiting().await, 1);
        // However long that goes on.
        office.clock.turn(TimeDelta::hours(5));
    }
    office.courses.feel(Mood::Well);
    assert_eq!(office.messenger.round().await, Round::Told);
    assert_eq!(
        (office.told(ada), office.waiting().await, office.mails().await),
        (2, 0, 1)
    );
    office.clock.turn(TimeDelta::days(1));
    assert_eq!(office.messenger.round().await, Round::Nothing);
    // After a restore it is told once more.
    let (store, now) = (&office.store, office.clock.now());
    let repeated = store.repeat_erasures(Uuid::nil(), now, 9).await.unwrap();
    assert_eq!(repeated.len(), 1);
    assert_eq!(office.messenger.round().await, Round::Told);
    assert_eq!((office.told(ada), office.waiting().await), (3, 0));
}

async fn what_takes_several_calls_gets_them(office: Office) {
    let ada = office.erased("ada@example.org").await;
    office.courses.feel(Mood::Busy);
    for _ in 0..5 {
        assert_eq!(office.messenger.round().await, Round::Told, "without a pause");
    }
    office.courses.feel(Mood::Well);
    assert_eq!(office.messenger.round().await, Round::Told);
    assert_eq!(
        (office.told(ada), office.waiting().await, office.mails().await),
        (6, 0, 1)
    );
}

async fn every_heir_is_told_once(office: Office) {
    let ada = office.erased("ada@example.org").await;
    office.clock.turn(TimeDelta::seconds(1));
    office.add("eve@example.org", true).await;
    let gone = office.add("gone@example.org", true).await;
    // One inherits and is staff no longer, one is not even there any more.
    office.courses.feel(Mood::Busy);
    assert_eq!(office.messenger.round().await, Round::Told);
    office.demote("root@example.org").await;
    office.courses.bequeath(ada, gone);
    office.erase(gone).await;
    assert_eq!(
        office.told_heirs().await,
        Vec::<String>::new(),
        "not before it is done"
    );
    office.courses.feel(Mood::Well);
    while office.messenger.round().await == Round::Told {}
    // To eve also went what the one who has gone left.
    let expected = ["eve@example.org", "eve@example.org", "root@example.org"];
    assert_eq!(office.told_heirs().await, expected);
}

async fn a_repetition_tells_no_heir_again(office: Office) {
    let ada = office.erased("ada@example.org").await;
    assert_eq!(office.messenger.round().await, Round::Told);
    assert_eq!(office.told_heirs().await, ["root@example.org"]);
    // Somebody else would be the heir today.
    office.clock.turn(TimeDelta::seconds(1));
    office.add("eve@example.org", true).await;
    office.demote("root@example.org").await;
    let repeat = async || {
        let (store, now) = (&office.store, office.clock.now());
        store.repeat_erasures(Uuid::nil(), now, 9).await.unwrap();
        assert_eq!(office.messenger.round().await, Round::Told);
        assert_eq!(office.waiting().await, 0);
        office.told_heirs().await
    };
    assert_eq!(repeat().await, ["root@example.org"], "nothing moved");
    // Courses that a backup brought back go to whoever is the heir now.
    office.courses.forget();
    assert_eq!(repeat().await, ["eve@example.org", "root@example.org"]);
    assert_eq!(repeat().await, ["eve@example.org", "root@example.org"]);
    assert_eq!(office.told(ada), 4);
}

/// Polls a future so many times and then lets go of it, as a process does that is killed; `None` when it was not done.
async fn cut_off<F: Future>(future: F, mut polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        if polls == 0 {
            return Poll::Ready(None);
        }
        polls -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

async fn a_messenger_may_be_cut_off_at_any_step(office: Office) {
    let mut steps = 0;
    office.clock.turn(TimeDelta::seconds(1));
    let eve = office.add("eve@example.org", true).await;
    for round in 0.. {
        let ada = office.erased(&format!("ada{round}@example.org")).await;
        office.courses.bequeath(ada, eve);
        let mails = office.mails().await;
        let done = cut_off(office.messenger.round(), steps).await.is_some();
        // The next one lives when the lease of the dead one has run out. What that one held in the database may still
        // be in its way.
        for attempt in 0.. {
            office.clock.turn(TimeDelta::minutes(1));
            while office.messenger.round().await == Round::Told {}
            if office.waiting().await == 0 {
                break;
            }
            assert!(attempt < 10, "after {steps} steps");
        }
        assert!(office.told(ada) > 0, "after {steps} steps");
        assert_eq!(
            office.mails().await,
            mails + 2,
            "each heir is told once, after {steps} steps"
        );
        match done {
            // Claimed, told, acknowledged: at the least those. What is ready at once is no step, and then it was too quick.
            true if steps >= 3 => break,
            true => assert!(round < 200, "it was cut off at {steps} steps only"),
            false => steps += 1,
        }
    }
}

async fn two_messengers_share_the_work(office: Office) {
    let mut erased = Vec::new();
    for place in 0..10 {
        erased.push(office.erased(&format!("ada{place}@example.org")).await);
    }
    let work = async || while office.messenger.round().await == Round::Told {};
    futures::join!(work(), work());
    while office.messenger.round().await == Round::Told {}
    assert_eq!((office.waiting().await, office.mails().await), (0, 10));
    for id in erased {
        assert_eq!(office.told(id), 1, "nobody is told of twice while all goes well");
    }
}

//! An account ends in one transaction: nothing of the person is left in any table, whatever was going on.

use auth_service::{
    model::{
        event::SecurityEvent, event_kind::EventKind, mail::Outcome, mail_token::Purpose,
        security_change::SecurityChange, user::User,
    },
    store::{account::Registered, erasure::Erased, outbox::Outbox},
};
use chrono::TimeDelta;
use service_runtime::{database::BeginWrite, on};
use test_support::rows;
use uuid::Uuid;

use crate::{
    on_both,
    world::{
        World, at, event, full_profile, hash_of, hiding, letters, link, mail_lane, name, new_id, notice,
        once, session, staff, unverified, user,
    },
};

on_both!(
    nothing_of_a_person_is_left_anywhere,
    a_registration_that_is_erased_leaves_no_answer,
    an_erasure_needs_the_password_that_was_compared,
    mail_in_hand_is_let_go_of,
    the_last_active_staff_user_stays,
);

/// What an erased person was called.
const TEXTS: [&str; 5] = [
    "ada.lovelace@example.org",
    "ada.new@example.org",
    "ada.old@example.org",
    "lovelace-zzyzx",
    "looms and numbers",
];

pub fn deleted(user: &User) -> SecurityEvent {
    SecurityEvent {
        id: new_id(),
        time: at(9),
        kind: EventKind::AccountDeleted,
        actor_id: Some(user.id),
        subject_id: Some(user.id),
        session_id: None,
        ip_address: "2001:db8::1".to_owned(),
        request_id: "request".to_owned(),
        detail: String::new(),
    }
}

impl World {
    pub async fn erase(&self, user: &User) -> Erased {
        self.store
            .erase_user(user.id, None, &deleted(user))
            .await
            .unwrap()
    }

    pub async fn rows_holding(&self, texts: &[&str]) -> Vec<String> {
        rows::holding(&self.ground.database_url("auth.db"), texts).await
    }

    pub async fn queue(&self, recipient: &str) -> Uuid {
        let mail = notice(recipient);
        on!(&self.database, |pool| {
            let mut tx = pool.begin_write().await?;
            tx.enqueue(&mail).await?;
            tx.commit().await
        })
        .unwrap();
        mail.id
    }

    async fn settle(&self, outcome: Outcome) {
        let lease = new_id();
        let claimed = self
            .store
            .claim_mail(at(0), TimeDelta::minutes(1), 1, lease)
            .await;
        for claimed in claimed.unwrap() {
            let settled = self.store.settle_mail(claimed.mail.id, lease, at(0), &outcome);
            assert!(settled.await.unwrap());
        }
    }
}

async fn nothing_of_a_person_is_left_anywhere(world: World) {
    let mut ada = User {
        profile: full_profile(),
        ..unverified("Ada.Old@Example.org")
    };
    ada.profile.last_name = "Lovelace-Zzyzx".to_owned();
    ada.profile.bio = "Looms and numbers".to_owned();
    let (letters, key) = (letters(&ada), once("key", "input"));
    let (username, store) = (name(&ada.username), &world.store);
    let made = store.register(&ada, &username, "form", &[], Some(&letters), Some(&key));
    assert!(matches!(made.await.unwrap(), Registered::Yes(_)));
    // The answer that hides that the address has an account.
    let hidden = User {
        id: new_id(),
        ..unverified("ADA.OLD@example.org")
    };
    store
        .verify_address(
            letters.token.id,
            ada.id,
            &username,
            at(1),
            &event(EventKind::AccountVerified, 1),
        )
        .await
        .unwrap();
    let (letters, other) = (hiding(&hidden), once("other", "input"));
    let same = name(&hidden.username);
    let pretended = store.register(&hidden, &same, "form", &[], Some(&letters), Some(&other));
    assert!(matches!(pretended.await.unwrap(), Registered::Hidden { .. }));
    world.settle(Outcome::Sent).await;
    world.queue("ada.OLD@example.org").await;
    let dead = Outcome::Dead {
        reason: "550".to_owned(),
    };
    world.settle(dead).await;
    // Another address since then, and a third one that waits.
    let (confirm, mail) = link(&ada, Purpose::ConfirmUsername);
    world.queue_link(&ada, &confirm, &mail).await;
    for (place, address) in ["Ada.Lovelace@Example.org", "ada.new@example.org"]
        .iter()
        .enumerate()
    {
        let change = |user: &mut User| {
            user.pending_username = Some((*address).to_owned());
            Ok::<_, ()>(Default::default())
        };
        store.change_user(ada.id, None, at(2), change).await.unwrap();
        if place == 0 {
            store
                .confirm_username(
                    confirm.id,
                    ada.id,
                    &name(address),
                    at(3),
                    &event(EventKind::UsernameChanged, 3),
                )
                .await
                .unwrap();
        }
    }
    world.queue("ada.lovelace@EXAMPLE.org").await;
    let sessions = [session(&ada, at(4)), session(&ada, at(5))];
    for session in &sessions {
        assert!(
            store
                .open_session(session, "form", None, &event(EventKind::LoginSucceeded, 5))
                .await
                .unwrap()
                .is_some()
        );
    }
    store
        .end_session(
            sessions[0].id,
            auth_service::model::session::EndReason::Logout,
            at(6),
            &event(EventKind::LoggedOut, 6),
        )
        .await
        .unwrap();
    // A version that does not know yet whose mail is whose.
    world.queue("ADA.NEW@example.org").await;
    on!(&world.database, |pool| sqlx::query(
        "UPDATE mail_outbox SET user_id = NULL WHERE recipient = 'ADA.NEW@example.org'"
    )
    .execute(pool)
    .await
    .map(drop))
    .unwrap();
    let bob = world.add(user("bob@example.org")).await;
    world.queue("bob@example.org").await;
    for text in TEXTS {
        assert!(
            !world.rows_holding(&[text]).await.is_empty(),
            "{text} is found while it is there"
        );
    }
    let before = store.security_revision().await.unwrap();
    let events = world.events().await.len();

    assert_eq!(world.erase(&ada).await, Erased::Yes);

    assert_eq!(world.rows_holding(&TEXTS).await, Vec::<String>::new());
    assert_eq!(store.user(ada.id).await.unwrap(), None);
    assert!(!world.is_open(&sessions[1]).await);
    let told = store.security_changes(before, i64::MAX).await.unwrap();
    let told: Vec<_> = told.into_iter().map(|recorded| recorded.change).collect();
    assert_eq!(
        told,
        [
            SecurityChange::SessionEnded(sessions[1].id),
            SecurityChange::UserChanged(ada.id)
        ]
    );
    assert_eq!(world.events().await.len(), events + 1);
    assert_eq!(store.waiting_erasures().await.unwrap(), (1, Some(at(9))));
    // What is another's stays.
    assert_eq!(world.now(&bob).await, bob);
    assert_eq!(world.mails().await.len(), 1);
    // A second time there is nobody, and the address is free.
    assert_eq!(world.erase(&ada).await, Erased::NotFound);
    assert!(
        store
            .open_session(
                &session(&ada, at(10)),
                "form",
                None,
                &event(EventKind::LoginSucceeded, 10)
            )
            .await
            .unwrap()
            .is_none()
    );
    world.add(unverified("ada.lovelace@example.org")).await;
}

async fn a_registration_that_is_erased_leaves_no_answer(world: World) {
    let ada = unverified("ada.lovelace@example.org");
    let (username, key) = (name(&ada.username), once("key", "input"));
    world
        .store
        .register(&ada, &username, "form", &[], Some(&letters(&ada)), Some(&key))
        .await
        .unwrap();
    // Neither does one that was never verified and has had its time.
    assert_eq!(world.store.remove_unverified_users(at(1), 9).await.unwrap(), 1);
    assert_eq!(world.rows_holding(&TEXTS).await, Vec::<String>::new());
    let again = User { id: new_id(), ..ada };
    let registered = world
        .store
        .register(&again, &username, "form", &[], None, Some(&key))
        .await
        .unwrap();
    let Registered::Yes(registered) = registered else {
        panic!("{registered:?}")
    };
    assert_eq!(registered.id, again.id, "it is a new account");
}

async fn an_erasure_needs_the_password_that_was_compared(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let erase = async |form: &str| {
        let event = deleted(&ada);
        world.store.erase_user(ada.id, Some(form), &event).await.unwrap()
    };
    assert_eq!(erase("another form").await, Erased::OtherPassword);
    assert_eq!(world.now(&ada).await, ada);
    assert_eq!(
        (
            world.count("erasures").await,
            world.count("security_events").await
        ),
        (0, 0)
    );
    assert_eq!(erase(&hash_of(&ada.username)).await, Erased::Yes);
    assert_eq!(erase("another form").await, Erased::NotFound);
}

async fn mail_in_hand_is_let_go_of(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    world.add_token(&ada, Purpose::ResetPassword).await;
    world.queue("ada@example.org").await;
    let lease = new_id();
    let claimed = world
        .store
        .claim_mail(at(0), TimeDelta::minutes(1), 9, lease)
        .await
        .unwrap();
    assert_eq!(claimed.len(), 2);
    assert_eq!(world.erase(&ada).await, Erased::Yes);
    let failed = Outcome::PutOff {
        until: at(1),
        reason: "451".to_owned(),
    };
    for (claimed, outcome) in claimed.iter().zip([Outcome::Sent, failed]) {
        let settled = world.store.settle_mail(claimed.mail.id, lease, at(0), &outcome);
        assert!(!settled.await.unwrap(), "what became of it is nobody's any more");
    }
    assert_eq!(world.mails().await, []);
    // Whoever was about to write to them is told to try again, or finds nobody.
    let (token, mail) = link(&ada, Purpose::ResetPassword);
    let asked = world
        .store
        .queue_asked(&mail_lane("ada"), &token, &mail, None)
        .await
        .unwrap();
    assert_eq!(asked, (true, None));
    assert_eq!(
        (world.count("mail_tokens").await, world.mails().await.len()),
        (0, 0)
    );
}

async fn the_last_active_staff_user_stays(world: World) {
    let ada = world.add(staff("ada@example.org")).await;
    let bob = world.add(staff("bob@example.org")).await;
    let idle = User {
        is_active: false,
        ..staff("idle@example.org")
    };
    let idle = world.add(idle).await;
    assert_eq!(world.erase(&ada).await, Erased::Yes);
    assert_eq!(world.erase(&bob).await, Erased::LastStaffUser);
    assert_eq!(world.now(&bob).await, bob);
    assert_eq!(world.erase(&idle).await, Erased::Yes, "they administer nothing");
    let cleo = world.add(staff("cleo@example.org")).await;
    let (first, second) = tokio::join!(world.erase(&bob), world.erase(&cleo));
    let mut both = [first, second];
    both.sort_by_key(|erased| *erased != Erased::Yes);
    assert_eq!(both, [Erased::Yes, Erased::LastStaffUser], "one of two stays");
}

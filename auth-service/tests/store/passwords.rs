//! Passwords change together with the sessions and tokens that hang on them.

use auth_service::{
    model::{event_kind::EventKind, mail_token::Purpose, user::User},
    store::password::Forgiven,
};
use chrono::TimeDelta;

use crate::{
    on_both,
    world::{World, at, event, hash_of, new_id, notice, user},
};

on_both!(
    a_reset_happens_once_and_ends_every_session,
    a_reset_makes_older_mails_worthless,
    a_reset_is_refused_late_and_for_the_inactive,
    resets_at_the_same_time_do_not_stop_each_other,
    a_change_ends_the_other_sessions,
    a_change_needs_the_former_password,
    a_renewed_hash_is_no_change,
);

async fn a_reset_happens_once_and_ends_every_session(world: World) {
    let none = Forgiven::default();
    let ada = world.add(user("ada@example.org")).await;
    let bob = world.add(user("bob@example.org")).await;
    let (one, two) = (world.open(&ada, at(0)).await, world.open(&ada, at(1)).await);
    let bobs = world.open(&bob, at(0)).await;
    let token = world.add_token(&ada, Purpose::ResetPassword).await;
    let (mail, event) = (notice("ada@example.org"), event(EventKind::PasswordReset, 2));
    let reset = |hash: &'static str| {
        world
            .store
            .reset_password(token.id, ada.id, hash, (&mail, &event), &none, at(2))
    };

    assert!(reset("new").await.unwrap());
    assert_eq!(
        world.store.password_hash(ada.id).await.unwrap().as_deref(),
        Some("new")
    );
    assert!(!world.is_open(&one).await && !world.is_open(&two).await);
    assert!(world.is_open(&bobs).await);
    assert_eq!(world.mails().await.len(), 2, "the link and the notice");

    assert!(!reset("newer").await.unwrap());
    assert_eq!(
        world.store.password_hash(ada.id).await.unwrap().as_deref(),
        Some("new")
    );
    assert_eq!(world.mails().await.len(), 2);
    assert_eq!(told(&world, "password_reset").await, 1);
}

/// How often the trail was told of this kind.
async fn told(world: &World, kind: &str) -> usize {
    let events = world.events().await;
    events.iter().filter(|(_, told)| told == kind).count()
}

async fn a_reset_makes_older_mails_worthless(world: World) {
    let none = Forgiven::default();
    let ada = world.add(user("ada@example.org")).await;
    let bob = world.add(user("bob@example.org")).await;
    let older = world.add_token(&ada, Purpose::ResetPassword).await;
    let waiting = world.add_token(&ada, Purpose::ConfirmUsername).await;
    let other_purpose = world.add_token(&ada, Purpose::VerifyEmail).await;
    let bobs = world.add_token(&bob, Purpose::ResetPassword).await;
    let used = world.add_token(&ada, Purpose::ResetPassword).await;
    let (mail, event) = (notice("ada@example.org"), event(EventKind::PasswordReset, 2));
    assert!(
        world
            .store
            .reset_password(used.id, ada.id, "new", (&mail, &event), &none, at(2))
            .await
            .unwrap()
    );
    assert!(world.is_used(&used).await && world.is_used(&older).await);
    assert!(
        world.is_used(&waiting).await,
        "a change of address that waits may be a thief's"
    );
    assert!(!world.is_used(&other_purpose).await && !world.is_used(&bobs).await);
}

async fn a_reset_is_refused_late_and_for_the_inactive(world: World) {
    let none = Forgiven::default();
    let ada = world.add(user("ada@example.org")).await;
    let inactive = User {
        is_active: false,
        ..user("bob@example.org")
    };
    let bob = world.add(inactive).await;
    for (user, minutes) in [(&ada, 15), (&bob, 1)] {
        let token = world.add_token(user, Purpose::ResetPassword).await;
        let (mail, event) = (notice(&user.username), event(EventKind::PasswordReset, 1));
        let reset = world
            .store
            .reset_password(token.id, user.id, "new", (&mail, &event), &none, at(minutes));
        assert!(!reset.await.unwrap(), "{}", user.username);
        assert!(!world.is_used(&token).await);
        assert_eq!(world.now(user).await, *user);
        let hash = world.store.password_hash(user.id).await.unwrap();
        assert_eq!(hash, Some(hash_of(&user.username)));
    }
}

/// Two mails in one inbox and a change of the password, all at once: one wins, and nobody is told that the
/// database cannot serve.
async fn resets_at_the_same_time_do_not_stop_each_other(world: World) {
    let none = Forgiven::default();
    for round in 0..20 {
        let ada = world.add(user(&format!("u{round}@example.org"))).await;
        let former = hash_of(&ada.username);
        let tokens = [
            world.add_token(&ada, Purpose::ResetPassword).await,
            world.add_token(&ada, Purpose::ResetPassword).await,
            world.add_token(&ada, Purpose::ResetPassword).await,
        ];
        let resets = tokens.iter().map(|token| {
            let (store, mail, none) = (world.store.clone(), notice(&ada.username), &none);
            let event = event(EventKind::PasswordReset, 1);
            async move {
                store
                    .reset_password(token.id, ada.id, "new", (&mail, &event), none, at(1))
                    .await
            }
        });
        let mail = notice(&ada.username);
        let event = event(EventKind::PasswordChanged, 1);
        let change = world
            .store
            .change_password(ada.id, new_id(), &former, "newer", (&mail, &event), at(1));
        let (resets, changed) = futures::join!(futures::future::join_all(resets), change);
        let won = resets
            .into_iter()
            .map(|reset| usize::from(reset.unwrap()))
            .sum::<usize>();
        let changed = usize::from(changed.unwrap());
        // A change makes the mails worthless; a reset makes the former password one.
        assert_eq!(won + changed, 1, "round {round}");
        let events = told(&world, "password_reset").await + told(&world, "password_changed").await;
        assert_eq!(events, round + 1);
    }
}

async fn a_change_ends_the_other_sessions(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let (own, other) = (world.open(&ada, at(0)).await, world.open(&ada, at(1)).await);
    let reset = world.add_token(&ada, Purpose::ResetPassword).await;
    let before = world.now(&ada).await;
    let (mail, event) = (notice("ada@example.org"), event(EventKind::PasswordChanged, 2));
    let former = hash_of("ada@example.org");
    let changed = world
        .store
        .change_password(ada.id, own.id, &former, "new", (&mail, &event), at(2));
    assert!(changed.await.unwrap());
    assert!(world.is_open(&own).await && !world.is_open(&other).await);
    assert!(
        world.is_used(&reset).await,
        "an older reset mail must not undo it"
    );
    assert_eq!(world.now(&ada).await.revision, before.revision + 1);
    let credentials = world.store.credentials("ada@example.org").await.unwrap();
    assert_eq!(credentials.unwrap().password_hash, "new");
    assert_eq!(world.mails().await.len(), 2);
}

async fn a_change_needs_the_former_password(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let (own, other) = (world.open(&ada, at(0)).await, world.open(&ada, at(1)).await);
    let (mail, event) = (notice("ada@example.org"), event(EventKind::PasswordChanged, 2));
    let changed = world
        .store
        .change_password(ada.id, own.id, "another", "new", (&mail, &event), at(2));
    assert!(!changed.await.unwrap());
    assert!(world.is_open(&other).await);
    assert!(world.mails().await.is_empty());
    assert_eq!(
        world.store.password_hash(ada.id).await.unwrap(),
        Some(hash_of("ada@example.org"))
    );
}

async fn a_renewed_hash_is_no_change(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let session = world.open(&ada, at(0)).await;
    let before = world.now(&ada).await;
    let renew = |former: &'static str, renewed: &'static str| {
        world.store.renew_password_hash(ada.id, former, renewed)
    };
    assert!(renew("hash of ada@example.org", "renewed").await.unwrap());
    assert!(!renew("hash of ada@example.org", "other").await.unwrap());
    assert_eq!(
        world.store.password_hash(ada.id).await.unwrap().as_deref(),
        Some("renewed")
    );
    assert_eq!(world.now(&ada).await, before);
    assert!(world.is_open(&session).await);
    assert!(
        world
            .store
            .active_user(ada.id, session.id, at(0) + TimeDelta::hours(23))
            .await
            .unwrap()
            .is_some()
    );
}

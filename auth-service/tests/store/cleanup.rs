//! What has had its time goes, in batches; nothing else does.

use auth_service::model::{mail_token::Purpose, user::User};

use crate::{
    on_both,
    world::{World, at, letters, name, once, unverified, user},
};

on_both!(
    accounts_never_verified_go_with_all_that_is_theirs,
    batches_are_bounded,
    sessions_go_when_they_have_run_out,
    tokens_go_with_the_mails_that_hold_them,
    answers_go_after_their_day,
);

async fn accounts_never_verified_go_with_all_that_is_theirs(world: World) {
    let joined = |minutes, user| User {
        date_joined: at(minutes),
        ..user
    };
    let ada = joined(0, unverified("ada@example.org"));
    world
        .store
        .register(&ada, &name(&ada.username), "h", &[], Some(&letters(&ada)), None)
        .await
        .unwrap();
    let young = world.add(joined(1, unverified("young@example.org"))).await;
    let verified = world.add(user("verified@example.org")).await;
    let deactivated = User {
        is_active: false,
        ..user("deactivated@example.org")
    };
    let deactivated = world.add(deactivated).await;

    assert_eq!(world.store.remove_unverified_users(at(0), 100).await.unwrap(), 0);
    assert_eq!(world.store.remove_unverified_users(at(1), 100).await.unwrap(), 1);
    assert_eq!(world.store.user(ada.id).await.unwrap(), None);
    for kept in [&young, &verified, &deactivated] {
        assert_eq!(world.now(kept).await, *kept);
    }
    assert_eq!(
        (world.count("mail_tokens").await, world.count("mail_outbox").await),
        (0, 0)
    );
    // The address is free again.
    world.add(unverified("ADA@example.org")).await;
}

async fn batches_are_bounded(world: World) {
    for place in 0..5 {
        world.add(unverified(&format!("u{place}@example.org"))).await;
    }
    for removed in [2, 2, 1, 0] {
        assert_eq!(
            world.store.remove_unverified_users(at(1), 2).await.unwrap(),
            removed
        );
    }
}

async fn sessions_go_when_they_have_run_out(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let (one, two, three) = (
        world.open(&ada, at(0)).await,
        world.open(&ada, at(1)).await,
        world.open(&ada, at(2)).await,
    );
    let before = three.expires_at;
    assert_eq!(
        world.store.remove_old_sessions(one.expires_at, 9).await.unwrap(),
        0
    );
    assert_eq!(world.store.remove_old_sessions(before, 1).await.unwrap(), 1);
    assert_eq!(world.store.remove_old_sessions(before, 9).await.unwrap(), 1);
    assert_eq!(world.store.session(two.id).await.unwrap(), None);
    assert_eq!(world.store.session(three.id).await.unwrap(), Some(three));
}

async fn tokens_go_with_the_mails_that_hold_them(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    world.add_token(&ada, Purpose::ResetPassword).await;
    world.add_token(&ada, Purpose::ResetPassword).await;
    assert_eq!(world.store.remove_old_mail_tokens(at(15), 9).await.unwrap(), 0);
    assert_eq!(world.store.remove_old_mail_tokens(at(16), 1).await.unwrap(), 1);
    assert_eq!(
        (world.count("mail_tokens").await, world.count("mail_outbox").await),
        (1, 1)
    );
    assert_eq!(world.store.remove_old_mail_tokens(at(16), 9).await.unwrap(), 1);
    assert_eq!(world.now(&ada).await, ada);
}

async fn answers_go_after_their_day(world: World) {
    for place in 0..3 {
        let user = User {
            date_joined: at(place),
            ..unverified(&format!("u{place}@example.org"))
        };
        let key = once(&format!("k{place}"), "input");
        let (username, key) = (name(&user.username), Some(&key));
        world
            .store
            .register(&user, &username, "h", &[], None, key)
            .await
            .unwrap();
    }
    let day = 24 * 60;
    assert_eq!(world.store.forget_answers(at(day - 1), 9).await.unwrap(), 0);
    assert_eq!(world.store.forget_answers(at(day + 1), 1).await.unwrap(), 1);
    assert_eq!(world.store.forget_answers(at(day + 1), 9).await.unwrap(), 1);
    assert_eq!(world.count("idempotency_keys").await, 1);
}

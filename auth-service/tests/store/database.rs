//! The ground itself: migrations, and what a database that is gone looks like.

use auth_service::{
    model::mail_token::Purpose,
    store::{Error, Store},
};
use service_runtime::{
    database::{BeginWrite, is_unavailable},
    on,
};

use crate::{
    on_both,
    world::{World, at, link, user},
};

on_both!(
    migrating_again_changes_nothing,
    a_closed_database_is_unavailable,
    a_broken_rule_is_a_bug,
    many_writers_wait_for_each_other,
);

async fn migrating_again_changes_nothing(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let second = Store::connect(&world.ground.database_url("auth.db"))
        .await
        .unwrap();
    let (one, two) = futures::join!(world.store.migrate(), second.migrate());
    one.unwrap();
    two.unwrap();
    assert_eq!(second.user(ada.id).await.unwrap(), Some(ada));
    second.answers().await.unwrap();
}

async fn a_closed_database_is_unavailable(world: World) {
    world.store.answers().await.unwrap();
    world.store.close().await;
    let error = world.store.answers().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
}

async fn a_broken_rule_is_a_bug(world: World) {
    use auth_service::store::mail_token::MailTokenTable;
    let gone = user("gone@example.org");
    let (token, _) = link(&gone, Purpose::VerifyEmail);
    let refused = on!(&world.database, |pool| {
        let mut tx = pool.begin_write().await.unwrap();
        // Some databases look at references when a transaction ends.
        match tx.add_token(&token, gone.id).await {
            Ok(()) => tx.commit().await,
            refused => refused,
        }
    });
    let error = refused.unwrap_err();
    assert!(!is_unavailable(&error), "{error:?}");
    assert_eq!(world.count("mail_tokens").await, 0);
}

async fn many_writers_wait_for_each_other(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let writes = (0..200).map(|_| {
        world.store.change_user(ada.id, None, at(1), |user| {
            user.profile.bio.push('x');
            Ok::<_, ()>(Default::default())
        })
    });
    for written in futures::future::join_all(writes).await {
        written.unwrap();
    }
    let now = world.now(&ada).await;
    assert_eq!(
        (now.profile.bio.len(), now.revision),
        (200, 201),
        "no write is lost"
    );
}

//! Reading accounts.

use auth_service::model::user::User;

use crate::{
    on_both,
    world::{World, full_profile, hash_of, new_id, staff, unverified, user},
};

on_both!(
    a_user_is_found_by_id_address_and_with_the_password,
    users_are_found_by_many_ids,
    five_hundred_ids_are_no_trouble,
    the_first_staff_user_is_noticed,
);

async fn a_user_is_found_by_id_address_and_with_the_password(world: World) {
    let ada = User {
        profile: full_profile(),
        ..user("Ada@Example.org")
    };
    let ada = world.add(ada).await;
    world.add(user("bob@example.org")).await;
    let store = &world.store;
    assert_eq!(store.user(ada.id).await.unwrap(), Some(ada.clone()));
    assert_eq!(store.user(new_id()).await.unwrap(), None);
    let by_address = store.user_by_username("ada@example.org").await.unwrap();
    assert_eq!(by_address, Some(ada.clone()));
    // The caller folds: the store compares what it is given.
    assert_eq!(store.user_by_username("Ada@Example.org").await.unwrap(), None);
    let hash = hash_of("Ada@Example.org");
    assert_eq!(store.password_hash(ada.id).await.unwrap().as_ref(), Some(&hash));
    assert_eq!(store.password_hash(new_id()).await.unwrap(), None);
    let credentials = store.credentials("ada@example.org").await.unwrap();
    let credentials = credentials.unwrap();
    assert_eq!((credentials.user, credentials.password_hash), (ada, hash));
    assert!(store.credentials("eve@example.org").await.unwrap().is_none());
}

async fn users_are_found_by_many_ids(world: World) {
    let (ada, bob) = (
        world.add(user("ada@example.org")).await,
        world.add(unverified("bob@example.org")).await,
    );
    world.add(user("carol@example.org")).await;
    let mut expected = vec![ada.clone(), bob.clone()];
    expected.sort_by_key(|user| user.id);
    let found = world
        .store
        .users_by_id(&[bob.id, new_id(), ada.id, bob.id])
        .await
        .unwrap();
    assert_eq!(found, expected);
    assert!(world.store.users_by_id(&[]).await.unwrap().is_empty());
}

async fn five_hundred_ids_are_no_trouble(world: World) {
    let mut ids: Vec<_> = (0..499).map(|_| new_id()).collect();
    ids.insert(250, world.add(user("ada@example.org")).await.id);
    let found = world.store.users_by_id(&ids).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, ids[250]);
}

async fn the_first_staff_user_is_noticed(world: World) {
    world.add(user("ada@example.org")).await;
    assert!(!world.store.has_staff().await.unwrap());
    world.add(staff("root@example.org")).await;
    assert!(world.store.has_staff().await.unwrap());
}

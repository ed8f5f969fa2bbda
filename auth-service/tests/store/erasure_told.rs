//! Course-service is told of an erasure until it has acknowledged it, and heirs learn of it once.

use auth_service::model::{erasure::Heir, user::User};
use uuid::Uuid;

use crate::{
    on_both,
    world::{World, at, new_id, staff, user},
};

on_both!(
    an_erasure_is_told_until_it_is_acknowledged,
    an_erasure_is_told_by_one_at_a_time,
    erasures_are_listed_and_repeated,
    the_heir_is_the_longest_serving_staff_user,
);

async fn an_erasure_is_told_until_it_is_acknowledged(world: World) {
    let ada = world.add(user("ada@example.org")).await;
    let store = &world.store;
    let claim = async |minutes| store.claim_erasure(at(minutes), at(minutes + 1)).await.unwrap();
    assert_eq!(claim(9).await, None);
    world.erase(&ada).await;
    assert_eq!(claim(9).await, Some((ada.id, 1)));
    assert_eq!(claim(9).await, None, "it is claimed");
    assert_eq!(claim(10).await, Some((ada.id, 2)), "who claimed it has died");
    store.put_off_erasure(ada.id, at(20)).await.unwrap();
    assert_eq!(claim(19).await, None);
    assert_eq!(claim(20).await, Some((ada.id, 3)));
    let heir = |user: &User| Heir {
        user_id: user.id,
        mail_id: new_id(),
    };
    let cleo = world.add(staff("heir@example.org")).await;
    let acknowledge = async |minutes| {
        let heirs = [heir(&cleo)];
        store
            .acknowledge_erasure(ada.id, &heirs, at(minutes))
            .await
            .unwrap()
    };
    assert!(acknowledge(21).await);
    assert!(!acknowledge(22).await);
    assert_eq!(world.mails().await.len(), 1, "the heir is told once");
    let repeated = store.repeat_erasures(Uuid::nil(), at(22), 9).await.unwrap();
    assert_eq!(repeated.len(), 1);
    assert!(acknowledge(22).await);
    assert_eq!(world.mails().await.len(), 1, "also when it is told again");
    // An heir who has gone meanwhile is not written to, because nothing would take the mail away.
    let bob = world.add(user("bob@example.org")).await;
    world.erase(&bob).await;
    let heirs = [heir(&bob), heir(&cleo)];
    let noted = store.acknowledge_erasure(bob.id, &heirs, at(23));
    assert!(noted.await.unwrap());
    assert_eq!(world.mails().await.len(), 2, "of another erasure as well");
    assert_eq!(
        world.rows_holding(&["bob@example.org"]).await,
        Vec::<String>::new()
    );
    assert_eq!(claim(99).await, None);
    assert_eq!(store.waiting_erasures().await.unwrap(), (0, None));
}

async fn an_erasure_is_told_by_one_at_a_time(world: World) {
    for place in 0..3 {
        let user = world.add(user(&format!("u{place}@example.org"))).await;
        world.erase(&user).await;
    }
    let claims = (0..6).map(|_| world.store.claim_erasure(at(9), at(10)));
    let claimed = futures::future::join_all(claims).await;
    let claimed: Vec<_> = claimed.into_iter().filter_map(Result::unwrap).collect();
    let mut ids: Vec<_> = claimed.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), claimed.len(), "nobody is claimed twice");
}

async fn erasures_are_listed_and_repeated(world: World) {
    for place in 0..3 {
        let user = world.add(user(&format!("u{place}@example.org"))).await;
        world.erase(&user).await;
        world
            .store
            .acknowledge_erasure(user.id, &[], at(10))
            .await
            .unwrap();
    }
    let first = world.store.list_erasures(None, 2).await.unwrap();
    let rest = world.store.list_erasures(first.last(), 2).await.unwrap();
    assert_eq!((first.len(), rest.len()), (2, 1));
    assert!(
        first
            .iter()
            .chain(&rest)
            .all(|one| one.acknowledged_at == Some(at(10)))
    );
    let repeat = async |after| world.store.repeat_erasures(after, at(11), 2).await.unwrap();
    let first = repeat(Uuid::nil()).await;
    let second = repeat(*first.iter().max().unwrap()).await;
    assert_eq!((first.len(), second.len()), (2, 1));
    assert!(second[0] > first[0] && second[0] > first[1]);
    assert!(repeat(second[0]).await.is_empty());
    assert_eq!(world.store.waiting_erasures().await.unwrap(), (3, Some(at(9))));
}

async fn the_heir_is_the_longest_serving_staff_user(world: World) {
    let heir = async || world.store.heir().await.unwrap().map(|user| user.username);
    assert_eq!(heir().await, None);
    world.add(user("oldest@example.org")).await;
    let joined = |minutes, user| User {
        date_joined: at(minutes),
        ..user
    };
    world.add(joined(2, staff("young@example.org"))).await;
    let old = world.add(joined(1, staff("old@example.org"))).await;
    let idle = User {
        is_active: false,
        ..staff("idle@example.org")
    };
    world.add(joined(0, idle)).await;
    assert_eq!(heir().await.as_deref(), Some("old@example.org"));
    world.erase(&old).await;
    assert_eq!(heir().await.as_deref(), Some("young@example.org"));
}

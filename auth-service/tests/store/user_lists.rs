//! Lists of users: their order, what a search finds, and pages that hold while users come.

use auth_service::{
    model::{
        profile::Profile,
        user::{User, UserOrder},
    },
    store::user::UserCursor,
};

use crate::{
    on_both,
    world::{World, at, user},
};

on_both!(
    the_four_orders,
    a_search_finds_words_in_any_order_and_case,
    a_search_is_taken_literally,
    pages_hold_while_users_come,
    pages_of_a_search,
);

fn cursor(user: &User) -> UserCursor {
    UserCursor {
        date_joined: user.date_joined,
        username_key: user.username.to_lowercase(),
        id: user.id,
    }
}

async fn add(world: &World, username: &str, first: &str, last: &str, minutes: i64) -> User {
    let profile = Profile {
        first_name: first.to_owned(),
        last_name: last.to_owned(),
        ..Profile::default()
    };
    let user = User {
        profile,
        date_joined: at(minutes),
        ..user(username)
    };
    world.add(user).await
}

async fn found(world: &World, search: &str) -> Vec<String> {
    let order = UserOrder::Username;
    let users = world.store.list_users(search, order, None, 100).await.unwrap();
    users.into_iter().map(|user| user.username).collect()
}

async fn the_four_orders(world: World) {
    for (username, minutes) in [("c@x.org", 0), ("a@x.org", 1), ("B@x.org", 2)] {
        add(&world, username, "", "", minutes).await;
    }
    for (order, expected) in [
        (UserOrder::Joined, ["c@x.org", "a@x.org", "B@x.org"]),
        (UserOrder::JoinedDescending, ["B@x.org", "a@x.org", "c@x.org"]),
        (UserOrder::Username, ["a@x.org", "B@x.org", "c@x.org"]),
        (UserOrder::UsernameDescending, ["c@x.org", "B@x.org", "a@x.org"]),
    ] {
        let users = world.store.list_users("", order, None, 10).await.unwrap();
        let names: Vec<_> = users.iter().map(|user| user.username.as_str()).collect();
        assert_eq!(names, expected, "{order:?}");
        let rest = world
            .store
            .list_users("", order, Some(&cursor(&users[0])), 1)
            .await
            .unwrap();
        assert_eq!(rest, users[1..2], "{order:?}");
        let last = world
            .store
            .list_users("", order, Some(&cursor(&users[2])), 10)
            .await;
        assert!(last.unwrap().is_empty(), "{order:?}");
    }
}

async fn a_search_finds_words_in_any_order_and_case(world: World) {
    add(&world, "ada@x.org", "Ada", "Lovelace", 0).await;
    add(&world, "grace@x.org", "Grace", "Hopper", 0).await;
    add(&world, "zoe@x.org", "ZOË", "Ünal", 0).await;
    for (search, expected) in [
        ("", &["ada@x.org", "grace@x.org", "zoe@x.org"][..]),
        ("  \t ", &["ada@x.org", "grace@x.org", "zoe@x.org"]),
        ("LOVE", &["ada@x.org"]),
        ("lovelace ada", &["ada@x.org"]),
        ("ada hopper", &[]),
        ("x.org", &["ada@x.org", "grace@x.org", "zoe@x.org"]),
        ("zoë ünal", &["zoe@x.org"]),
        ("ZOË", &["zoe@x.org"]),
        ("nobody", &[]),
    ] {
        assert_eq!(found(&world, search).await, expected, "{search:?}");
    }
}

async fn a_search_is_taken_literally(world: World) {
    add(&world, "a@x.org", "100%", "", 0).await;
    add(&world, "b@x.org", "under_score", "", 0).await;
    add(&world, "c@x.org", "back\\slash", "", 0).await;
    add(&world, "d@x.org", "quo'te\"", "[x]", 0).await;
    for (search, expected) in [
        ("%", &["a@x.org"][..]),
        ("100%", &["a@x.org"]),
        ("0%%", &[]),
        ("_", &["b@x.org"]),
        ("r_s", &["b@x.org"]),
        ("u_der", &[]),
        ("\\", &["c@x.org"]),
        ("k\\s", &["c@x.org"]),
        ("'", &["d@x.org"]),
        ("te\"", &["d@x.org"]),
        ("[x]", &["d@x.org"]),
        ("' OR 1=1 --", &[]),
        ("*", &[]),
    ] {
        assert_eq!(found(&world, search).await, expected, "{search:?}");
    }
}

/// Users join all the time, and three of them at the very same moment: every user who was there at the beginning
/// is seen once, in every order.
async fn pages_hold_while_users_come(world: World) {
    for order in [
        UserOrder::Joined,
        UserOrder::JoinedDescending,
        UserOrder::Username,
        UserOrder::UsernameDescending,
    ] {
        let tag = format!("{order:?}").to_lowercase();
        let mut there = Vec::new();
        for place in 0..9 {
            there.push(
                add(&world, &format!("{tag}{place}@x.org"), &tag, "", place / 3)
                    .await
                    .id,
            );
        }
        let mut seen: Vec<User> = Vec::new();
        let mut newcomers = 0;
        loop {
            let after = seen.last().map(cursor);
            let page = world
                .store
                .list_users(&tag, order, after.as_ref(), 2)
                .await
                .unwrap();
            if page.is_empty() {
                break;
            }
            seen.extend(page);
            // Some come before the place reached, some after it; the number that come is bounded.
            if newcomers < 4 {
                let username = format!("{tag}{newcomers}new@x.org");
                add(&world, &username, &tag, "", newcomers).await;
                newcomers += 1;
            }
        }
        let mut ids: Vec<_> = seen.iter().map(|user| user.id).collect();
        ids.retain(|id| there.contains(id));
        ids.sort();
        there.sort();
        assert_eq!(ids, there, "{order:?}");
        let mut all: Vec<_> = seen.iter().map(|user| user.id).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), seen.len(), "nobody is seen twice, {order:?}");
    }
}

async fn pages_of_a_search(world: World) {
    for place in 0..6 {
        let name = if place % 2 == 0 { "Even" } else { "Odd" };
        add(&world, &format!("u{place}@x.org"), name, "", place).await;
    }
    let order = UserOrder::JoinedDescending;
    let first = world.store.list_users("even", order, None, 2).await.unwrap();
    let rest = world
        .store
        .list_users("even", order, first.last().map(cursor).as_ref(), 2)
        .await
        .unwrap();
    let names = |users: &[User]| users.iter().map(|user| user.username.clone()).collect::<Vec<_>>();
    assert_eq!(names(&first), ["u4@x.org", "u2@x.org"]);
    assert_eq!(names(&rest), ["u0@x.org"]);
}

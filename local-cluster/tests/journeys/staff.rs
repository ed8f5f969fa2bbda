//! What staff can do with accounts, and what nobody else can.

use serde_json::{Value, json};

use crate::support::{PASSWORD, World, shape};

crate::on_every_ground!(
    staff_finds_and_pages_users,
    a_deactivated_user_is_refused_at_once_everywhere,
    rights_come_and_go_at_once_and_the_last_staff_user_stays,
);

const USERS: &str = "/api/v1/users";

async fn staff_finds_and_pages_users(world: &World) {
    let staff = world.staff().await;
    for name in ["ada", "bob", "eve_100%"] {
        world
            .register(&format!("{}@example.org", name.replace('%', "p")))
            .await;
    }
    let names = |page: &Value| -> Vec<String> {
        let users = shape::assert_page(page, "users", &shape::USER);
        users
            .iter()
            .map(|user| user["username"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = staff.get(USERS).await.is(200).json();
    assert_eq!(names(&all).len(), 4);
    assert_eq!(all["next_page_token"], "");

    let ordered = staff
        .get(&format!("{USERS}?order_by=username"))
        .await
        .is(200)
        .json();
    let expected = [
        "ada@example.org",
        "bob@example.org",
        "eve_100p@example.org",
        crate::support::STAFF,
    ];
    assert_eq!(names(&ordered), expected);
    let reversed = staff
        .get(&format!("{USERS}?order_by=username%20desc"))
        .await
        .is(200)
        .json();
    assert_eq!(
        names(&reversed),
        expected.iter().rev().copied().collect::<Vec<_>>()
    );

    for (search, found) in [
        ("BOB", &["bob@example.org"][..]),
        ("hopper", &[crate::support::STAFF]),
        ("eve_", &["eve_100p@example.org"]),
        // Signs that mean something to a database mean nothing here.
        ("%25", &[]),
        ("a_a", &[]),
        ("nobody", &[]),
    ] {
        let page = staff
            .get(&format!("{USERS}?search={search}"))
            .await
            .is(200)
            .json();
        assert_eq!(names(&page), found, "{search}");
    }

    let mut paged = Vec::new();
    let mut token = String::new();
    loop {
        let path = format!("{USERS}?order_by=username&page_size=3&page_token={token}");
        let page = staff.get(&path).await.is(200).json();
        paged.extend(names(&page));
        token = page["next_page_token"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
        // A token is good for the list it came from.
        let elsewhere = format!("{USERS}?order_by=username%20desc&page_token={token}");
        let sentence = "The page token is not valid for this list.";
        staff.get(&elsewhere).await.about(&[("page_token", sentence)]);
    }
    assert_eq!(paged, expected);
    let negative = staff.get(&format!("{USERS}?page_size=-1")).await;
    negative.about(&[("page_size", "The page size must not be negative.")]);
    let unknown = staff.get(&format!("{USERS}?order_by=password")).await;
    unknown.about(&[("order_by", "Users are ordered by date_joined or username.")]);
    staff.get(&format!("{USERS}?page_size=1000")).await.is(200);
}

async fn a_deactivated_user_is_refused_at_once_everywhere(world: &World) {
    let staff = world.staff().await;
    let ada = world.another_staff("ada").await;
    let path = format!("{USERS}/{}", ada.id());
    let read = staff.get(&path).await.is(200);
    read.has(&shape::USER);
    let etag = read.json()["etag"].as_str().unwrap().to_owned();
    ada.get("/api/v1/courses").await.is(200);

    let changed = staff
        .patch(&path, json!({"is_active": false}))
        .if_match(&etag)
        .await
        .is(200);
    assert_eq!(changed.json()["is_active"], false);
    for path in ["/api/v1/me", USERS] {
        let answer = ada.get(path).await;
        answer.refused(401, "TOKEN_INVALID", "The access token is not valid.");
    }
    ada.is_forgotten().await;
    let create = ada.post("/api/v1/courses", json!({})).await;
    create.refused(401, "TOKEN_INVALID", "The access token is not valid.");
    ada.try_refresh().await.is(401);
    let login = ada.try_login("ada@example.org", PASSWORD).await;
    login.refused(401, "INVALID_CREDENTIALS", "Invalid username/password");

    // A stale version changes nothing; a return to work gives back the account, not the sessions.
    let late = staff
        .patch(&path, json!({"is_active": true}))
        .if_match(&etag)
        .await;
    late.refused(
        412,
        "ETAG_MISMATCH",
        "It was changed in the meantime. Read it again.",
    );
    staff.patch(&path, json!({"is_active": true})).await.is(200);
    assert!(!ada.is_known().await);
    ada.login("ada@example.org", PASSWORD).await;
}

async fn rights_come_and_go_at_once_and_the_last_staff_user_stays(world: &World) {
    let staff = world.staff().await;
    let ada = world.user("ada").await;
    let denied = "Only administrators may do this.";
    ada.get(USERS).await.refused(403, "STAFF_REQUIRED", denied);
    let of_ada = format!("{USERS}/{}", ada.id());
    ada.get(&of_ada).await.refused(403, "STAFF_REQUIRED", denied);
    let promotion = json!({"is_staff": true});
    ada.patch(&of_ada, promotion.clone())
        .await
        .refused(403, "STAFF_REQUIRED", denied);

    // The token that ada has already carries identity, not rights.
    staff.patch(&of_ada, promotion).await.is(200);
    ada.get(USERS).await.is(200);
    staff
        .patch(&of_ada, json!({"is_staff": false, "first_name": "Ada"}))
        .await
        .is(200);
    ada.get(USERS).await.refused(403, "STAFF_REQUIRED", denied);
    assert_eq!(ada.get("/api/v1/me").await.json()["first_name"], "Ada");

    let own = format!("{USERS}/{}", staff.id());
    for body in [json!({"is_staff": false}), json!({"is_active": false})] {
        let refused = staff.patch(&own, body).await;
        let sentence = "The last active administrator cannot be demoted, deactivated or deleted.";
        let refused = refused.refused(400, "LAST_STAFF_USER", sentence);
        assert_eq!(refused.json()["code"], "FAILED_PRECONDITION");
    }
    for read_only in ["id", "username", "date_joined", "last_login", "etag"] {
        let value = staff.get(&own).await.json()[read_only].clone();
        let refused = staff.patch(&own, json!({read_only: value})).await.is(400);
        assert_eq!(refused.errors()[0].0, read_only, "{}", refused.body);
    }
    for nobody in ["x", "01900000-0000-7000-8000-000000000000"] {
        let path = format!("{USERS}/{nobody}");
        let sentence = "There is no such user.";
        staff.get(&path).await.refused(404, "NOT_FOUND", sentence);
        let patch = staff.patch(&path, json!({"is_staff": true})).await;
        patch.refused(404, "NOT_FOUND", sentence);
    }
}

//! A course: created as a draft, changed by its instructors, seen by everyone once it is published.

use serde_json::{Value, json};

use crate::support::{Caller, World, shape};

crate::on_every_ground!(
    a_course_goes_from_draft_to_everyone,
    prices_and_states_follow_their_rules,
    an_old_slug_leads_to_the_new_one,
    a_version_guards_a_course,
    a_repeated_creation_is_one_creation,
);

/// Where courses are.
pub const COURSES: &str = "/api/v1/courses";

/// A new course, complete and free.
pub fn titled(title: &str) -> Value {
    json!({"title": title, "description": "All of it.", "is_free": true})
}

/// Creates a course; its slug.
pub async fn created(staff: &Caller, title: &str) -> String {
    let course = staff.post(COURSES, titled(title)).await.is(201).json();
    course["slug"].as_str().unwrap().to_owned()
}

/// Creates a course that everyone sees; its slug.
pub async fn published(staff: &Caller, title: &str) -> String {
    let slug = created(staff, title).await;
    let body = json!({"is_published": true});
    staff.patch(&format!("{COURSES}/{slug}"), body).await.is(200);
    slug
}

async fn a_course_goes_from_draft_to_everyone(world: &World) {
    let (anonymous, staff, ada) = (world.anonymous(), world.staff().await, world.user("ada").await);
    let body = json!({
        "title": " Rust für Anfänger ", "subtitle": "From zero", "description": "# All\n\nof it.",
        "price": "10.9", "is_free": false,
    });
    let denied = "Must be logged in as administrator to create a course";
    anonymous
        .post(COURSES, body.clone())
        .await
        .refused(401, "TOKEN_REQUIRED", "Authentication is required.");
    ada.post(COURSES, body.clone())
        .await
        .refused(403, "STAFF_REQUIRED", denied);

    let made = staff.post(COURSES, body).await.is(201);
    made.has(&shape::COURSE);
    let course = made.json();
    assert_eq!(made.header("location"), Some("/api/v1/courses/rust-fur-anfanger"));
    assert_eq!(
        made.header("etag").map(|etag| etag.trim_matches('"')),
        course["etag"].as_str()
    );
    shape::assert_id(&course["id"]);
    shape::assert_time(&course["created_at"]);
    shape::assert_time(&course["updated_at"]);
    let me = staff.get("/api/v1/me").await.json();
    let expected = json!({
        "id": course["id"], "title": "Rust für Anfänger", "subtitle": "From zero", "slug": "rust-fur-anfanger",
        "description": "# All\n\nof it.", "price": "10.90", "currency": "USD", "is_free": false,
        "is_draft": true, "is_published": false, "is_archived": false,
        "instructors": [{
            "id": me["id"], "username": me["username"], "first_name": me["first_name"], "last_name": me["last_name"],
        }],
        "student_count": 0, "lecture_count": 0,
        "created_at": course["created_at"], "updated_at": course["updated_at"], "etag": course["etag"],
    });
    assert_eq!(course, expected);

    let path = "/api/v1/courses/rust-fur-anfanger";
    assert_eq!(staff.get(path).await.is(200).json(), course);
    for other in [&anonymous, &ada] {
        let hidden = other.get(path).await;
        hidden.refused(404, "COURSE_NOT_FOUND", "There is no such course.");
        assert_eq!(other.get(COURSES).await.json()["courses"], json!([]));
    }
    assert_eq!(staff.get(COURSES).await.json()["courses"], json!([course]));
    // What is not visible is not there, before anybody asks what is allowed.
    let hidden = ada.patch(path, json!({"title": "Mine"})).await;
    hidden.refused(404, "COURSE_NOT_FOUND", "There is no such course.");

    let published = staff
        .patch(path, json!({"is_published": true}))
        .await
        .is(200)
        .json();
    assert_eq!(
        [
            &published["is_draft"],
            &published["is_published"],
            &published["is_archived"]
        ],
        [false, true, false]
    );
    assert_eq!(published["created_at"], course["created_at"]);
    for other in [&anonymous, &ada, &staff] {
        assert_eq!(other.get(path).await.is(200).json(), published);
        assert_eq!(other.get(COURSES).await.json()["courses"], json!([published]));
    }
    anonymous.patch(path, json!({"title": "Mine"})).await.is(401);
    let denied = "Only an instructor of a course can update a course";
    let grace = world.another_staff("other").await;
    for other in [&ada, &grace] {
        let refused = other.patch(path, json!({"title": "Mine"})).await;
        refused.refused(403, "INSTRUCTOR_REQUIRED", denied);
    }
    staff.patch(path, json!({"is_archived": true})).await.is(200);
    anonymous.get(path).await.is(404);
}

async fn prices_and_states_follow_their_rules(world: &World) {
    let staff = world.staff().await;
    let create = |price: Value, is_free: Value| {
        let body = json!({"title": format!("{price} {is_free}"), "description": "x", "price": price, "is_free": is_free});
        staff.post(COURSES, body)
    };
    for (price, is_free, becomes) in [
        (json!("0.01"), json!(false), ("0.01", false)),
        (json!("999999.99"), json!(true), ("999999.99", false)),
        (json!("0"), json!(true), ("0.00", true)),
        (Value::Null, json!(true), ("0.00", true)),
        (json!("0.29"), Value::Null, ("0.29", false)),
    ] {
        let course = create(price, is_free).await.is(201).json();
        assert_eq!(
            (&course["price"], &course["is_free"]),
            (&json!(becomes.0), &json!(becomes.1))
        );
    }
    for (price, is_free) in [
        (json!("0"), json!(false)),
        (Value::Null, Value::Null),
        (json!(""), json!(false)),
    ] {
        let refused = create(price, is_free).await;
        refused.about(&[("price", "Course price is required")]);
    }
    for price in ["1e3", "-1", "1,5", "1.234", " 1", "NaN", "+1", "１"] {
        let refused = create(json!(price), json!(false)).await;
        let sentence = "Course price must be a number with at most two decimal places, such as 10.99";
        refused.about(&[("price", sentence)]);
    }
    let refused = create(json!("1000000"), json!(false)).await;
    refused.about(&[("price", "Course price must be at most 999999.99")]);
    let refused = create(json!(10.99), json!(false)).await;
    refused.about(&[("price", "This field must be a string.")]);

    let path = format!("{COURSES}/{}", created(&staff, "Changing").await);
    for (change, becomes) in [
        (json!({"price": "5"}), json!({"price": "5.00", "is_free": false})),
        (
            json!({"is_free": true}),
            json!({"price": "0.00", "is_free": true}),
        ),
        (
            json!({"price": "7.5", "is_free": true}),
            json!({"price": "7.50", "is_free": false}),
        ),
        (
            json!({"is_published": true}),
            json!({"is_draft": false, "is_published": true, "is_archived": false}),
        ),
        (
            json!({"is_archived": true}),
            json!({"is_draft": false, "is_published": false, "is_archived": true}),
        ),
        (
            json!({"is_draft": true}),
            json!({"is_draft": true, "is_published": false, "is_archived": false}),
        ),
    ] {
        let course = staff.patch(&path, change).await.is(200).json();
        for (key, value) in becomes.as_object().unwrap() {
            assert_eq!(&course[key], value, "{key}");
        }
    }
    let refused = staff.patch(&path, json!({"is_free": false, "price": "0"})).await;
    refused.about(&[("price", "Course price is required")]);
    for contradiction in [
        json!({"is_draft": true, "is_published": true}),
        json!({"is_draft": false, "is_published": false, "is_archived": false}),
    ] {
        let refused = staff.patch(&path, contradiction.clone()).await.is(400);
        let fields: Vec<_> = refused.errors().into_iter().map(|error| error.0).collect();
        let sent: Vec<_> = ["is_draft", "is_published", "is_archived"]
            .into_iter()
            .filter(|flag| contradiction.get(flag).is_some())
            .collect();
        assert_eq!(fields, sent);
    }
    let refused = staff
        .post(
            COURSES,
            json!({"title": "Born public", "description": "x", "is_free": true, "is_published": true}),
        )
        .await;
    refused.about(&[("is_published", "A new course is a draft.")]);
}

async fn an_old_slug_leads_to_the_new_one(world: &World) {
    let (anonymous, staff) = (world.anonymous(), world.staff().await);
    assert_eq!(created(&staff, "Привет, мир").await, "privet-mir");
    assert_eq!(created(&staff, "Rust!").await, "rust");
    assert_eq!(created(&staff, "Rust?").await, "rust-2");
    assert_eq!(published(&staff, "Rust.").await, "rust-3");

    let taken = staff
        .patch("/api/v1/courses/rust-3", json!({"slug": "rust"}))
        .await;
    taken.refused(409, "SLUG_TAKEN", "A course with this slug already exists");
    let bad = staff
        .patch("/api/v1/courses/rust-3", json!({"slug": "Rust 3"}))
        .await
        .is(400);
    assert_eq!(bad.errors()[0].0, "slug");
    let course = staff
        .patch("/api/v1/courses/rust-3", json!({"slug": "ferris"}))
        .await
        .is(200)
        .json();
    assert_eq!(course["slug"], "ferris");

    for (caller, path, place) in [
        (&anonymous, "/api/v1/courses/rust-3", "/api/v1/courses/ferris"),
        (
            &staff,
            "/api/v1/courses/rust-3/instructors?page_size=1",
            "/api/v1/courses/ferris/instructors?page_size=1",
        ),
    ] {
        let moved = caller.get(path).await;
        assert_eq!(moved.status, 308, "{}", moved.body);
        moved.assert_problem();
        assert_eq!(moved.header("location"), Some(place));
        assert_eq!(moved.json()["canonical_slug"], "ferris");
        assert_eq!(moved.json()["reason"], "SLUG_CHANGED");
        caller.get(place).await.is(200);
    }
    // 308 keeps the method: a change follows too, and was not made on the way.
    let moved = staff
        .patch("/api/v1/courses/rust-3", json!({"subtitle": "crab"}))
        .await;
    assert_eq!(
        (moved.status, moved.header("location")),
        (308, Some("/api/v1/courses/ferris"))
    );
    assert_eq!(staff.get("/api/v1/courses/ferris").await.json(), course);
    // A title does not change the slug, and an old slug is not given to another course.
    let renamed = staff
        .patch("/api/v1/courses/ferris", json!({"title": "Crabs"}))
        .await
        .is(200)
        .json();
    assert_eq!(renamed["slug"], "ferris");
    assert_eq!(created(&staff, "Rust 3").await, "rust-3-2");
    // The way back is open.
    staff
        .patch("/api/v1/courses/ferris", json!({"slug": "rust-3"}))
        .await
        .is(200);
    assert_eq!(anonymous.get("/api/v1/courses/ferris").await.status, 308);
    anonymous.get("/api/v1/courses/rust-3").await.is(200);
}

async fn a_version_guards_a_course(world: &World) {
    let (anonymous, staff) = (world.anonymous(), world.staff().await);
    let path = format!("{COURSES}/{}", published(&staff, "Rust").await);
    let read = anonymous.get(&path).await.is(200);
    let old = read.json()["etag"].as_str().unwrap().to_owned();
    assert_eq!(read.header("etag"), Some(format!("\"{old}\"").as_str()));
    anonymous.get(&path).if_none_match(&old).await.is(304).is_empty();

    let before = read.json();
    let after = staff
        .patch(&path, json!({"subtitle": "fast"}))
        .if_match(&old)
        .await
        .is(200)
        .json();
    assert_ne!(after["etag"], before["etag"]);
    let mut expected = before.clone();
    for changed in ["etag", "updated_at", "subtitle"] {
        expected[changed] = after[changed].clone();
    }
    assert_eq!(after, expected);
    let late = staff
        .patch(&path, json!({"subtitle": "slow"}))
        .if_match(&old)
        .await;
    late.refused(
        412,
        "ETAG_MISMATCH",
        "The course has been changed since; read it again.",
    );
    for never in ["W/\"r1\"", "\"\""] {
        let patch = |caller: &Caller, path: &str, body| caller.patch(path, body).header("if-match", never);
        let body = || json!({"subtitle": "slow"});
        patch(&anonymous, &path, body()).await.is(401);
        patch(&staff, "/api/v1/courses/nowhere", body()).await.is(404);
        patch(&staff, &path, json!({"title": ""})).await.is(400);
        patch(&staff, &path, body()).await.is(412);
    }
    anonymous.get(&path).if_none_match(&old).await.is(200);
    let cleared = staff.patch(&path, json!({"subtitle": null})).await.is(200).json();
    assert_eq!(cleared["subtitle"], Value::Null);
}

async fn a_repeated_creation_is_one_creation(world: &World) {
    let staff = world.staff().await;
    let create = |caller: &Caller, title: &str| caller.post(COURSES, titled(title)).once("key-1");
    let first = create(&staff, "Rust").await.is(201);
    let again = create(&staff, "Rust").await.is(201);
    assert_eq!(first.json(), again.json());
    assert_eq!(first.header("location"), again.header("location"));
    let sentence = "This idempotency key was used with other input.";
    create(&staff, "Go")
        .await
        .refused(422, "IDEMPOTENCY_KEY_REUSED", sentence);
    // A key is its caller's own.
    let other = world.another_staff("other").await;
    create(&other, "Go").await.is(201);
    let courses = staff.get(COURSES).await.json()["courses"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!(courses, 2);
    // A refused attempt leaves the key free for a better one.
    let body = json!({"title": "C"});
    staff.post(COURSES, body).once("key-2").await.is(400);
    staff.post(COURSES, titled("C")).once("key-2").await.is(201);
    let bad = staff.post(COURSES, titled("D")).once("two words").await;
    bad.about(&[(
        "Idempotency-Key",
        "The key must be one word of 1 to 255 visible ASCII characters.",
    )]);
}

#[tokio::test]
async fn everything_wrong_is_said_at_once() {
    let world = World::on_sqlite().await;
    let staff = world.staff().await;
    staff.post(COURSES, json!({})).await.about(&[
        ("title", "Course title is required"),
        ("description", "Course description is required"),
        ("price", "Course price is required"),
    ]);
    let wrong = json!({
        "title": "é".repeat(301), "subtitle": "x".repeat(301), "description": "x".repeat(30_001), "price": "x",
    });
    staff.post(COURSES, wrong.clone()).await.about(&[
        ("title", "Course title must have at most 300 characters"),
        ("subtitle", "Course subtitle must have at most 300 characters"),
        (
            "description",
            "Course description must have at most 30000 characters",
        ),
        (
            "price",
            "Course price must be a number with at most two decimal places, such as 10.99",
        ),
    ]);
    let limits = json!({
        "title": "é".repeat(300), "subtitle": "x".repeat(300), "description": "é".repeat(30_000), "price": "1",
    });
    let slug = staff.post(COURSES, limits).await.is(201).json()["slug"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(slug.len() <= 200);
    let path = format!("{COURSES}/{slug}");
    let errors = staff.patch(&path, wrong).await.is(400).errors();
    let fields: Vec<_> = errors.iter().map(|error| error.0).collect();
    assert_eq!(fields, ["title", "subtitle", "description", "price"]);

    let course = staff.get(&path).await.json();
    let read_only = [
        "id",
        "currency",
        "instructors",
        "student_count",
        "lecture_count",
        "created_at",
        "updated_at",
        "etag",
    ];
    for name in read_only {
        let refused = staff.patch(&path, json!({name: course[name]})).await.is(400);
        assert_eq!(refused.errors()[0].0, name, "{}", refused.body);
    }
    let unknown = staff
        .patch(&path, json!({"colour": "red", "title": null}))
        .await
        .is(400);
    let mut errors = unknown.errors();
    errors.sort_unstable();
    assert_eq!(
        errors,
        [
            ("colour", "This field is not known."),
            ("title", "This field must not be null.")
        ]
    );
    assert_eq!(staff.get(&path).await.json(), course);
}

#[tokio::test]
async fn a_title_is_taken_whatever_its_case() {
    let world = World::on_sqlite().await;
    let staff = world.staff().await;
    created(&staff, "Étude").await;
    let sentence = "A course with this title already exists";
    let taken = staff
        .post(COURSES, titled("éTUDE"))
        .await
        .refused(409, "TITLE_TAKEN", sentence);
    assert_eq!(taken.errors(), [("title", sentence)]);
    let other = format!("{COURSES}/{}", created(&staff, "Other").await);
    let taken = staff.patch(&other, json!({"title": "ÉTUDE"})).await;
    taken.refused(409, "TITLE_TAKEN", sentence);
    // One's own title in another case is no conflict.
    staff.patch(&other, json!({"title": "OTHER"})).await.is(200);
}

//! Who teaches a course: staff only, the first one first, never nobody.

use serde_json::{Value, json};

use crate::{
    course::{created, published},
    support::{World, shape},
};

crate::on_every_ground!(
    instructors_come_and_go_but_never_all,
    a_repeated_addition_is_one_addition,
);

async fn instructors_come_and_go_but_never_all(world: &World) {
    let (anonymous, staff) = (world.anonymous(), world.staff().await);
    let (ada, bob) = (world.another_staff("ada").await, world.user("bob").await);
    let course = format!("/api/v1/courses/{}", published(&staff, "Rust").await);
    let path = format!("{course}/instructors");
    let add = |id: &str| staff.post(&path, json!({"user_id": id}));

    let denied = "Only an instructor of a course can change its instructors";
    anonymous.post(&path, json!({"user_id": ada.id()})).await.is(401);
    for other in [&ada, &bob] {
        let refused = other.post(&path, json!({"user_id": ada.id()})).await;
        refused.refused(403, "INSTRUCTOR_REQUIRED", denied);
    }
    add(bob.id()).await.refused(
        403,
        "INSTRUCTOR_NOT_STAFF",
        "Instructors have to be administrators",
    );
    for (id, sentence) in [
        ("", "The user id is required"),
        ("x", "The user id must be a UUID"),
        ("01900000-0000-7000-8000-000000000000", "There is no such user"),
    ] {
        add(id).await.about(&[("user_id", sentence)]);
    }

    let added = add(ada.id()).await.is(201);
    added.has(&shape::INSTRUCTOR);
    assert_eq!(added.json()["username"], "ada@example.org");
    // Adding one who is there changes nothing.
    let before = staff.get(&course).await.json();
    add(ada.id()).await.is(201);
    assert_eq!(staff.get(&course).await.json(), before);

    let names = async || -> Vec<Value> {
        let page = anonymous.get(&path).await.is(200).json();
        let listed = shape::assert_page(&page, "instructors", &shape::INSTRUCTOR);
        let of_course = anonymous.get(&course).await.json()["instructors"].clone();
        assert_eq!(json!(listed), of_course);
        listed.iter().map(|one| one["id"].clone()).collect()
    };
    assert_eq!(names().await, [json!(staff.id()), json!(ada.id())]);
    let page = anonymous.get(&format!("{path}?page_size=1")).await.is(200).json();
    let next = format!(
        "{path}?page_size=1&page_token={}",
        page["next_page_token"].as_str().unwrap()
    );
    let last = anonymous.get(&next).await.is(200).json();
    assert_eq!(last["instructors"][0]["id"], ada.id());
    assert_eq!(last["next_page_token"], "");

    // Ada teaches now, and may even send the first one away.
    ada.patch(&course, json!({"subtitle": "by Ada"})).await.is(200);
    let remove = |id: &str| format!("{path}/{id}");
    ada.delete(&remove(staff.id())).await.is(204).is_empty();
    assert_eq!(names().await, [json!(ada.id())]);
    let refused = staff.patch(&course, json!({"subtitle": "mine"})).await;
    refused.refused(
        403,
        "INSTRUCTOR_REQUIRED",
        "Only an instructor of a course can update a course",
    );
    for nobody in [staff.id(), "x"] {
        let missing = ada.delete(&remove(nobody)).await;
        missing.refused(
            404,
            "INSTRUCTOR_NOT_FOUND",
            "The user does not teach this course.",
        );
    }
    let last = ada.delete(&remove(ada.id())).await;
    last.refused(
        400,
        "LAST_INSTRUCTOR",
        "The last instructor of a course cannot be removed.",
    );

    // An instructor who is no longer staff changes nothing, at once.
    let of_ada = format!("/api/v1/users/{}", ada.id());
    staff.patch(&of_ada, json!({"is_staff": false})).await.is(200);
    let refused = ada.patch(&course, json!({"subtitle": "still mine"})).await;
    refused.refused(
        403,
        "INSTRUCTOR_REQUIRED",
        "Only an instructor of a course can update a course",
    );
}

async fn a_repeated_addition_is_one_addition(world: &World) {
    let staff = world.staff().await;
    let (ada, bob) = (world.another_staff("ada").await, world.another_staff("bob").await);
    let course = format!("/api/v1/courses/{}", created(&staff, "Rust").await);
    let path = format!("{course}/instructors");
    let add = |id: &str| staff.post(&path, json!({"user_id": id})).once("key-1");
    let first = add(ada.id()).await.is(201).json();
    assert_eq!(add(ada.id()).await.is(201).json(), first);
    let reused = add(bob.id()).await;
    reused.refused(
        422,
        "IDEMPOTENCY_KEY_REUSED",
        "This idempotency key was used with other input.",
    );
    // The retry says what was done then, and does not do it again.
    staff.delete(&format!("{path}/{}", ada.id())).await.is(204);
    assert_eq!(add(ada.id()).await.is(201).json(), first);
    let course = staff.get(&course).await.json();
    assert_eq!(course["instructors"].as_array().unwrap().len(), 1);
}

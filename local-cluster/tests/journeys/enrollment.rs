//! A person and a course: enrolled at once or once somebody has paid, gone again, and never twice.

use serde_json::{Value, json};

use crate::{
    course::{COURSES, published},
    support::{Caller, PASSWORD, World, shape},
};

crate::on_every_ground!(
    a_person_comes_and_goes,
    a_payment_opens_a_course,
    an_archived_course_is_there_for_its_students,
    a_class_enrols_at_once,
);

/// A published course that costs something; its address.
async fn sold(staff: &Caller, title: &str) -> String {
    let course = json!({"title": title, "description": "All of it.", "price": "10.99"});
    let course = staff.post(COURSES, course).await.is(201).json();
    let path = format!("{COURSES}/{}", course["slug"].as_str().unwrap());
    staff.patch(&path, json!({"is_published": true})).await.is(200);
    path
}

async fn states(of: &Caller) -> Vec<(Value, Value)> {
    let page = of.get("/api/v1/me/enrollments").await.is(200).json();
    let listed = shape::assert_page(&page, "enrollments", &shape::ENROLLMENT);
    let one = |one: &Value| (one["course"]["slug"].clone(), one["state"].clone());
    listed.iter().map(one).collect()
}

async fn a_person_comes_and_goes(world: &World) {
    let (staff, ada) = (world.staff().await, world.user("ada").await);
    let course = format!("{COURSES}/{}", published(&staff, "Rust").await);
    let path = format!("{course}/enrollment");
    world.anonymous().post(&path, json!({})).await.is(401);
    world.anonymous().get("/api/v1/me/enrollments").await.is(401);
    let missing = ada.post(&format!("{COURSES}/none/enrollment"), json!({})).await;
    missing.refused(404, "COURSE_NOT_FOUND", "There is no such course.");
    let missing = ada.delete(&path).await;
    missing.refused(
        404,
        "ENROLLMENT_NOT_FOUND",
        "There is no such enrolment in this course.",
    );

    // The address says it all; there need be no body.
    let enrolled = ada.call(reqwest::Method::POST, &path).await.is(201);
    enrolled.has(&shape::ENROLLMENT);
    let first = enrolled.json();
    shape::assert_id(&first["id"]);
    shape::assert_time(&first["enrolled_at"]);
    assert_eq!(first["course"], json!({"slug": "rust", "title": "Rust"}));
    assert_eq!(
        first["student"],
        json!({"id": ada.id(), "username": "ada@example.org"})
    );
    assert_eq!(
        (&first["state"], &first["completed_at"], &first["price"]),
        (&json!("active"), &Value::Null, &json!("0.00"))
    );
    assert_eq!(ada.post(&path, json!({})).await.is(200).json(), first);
    assert_eq!(states(&ada).await, [(json!("rust"), json!("active"))]);
    assert_eq!(ada.get(&course).await.json()["student_count"], 1);

    let students = format!("{course}/students");
    let denied = "Only instructors and administrators can list the students of a course";
    ada.get(&students).await.refused(403, "STAFF_REQUIRED", denied);
    world.anonymous().get(&students).await.is(401);
    let page = staff.get(&students).await.is(200).json();
    assert_eq!(
        shape::assert_page(&page, "students", &shape::ENROLLMENT),
        std::slice::from_ref(&first)
    );

    ada.delete(&path).await.is(204).is_empty();
    ada.delete(&path).await.is(404);
    assert_eq!(states(&ada).await, [(json!("rust"), json!("cancelled"))]);
    assert_eq!(ada.get(&course).await.json()["student_count"], 0);
    let again = ada.post(&path, json!({})).await.is(201).json();
    assert_eq!(again["id"], first["id"]);

    // A call that is repeated because its answer was lost is answered as the first time: created.
    let cleo = world.user("cleo").await;
    for _ in 0..2 {
        cleo.post(&path, json!({})).once("a-key").await.is(201);
    }
    let other = format!("{COURSES}/{}/enrollment", published(&staff, "Go").await);
    cleo.post(&other, json!({})).once("a-key").await.is(422);
}

async fn a_payment_opens_a_course(world: &World) {
    let (staff, ada) = (world.staff().await, world.user("ada").await);
    let course = sold(&staff, "Rust").await;
    let enrolled = ada.post(&format!("{course}/enrollment"), json!({})).await.is(201);
    let pending = enrolled.json();
    assert_eq!(
        (&pending["state"], &pending["price"]),
        (&json!("pending"), &json!("10.99"))
    );
    let confirm = format!("{course}/students/{}/confirm", ada.id());
    let paid = json!({"payment_reference": "INV-1"});
    ada.post(&confirm, paid.clone()).await.refused(
        403,
        "STAFF_REQUIRED",
        "Only an administrator can confirm a payment",
    );
    staff
        .post(&confirm, json!({}))
        .await
        .about(&[("payment_reference", "The payment reference is required")]);
    let active = staff.post(&confirm, paid.clone()).await.is(200).json();
    assert_eq!(
        (&active["state"], &active["id"]),
        (&json!("active"), &pending["id"])
    );
    assert_eq!(staff.post(&confirm, paid.clone()).await.is(200).json(), active);
    let bob = world.user("bob").await;
    bob.post(&format!("{course}/enrollment"), json!({})).await.is(201);
    let taken = staff
        .post(&format!("{course}/students/{}/confirm", bob.id()), paid)
        .await;
    taken.refused(
        409,
        "PAYMENT_REFERENCE_USED",
        "This payment reference was used before",
    );
    assert_eq!(staff.get(&course).await.json()["student_count"], 1);
}

async fn an_archived_course_is_there_for_its_students(world: &World) {
    let (staff, ada, bob) = (
        world.staff().await,
        world.user("ada").await,
        world.user("bob").await,
    );
    let course = format!("{COURSES}/{}", published(&staff, "Rust").await);
    let other = format!("{COURSES}/{}", published(&staff, "Go").await);
    ada.post(&format!("{course}/enrollment"), json!({})).await.is(201);
    bob.post(&format!("{other}/enrollment"), json!({})).await.is(201);
    let seen = ada.get(&course).await.is(200);
    staff.patch(&course, json!({"is_archived": true})).await.is(200);
    let archived = ada.get(&course).await.is(200);
    assert_ne!(archived.header("etag"), seen.header("etag"));
    assert_eq!(archived.json()["is_archived"], true);
    for stranger in [&bob, &world.anonymous()] {
        stranger.get(&course).await.is(404);
    }
    bob.post(&format!("{course}/enrollment"), json!({})).await.is(404);
    let refused = staff.post(&format!("{course}/enrollment"), json!({})).await;
    refused.refused(
        400,
        "COURSE_NOT_OPEN",
        "Nobody can enrol in a course that is not published.",
    );
    ada.delete(&format!("{course}/enrollment")).await.is(204);
    ada.get(&course).await.is(404);
}

async fn a_class_enrols_at_once(world: &World) {
    let staff = world.staff().await;
    let course = format!("{COURSES}/{}", published(&staff, "Rust").await);
    let path = format!("{course}/enrollment");
    let mut class = Vec::new();
    for number in 0..12 {
        class.push(world.user(&format!("pupil-{number}")).await);
    }
    // Everybody clicks three times.
    let clicks = class.iter().flat_map(|pupil| [pupil; 3]);
    let answers =
        futures::future::join_all(clicks.map(async |pupil| pupil.post(&path, json!({})).await)).await;
    let with = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(201), with(200)), (12, 24), "{answers:?}");
    assert_eq!(staff.get(&course).await.json()["student_count"], 12);
    let page = staff
        .get(&format!("{course}/students?page_size=100"))
        .await
        .json();
    assert_eq!(page["students"].as_array().unwrap().len(), 12);
    // One of them leaves for good.
    let body = json!({"password": PASSWORD});
    class[0].delete("/api/v1/me").json(&body).await.is(204);
    let mut left = 12;
    for _ in 0..100 {
        left = staff.get(&course).await.json()["student_count"].as_i64().unwrap();
        if left == 11 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        world.clock.turn(chrono::TimeDelta::milliseconds(100));
    }
    assert_eq!(left, 11);
}

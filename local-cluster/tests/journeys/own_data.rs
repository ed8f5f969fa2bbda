//! People's own data: everything that is held about them, and that nothing of it is left once they are gone.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use test_support::rows;

use crate::{
    course::{created, published},
    support::{PASSWORD, STAFF, World, shape},
};

crate::on_every_ground!(
    a_teacher_reads_everything_and_goes_without_a_trace,
    an_account_is_deleted_with_its_password_alone,
    instructors_who_all_go_at_once_leave_every_course_an_instructor,
);

/// How long is waited before somebody is looked for again.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
const ME: &str = "/api/v1/me";

/// The rows of every table of both services that hold one of these texts.
async fn traces(world: &World, texts: &[&str]) -> Vec<String> {
    let mut urls = vec![
        world.ground.database_url("auth.db"),
        world.ground.database_url("course.db"),
    ];
    urls.dedup();
    let mut found = Vec::new();
    for url in urls {
        found.extend(rows::holding(&url, texts).await);
    }
    found
}

/// Waits until both services have forgotten somebody.
async fn forgotten(world: &World, texts: &[&str]) {
    let forgetting = async {
        while !traces(world, texts).await.is_empty() {
            tokio::time::sleep(BETWEEN_LOOKS).await;
            // What could not be told is told again by the clock.
            world.clock.turn(TimeDelta::from_std(BETWEEN_LOOKS).unwrap());
        }
    };
    if tokio::time::timeout(Duration::from_secs(60), forgetting)
        .await
        .is_err()
    {
        panic!("left of {texts:?}: {:#?}", traces(world, texts).await);
    }
}

async fn a_teacher_reads_everything_and_goes_without_a_trace(world: &World) {
    let root = world.staff().await;
    let ada = world.another_staff("ada.lovelace").await;
    let profile =
        json!({"first_name": "Ada-Zzyzx", "last_name": "Lovelace-Zzyzx", "bio": "Looms and numbers"});
    ada.patch(ME, profile).await.is(200);
    let alone = published(&ada, "Alone").await;
    let once = json!({"title": "Again", "description": "d", "is_free": true});
    ada.post("/api/v1/courses", once).once("a-key").await.is(201);
    let shared = created(&root, "Shared").await;
    let instructors = format!("/api/v1/courses/{shared}/instructors");
    root.post(&instructors, json!({"user_id": ada.id()}))
        .once("another-key")
        .await
        .is(201);
    let studied = published(&root, "Studied").await;
    let enrollment = format!("/api/v1/courses/{studied}/enrollment");
    ada.post(&enrollment, json!({})).once("third-key").await.is(201);
    ada.patch(ME, json!({"username": "ada.new@example.org"}))
        .await
        .is(200);
    world.mail_to("ada.lovelace@example.org").await;

    let export = ada.get("/api/v1/me/export").await.is(200);
    assert_eq!(export.header("cache-control"), Some("no-store"));
    let told = export.json();
    assert_eq!(told["profile"], ada.get(ME).await.json());
    shape::assert_time(&told["exported_at"]);
    let mut slugs: Vec<_> = told["courses_taught"]
        .as_array()
        .unwrap()
        .iter()
        .map(|course| course["slug"].as_str().unwrap())
        .collect();
    // The clock stands still.
    slugs.sort_unstable();
    assert_eq!(slugs, ["again", alone.as_str(), shared.as_str()]);
    assert_eq!(told["names_in_courses"]["username"], "ada.lovelace@example.org");
    let enrollments = told["enrollments"].as_array().unwrap();
    assert_eq!(
        (
            enrollments.len(),
            &enrollments[0]["course"]["slug"],
            &enrollments[0]["state"]
        ),
        (1, &json!(studied), &json!("active"))
    );
    assert_eq!(told["sessions"].as_array().unwrap().len(), 1);
    assert!(!told["mails"].as_array().unwrap().is_empty());
    let kinds: Vec<_> = told["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["kind"])
        .collect();
    assert!(kinds.contains(&&json!("staff_granted")), "{kinds:?}");
    assert_eq!(told["cut"], json!([]));

    let texts = [
        "ada.lovelace@example.org",
        "ada.new@example.org",
        "ada-zzyzx",
        "lovelace-zzyzx",
        "looms and numbers",
    ];
    for text in texts {
        assert!(
            !traces(world, &[text]).await.is_empty(),
            "{text} is found while it is there"
        );
    }

    ada.delete(ME)
        .json(&json!({"password": PASSWORD}))
        .await
        .is(204)
        .is_empty();

    // At once, and at services that remembered them as soon as they have heard of it.
    let known = ada.get(ME).await;
    known.refused(401, "TOKEN_INVALID", "The access token is not valid.");
    ada.is_forgotten().await;
    ada.try_refresh().await.is(401);
    let again = ada.delete(ME).json(&json!({"password": PASSWORD})).await;
    again.refused(401, "TOKEN_INVALID", "The access token is not valid.");
    ada.try_login("ada.lovelace@example.org", PASSWORD).await.is(401);
    forgotten(world, &texts).await;

    // Nothing is orphaned: whoever has administered the site for longest takes over, and is told.
    let taught_by = async |slug: &str| -> Vec<Value> {
        let course = root.get(&format!("/api/v1/courses/{slug}")).await.is(200).json();
        let instructors = course["instructors"].as_array().unwrap();
        instructors.iter().map(|one| one["username"].clone()).collect()
    };
    for slug in [alone.as_str(), "again", shared.as_str()] {
        assert_eq!(taught_by(slug).await, [STAFF], "{slug}");
    }
    let studied = root
        .get(&format!("/api/v1/courses/{studied}"))
        .await
        .is(200)
        .json();
    assert_eq!(studied["student_count"], 0);
    let mail = world.mail_to(STAFF).await;
    let subject = test_support::mail::subject(&mail);
    assert_eq!(subject.as_deref(), Some("Courses have come to you"));
    assert!(
        !test_support::mail::text(&mail)
            .unwrap()
            .to_lowercase()
            .contains("ada")
    );
    let path = format!("/api/v1/courses/{alone}");
    root.patch(&path, json!({"subtitle": "It goes on"})).await.is(200);
    root.get(&format!("/api/v1/users/{}", ada.id())).await.is(404);

    // The address is free, and whoever has it next sees nothing of before.
    let next = world.user("ada.lovelace").await;
    assert_ne!(next.id(), ada.id());
    let told = next.get("/api/v1/me/export").await.is(200).json();
    assert_eq!(
        (
            &told["courses_taught"],
            &told["names_in_courses"],
            &told["enrollments"]
        ),
        (&json!([]), &Value::Null, &json!([]))
    );
    assert_eq!(
        (&told["profile"]["bio"], &told["profile"]["is_staff"]),
        (&json!(""), &json!(false))
    );
}

async fn an_account_is_deleted_with_its_password_alone(world: &World) {
    let (root, ada) = (world.staff().await, world.user("ada").await);
    let required = [("password", "The password field is required")];
    ada.delete(ME).await.about(&required);
    ada.delete(ME).json(&json!({})).await.about(&required);
    ada.delete(ME)
        .json(&json!({"password": null}))
        .await
        .about(&required);
    ada.delete(ME)
        .json(&json!({"password": "wrong"}))
        .await
        .about(&[("password", "The password is wrong.")]);
    ada.delete(ME)
        .json(&json!({"pasword": PASSWORD}))
        .await
        .about(&[("pasword", "This field is not known.")]);
    ada.delete(&format!("{ME}?password={PASSWORD}"))
        .await
        .about(&[("password", "This parameter is not known.")]);
    world.anonymous().delete(ME).await.is(401);
    let sentence = "The last active administrator cannot be demoted, deactivated or deleted.";
    let last = root.delete(ME).json(&json!({"password": PASSWORD})).await;
    last.refused(400, "LAST_STAFF_USER", sentence);
    assert!(root.is_known().await && ada.is_known().await);
    ada.delete(ME).json(&json!({"password": PASSWORD})).await.is(204);
    assert!(!ada.is_known().await);
}

async fn instructors_who_all_go_at_once_leave_every_course_an_instructor(world: &World) {
    let root = world.staff().await;
    let mut teachers = Vec::new();
    for name in ["ann", "bob", "cleo"] {
        teachers.push(world.another_staff(name).await);
    }
    let mut slugs = Vec::new();
    for (place, teacher) in teachers.iter().enumerate() {
        let slug = created(teacher, &format!("Course {place}")).await;
        let path = format!("/api/v1/courses/{slug}/instructors");
        let other = &teachers[(place + 1) % teachers.len()];
        teacher.post(&path, json!({"user_id": other.id()})).await.is(201);
        slugs.push(slug);
    }
    let password = json!({"password": PASSWORD});
    let goes = teachers
        .iter()
        .map(|teacher| async { teacher.delete(ME).json(&password).await.is(204) });
    futures::future::join_all(goes).await;
    forgotten(world, &["ann@example.org", "bob@example.org", "cleo@example.org"]).await;
    for slug in slugs {
        let course = root.get(&format!("/api/v1/courses/{slug}")).await.is(200).json();
        assert_eq!(course["instructors"][0]["username"], STAFF, "{course}");
    }
}

//! A course is deleted with a second factor and comes back, through the whole system.

use chrono::TimeDelta;
use serde_json::json;

use crate::{
    course::{COURSES, published},
    factor,
    support::{Caller, World},
};

crate::on_every_ground!(a_course_is_deleted_with_a_fresh_second_factor_and_comes_back,);

async fn etag(caller: &Caller, path: &str) -> String {
    let answer = caller.get(path).await.is(200);
    answer.header("etag").expect("a version").to_owned()
}

async fn a_course_is_deleted_with_a_fresh_second_factor_and_comes_back(world: &World) {
    let staff = world.staff().await;
    let path = format!("{COURSES}/{}", published(&staff, "Rust for pupils").await);
    let version = etag(&staff, &path).await;
    let asked = staff.delete(&path).header("if-match", &version).await;
    factor::asks_for_a_fresh_factor(asked);
    // Whom it is not for is not asked for one.
    let denied = "Only an instructor of a course can delete a course";
    let ada = world.user("ada").await;
    ada.delete(&path)
        .await
        .refused(403, "INSTRUCTOR_REQUIRED", denied);
    world.anonymous().delete(&path).await.is(401);

    let (app, _) = factor::set_up(world, &staff).await;
    staff.delete(&path).header("if-match", &version).await.is(401);
    let fresh = factor::stepped_up(&staff, &factor::next(world, &app)).await;
    fresh.delete(&path).await.is(428);
    fresh.delete(&path).header("if-match", "\"r0\"").await.is(412);
    fresh.delete(&path).header("if-match", &version).await.is(204);
    for caller in [&world.anonymous(), &ada, &fresh] {
        caller.get(&path).await.is(404);
        let all = caller.get(COURSES).await.is(200).json();
        assert_eq!(all["courses"], json!([]));
    }
    fresh.delete(&path).header("if-match", &version).await.is(404);
    // Its title stays taken.
    let body = json!({"title": "Rust for pupils", "description": "Again.", "is_free": true});
    fresh.post(COURSES, body).await.is(409);

    let undelete = format!("{path}/undelete");
    fresh.post(&undelete, json!({})).await.is(428);
    staff
        .post(&undelete, json!({}))
        .header("if-match", &version)
        .await
        .is(401);
    let back = fresh
        .post(&undelete, json!({}))
        .header("if-match", &version)
        .await;
    assert_eq!(back.is(200).json()["is_published"], true);
    assert_eq!(
        world.anonymous().get(&path).await.is(200).json()["title"],
        "Rust for pupils"
    );

    // Five minutes later the same token is no longer enough.
    let version = etag(&staff, &path).await;
    world.clock.turn(TimeDelta::minutes(5) + TimeDelta::seconds(1));
    fresh.delete(&path).header("if-match", &version).await.is(401);
}

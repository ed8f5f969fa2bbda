//! The names of instructors follow auth-service, and only courses of those who changed are written.

use std::convert::Infallible;

use course_service::{domain::Error, model::course::Course};

use crate::{
    fake_auth::Mood,
    support::{Place, on_both},
    world::World,
};

on_both![
    changed_names_reach_every_course,
    nothing_is_written_while_nothing_changed,
    a_round_that_fails_is_made_up_for,
    old_names_that_come_late_are_noticed,
];

async fn changed_names_reach_every_course(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    let rust = ann.create("Rust").await.unwrap();
    ann.create("Go").await.unwrap();
    ann.add("go", bob.id).await.unwrap();
    let other = bob.create("C").await.unwrap();
    world
        .auth
        .change(ann.id, |user| user.first_name = "Anna".to_owned());
    assert_eq!(world.courses(place).refresh_names().await.unwrap(), 1);
    assert_eq!(ann.instructors("rust").await.unwrap(), ["Anna"]);
    assert_eq!(ann.instructors("go").await.unwrap(), ["Anna", "bob"]);
    assert_ne!(ann.get("rust").await.unwrap().etag, rust.etag);
    assert_eq!(ann.get("c").await.unwrap(), other);
}

async fn nothing_is_written_while_nothing_changed(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    let before = ann.create("Rust").await.unwrap();
    let courses = world.courses(place);
    for _ in 0..3 {
        assert_eq!(courses.refresh_names().await.unwrap(), 0);
    }
    assert_eq!(ann.get("rust").await.unwrap(), before);
}

async fn a_round_that_fails_is_made_up_for(place: &Place) {
    let world = World::at(place).await;
    let ann = world.staff("ann");
    ann.create("Rust").await.unwrap();
    world
        .auth
        .change(ann.id, |user| user.last_name = "Roe".to_owned());
    let courses = world.courses(place);
    for mood in [Mood::Unavailable, Mood::Distrustful, Mood::Broken] {
        world.auth.feel(mood);
        let failed = courses.refresh_names().await;
        assert!(matches!(failed, Err(Error::Auth(_))), "{failed:?}");
    }
    world.auth.feel(Mood::Well);
    assert_eq!(courses.refresh_names().await.unwrap(), 1);
    assert_eq!(ann.get("rust").await.unwrap().instructors[0].last_name, "Roe");
}

async fn old_names_that_come_late_are_noticed(place: &Place) {
    let world = World::at(place).await;
    let (ann, bob) = (world.staff("ann"), world.staff("bob"));
    ann.create("Rust").await.unwrap();
    let go = bob.create("Go").await.unwrap();
    let old = place.store.people(None, 10).await.unwrap();
    let mut old = old.into_iter().map(|known| known.person);
    let old = old.find(|person| person.id == ann.id).unwrap();
    world
        .auth
        .change(ann.id, |user| user.first_name = "Anna".to_owned());
    let courses = world.courses(place);
    assert_eq!(courses.refresh_names().await.unwrap(), 1);
    // Someone asked for her names before that, and only now writes them.
    let late = |course: &mut Course| {
        course.add_instructor(old);
        Ok::<_, Infallible>(())
    };
    let now = courses.clock.now();
    place
        .store
        .change(go.id.parse().unwrap(), None, now, late)
        .await
        .unwrap();
    assert_eq!(bob.instructors("go").await.unwrap(), ["bob", "ann"]);
    assert_eq!(courses.refresh_names().await.unwrap(), 0);
    assert_eq!(bob.instructors("go").await.unwrap(), ["bob", "Anna"]);
    let settled = bob.get("go").await.unwrap();
    courses.refresh_names().await.unwrap();
    assert_eq!(bob.get("go").await.unwrap(), settled);
}

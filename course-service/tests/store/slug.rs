//! A slug leads to one course for good, whoever wants it later.

use std::convert::Infallible;

use course_service::{model::course::Course, store::Changed};

use crate::{
    samples::{course, minute, read, slug, stored, title},
    support::{Place, on_both},
};

on_both![
    a_taken_slug_gets_a_number,
    the_smallest_free_number_is_taken,
    numbers_pass_over_slugs_that_were_chosen,
    a_former_slug_still_leads_to_its_course,
    a_former_slug_is_nobody_elses,
    a_course_can_go_back_to_a_former_slug,
    a_long_slug_keeps_its_length_with_a_number,
    a_number_never_follows_two_hyphens,
];

async fn to_slug(place: &Place, course: &Course, text: &str) -> Changed<Infallible> {
    let wanted = slug(text);
    let rule = |course: &mut Course| {
        course.slug = wanted;
        Ok(())
    };
    place
        .store
        .change(course.id, None, minute(1), rule)
        .await
        .unwrap()
}

async fn a_taken_slug_gets_a_number(place: &Place) {
    let mut slugs = Vec::new();
    for name in ["Rust", "Rust!", "Rust?", "¡Rust!"] {
        slugs.push(stored(&place.store, course(name)).await.slug.to_string());
    }
    assert_eq!(slugs, ["rust", "rust-2", "rust-3", "rust-4"]);
    assert_eq!(read(&place.store, "rust-3").await.unwrap().title, title("Rust?"));
}

async fn the_smallest_free_number_is_taken(place: &Place) {
    let mut slugs = Vec::new();
    for name in ["Rust", "Rust 2", "Rust!", "Rust 5", "Rust?", "Rust.", "Rust,"] {
        slugs.push(stored(&place.store, course(name)).await.slug.to_string());
    }
    let expected = ["rust", "rust-2", "rust-3", "rust-5", "rust-4", "rust-6", "rust-7"];
    assert_eq!(slugs, expected);
}

async fn numbers_pass_over_slugs_that_were_chosen(place: &Place) {
    for number in 2..120 {
        stored(&place.store, course(&format!("Rust {number}"))).await;
    }
    stored(&place.store, course("Rust")).await;
    for (number, punctuation) in (120..).zip(["!", "?", ".", ",", ";"]) {
        let numbered = stored(&place.store, course(&format!("Rust{punctuation}"))).await;
        assert_eq!(numbered.slug.as_str(), format!("rust-{number}"));
    }
}

async fn a_former_slug_still_leads_to_its_course(place: &Place) {
    let course = stored(&place.store, course("Rust")).await;
    assert!(matches!(
        to_slug(place, &course, "ferris").await,
        Changed::Done(_)
    ));
    let found = read(&place.store, "rust").await.unwrap();
    assert_eq!((found.id, found.slug.as_str()), (course.id, "ferris"));
}

async fn a_former_slug_is_nobody_elses(place: &Place) {
    let first = stored(&place.store, course("Rust")).await;
    to_slug(place, &first, "ferris").await;
    let second = stored(&place.store, course("Go")).await;
    for taken in ["rust", "ferris"] {
        let refused = to_slug(place, &second, taken).await;
        assert!(matches!(refused, Changed::SlugTaken), "{refused:?}");
    }
    assert_eq!(read(&place.store, "go").await, Some(second));
    assert_eq!(
        stored(&place.store, course("Rust!")).await.slug.as_str(),
        "rust-2"
    );
}

async fn a_course_can_go_back_to_a_former_slug(place: &Place) {
    let course = stored(&place.store, course("Rust")).await;
    to_slug(place, &course, "ferris").await;
    let back = to_slug(place, &course, "rust").await;
    assert!(
        matches!(back, Changed::Done(ref course) if course.slug.as_str() == "rust"),
        "{back:?}"
    );
    assert_eq!(read(&place.store, "ferris").await.unwrap().slug.as_str(), "rust");
}

async fn a_long_slug_keeps_its_length_with_a_number(place: &Place) {
    let name = "x".repeat(250);
    for number in 1..=11 {
        let course = stored(&place.store, course(&format!("{name}{}", "!".repeat(number)))).await;
        let expected = match number {
            1 => "x".repeat(200),
            2..=9 => format!("{}-{number}", "x".repeat(198)),
            _ => format!("{}-{number}", "x".repeat(197)),
        };
        assert_eq!(course.slug.as_str(), expected);
    }
}

async fn a_number_never_follows_two_hyphens(place: &Place) {
    let name = format!("{} {}", "x".repeat(197), "y".repeat(9));
    stored(&place.store, course(&name)).await;
    let taken = format!("{}-2", "x".repeat(197));
    stored(&place.store, course(&taken)).await;
    let third = stored(&place.store, course(&format!("{name}!"))).await;
    assert_eq!(third.slug.as_str(), format!("{}-3", "x".repeat(197)));
}

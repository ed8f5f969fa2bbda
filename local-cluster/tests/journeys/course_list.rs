//! Lists of courses: what is in them, in which order, page by page.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::{
    course::published,
    support::{World, shape},
};

crate::on_every_ground!(courses_are_found_filtered_ordered_and_paged);

const COURSES: &str = "/api/v1/courses";

fn titles(page: &Value) -> Vec<String> {
    let courses = shape::assert_page(page, "courses", &shape::COURSE);
    courses
        .iter()
        .map(|course| course["title"].as_str().unwrap().to_owned())
        .collect()
}

async fn courses_are_found_filtered_ordered_and_paged(world: &World) {
    let (anonymous, staff) = (world.anonymous(), world.staff().await);
    let other = world.another_staff("other").await;
    // Each is newer than the one before.
    let later = || world.clock.turn(TimeDelta::seconds(1));
    for title in ["Étude in C", "Baking bread", "Advanced Rust"] {
        published(&staff, title).await;
        later();
    }
    for (title, price) in [("Rust for beginners", "20"), ("Cheap tricks 100%", "9.5")] {
        let slug = published(&other, title).await;
        other
            .patch(
                &format!("{COURSES}/{slug}"),
                json!({"price": price, "subtitle": "with crabs"}),
            )
            .await
            .is(200);
        later();
    }
    staff
        .post(COURSES, crate::course::titled("Rust draft"))
        .await
        .is(201);

    let list = async |query: &str| titles(&anonymous.get(&format!("{COURSES}?{query}")).await.is(200).json());
    let newest = [
        "Cheap tricks 100%",
        "Rust for beginners",
        "Advanced Rust",
        "Baking bread",
        "Étude in C",
    ];
    assert_eq!(list("").await, newest);
    let staff_sees = titles(&staff.get(COURSES).await.json());
    assert_eq!(staff_sees[0], "Rust draft");
    assert_eq!(staff_sees.len(), 6);

    for (query, expected) in [
        (
            "order_by=created_at",
            &[
                "Étude in C",
                "Baking bread",
                "Advanced Rust",
                "Rust for beginners",
                "Cheap tricks 100%",
            ][..],
        ),
        (
            "order_by=title",
            &[
                "Advanced Rust",
                "Baking bread",
                "Cheap tricks 100%",
                "Étude in C",
                "Rust for beginners",
            ],
        ),
        (
            "order_by=title%20desc&is_free=true",
            &["Étude in C", "Baking bread", "Advanced Rust"],
        ),
        (
            "order_by=price&is_free=false",
            &["Cheap tricks 100%", "Rust for beginners"],
        ),
        (
            "order_by=price+desc&is_free=false",
            &["Rust for beginners", "Cheap tricks 100%"],
        ),
        ("search=rust", &["Rust for beginners", "Advanced Rust"]),
        ("search=RUST+crabs", &["Rust for beginners"]),
        ("search=etude", &["Étude in C"]),
        ("search=%C3%89TUDE", &["Étude in C"]),
        ("search=nothing+of+this", &[]),
        ("search=100%25", &["Cheap tricks 100%"]),
        ("search=%25", &["Cheap tricks 100%"]),
        ("search=_", &[]),
        (
            &format!("instructor={}", other.id()),
            &["Cheap tricks 100%", "Rust for beginners"],
        ),
        (
            &format!("instructor={}&search=rust", other.id()),
            &["Rust for beginners"],
        ),
    ] {
        assert_eq!(list(query).await, expected, "{query}");
    }

    for order in ["", "title", "title desc", "price", "created_at"] {
        let whole = list(&format!("order_by={}", order.replace(' ', "%20"))).await;
        let (mut paged, mut token) = (Vec::new(), String::new());
        loop {
            let path = format!(
                "{COURSES}?order_by={}&page_size=2&page_token={token}",
                order.replace(' ', "%20")
            );
            let page = anonymous.get(&path).await.is(200).json();
            paged.extend(titles(&page));
            token = page["next_page_token"].as_str().unwrap().to_owned();
            if token.is_empty() {
                break;
            }
            let elsewhere = format!(
                "{COURSES}?is_free=true&order_by={}&page_token={token}",
                order.replace(' ', "%20")
            );
            let sentence = "The page token is not valid for this list.";
            anonymous.get(&elsewhere).await.about(&[("page_token", sentence)]);
            // What staff sees is another list.
            let staff_list = format!(
                "{COURSES}?order_by={}&page_token={token}",
                order.replace(' ', "%20")
            );
            staff.get(&staff_list).await.about(&[("page_token", sentence)]);
        }
        assert_eq!(paged, whole, "{order}");
    }
}

#[tokio::test]
async fn a_bad_question_is_told_what_is_wrong_with_it() {
    let world = World::on_sqlite().await;
    let anonymous = world.anonymous();
    let order = "Courses can be ordered by created_at, title or price, with \" desc\" after it to reverse";
    for (query, field, sentence) in [
        ("page_size=-1", "page_size", "The page size must not be negative."),
        ("page_size=x", "page_size", "This field must be a whole number."),
        (
            "page_token=x",
            "page_token",
            "The page token is not valid for this list.",
        ),
        ("order_by=slug", "order_by", order),
        ("is_free=yes", "is_free", "This field must be true or false."),
        ("instructor=x", "instructor", "The instructor must be a user's id"),
        ("colour=red", "colour", "This parameter is not known."),
        ("search=a&search=b", "search", "This parameter is given twice."),
    ] {
        let refused = anonymous.get(&format!("{COURSES}?{query}")).await;
        refused.about(&[(field, sentence)]);
    }
}

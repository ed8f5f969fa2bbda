//! Lists have what their filter says, in their order, page after page without gaps or repeats.

use course_service::model::{
    course::Course,
    description::Description,
    listing::{Filter, Order, OrderBy},
    price::Price,
    search,
    state::State,
    subtitle::Subtitle,
};

use crate::{
    samples::{course, course_by, minute, nobody, person, stored},
    support::{Place, on_both},
};

on_both![
    every_order_pages_through_everything_once,
    searches_page_by_relevance,
    filters_leave_out_the_rest,
    searches_look_everywhere_without_case_and_accents,
    a_word_of_another_script_is_one_phrase,
    wildcards_mean_themselves,
    a_page_says_whether_there_is_another,
];

fn titles(courses: &[Course]) -> Vec<&str> {
    courses.iter().map(|course| course.title.as_str()).collect()
}

fn words(text: &str) -> Filter {
    Filter {
        words: search::words(text).unwrap(),
        ..Filter::default()
    }
}

/// Everything in this order, read in pages of this size.
async fn paged(place: &Place, filter: &Filter, order: Order, size: i64) -> Vec<Course> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = place.store.courses(filter, order, after, size).await.unwrap();
        assert!(page.courses.len() <= usize::try_from(size).unwrap());
        all.extend(page.courses);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

async fn found(place: &Place, filter: &Filter) -> Vec<String> {
    let mut found = titles(&paged(place, filter, Order::NEWEST, 100).await)
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    found.sort();
    found
}

async fn every_order_pages_through_everything_once(place: &Place) {
    // Many are equal in time and price, so that the id has to decide.
    for number in 0..23_i64 {
        let mut course = course(&format!("{} {number}", ["b", "Á", "c"][number as usize % 3]));
        course.created_at = minute(number / 5);
        course.price = Price::from_minor(number % 4 * 100).unwrap();
        if number % 2 == 0 {
            course.state = State::Published;
        }
        stored(&place.store, course).await;
    }
    for published_only in [false, true] {
        let filter = Filter {
            published_only,
            ..Filter::default()
        };
        for by in [OrderBy::CreatedAt, OrderBy::Title, OrderBy::Price] {
            for descending in [false, true] {
                let order = Order { by, descending };
                let all = paged(place, &filter, order, 100).await;
                assert_eq!(all.len(), if published_only { 12 } else { 23 });
                let key = |course: &Course| match by {
                    OrderBy::Title => (search::title_order(course), 0, course.id),
                    OrderBy::Price => (String::new(), course.price.minor(), course.id),
                    _ => (String::new(), course.created_at.timestamp(), course.id),
                };
                let mut sorted = all.clone();
                sorted.sort_by_key(key);
                if descending {
                    sorted.reverse();
                }
                assert_eq!(titles(&all), titles(&sorted), "{order:?}");
                for size in [1, 4, 12, 23] {
                    let pages = paged(place, &filter, order, size).await;
                    assert_eq!(titles(&pages), titles(&all), "{order:?} by {size}");
                }
            }
        }
    }
}

async fn searches_page_by_relevance(place: &Place) {
    for number in 0..6 {
        let mut course = course(&format!("Course {number}"));
        if number % 2 == 0 {
            course.title = crate::samples::title(&format!("Rust {number}"));
        } else {
            course.description = Description::parse("About RÚST.".to_owned()).unwrap();
        }
        course.created_at = minute(number);
        stored(&place.store, course).await;
    }
    let expected = ["Rust 4", "Rust 2", "Rust 0", "Course 5", "Course 3", "Course 1"];
    for size in [1, 2, 4, 6] {
        let pages = paged(place, &words("rust"), Order::BEST, size).await;
        assert_eq!(titles(&pages), expected, "by {size}");
    }
}

async fn filters_leave_out_the_rest(place: &Place) {
    let (ann, bob) = (person("ann"), person("bob"));
    for (who, name, price, state) in [
        (&ann, "a", "0", State::Draft),
        (&ann, "b", "1", State::Published),
        (&bob, "c", "0", State::Published),
        (&bob, "d", "1", State::Archived),
    ] {
        let mut course = course_by(who.clone(), name);
        course.price = Price::parse(price).unwrap();
        course.state = state;
        stored(&place.store, course).await;
    }
    let all = Filter::default();
    assert_eq!(found(place, &all).await, ["a", "b", "c", "d"]);
    let published = Filter {
        published_only: true,
        ..all.clone()
    };
    assert_eq!(found(place, &published).await, ["b", "c"]);
    assert_eq!(
        found(
            place,
            &Filter {
                is_free: Some(true),
                ..all.clone()
            }
        )
        .await,
        ["a", "c"]
    );
    assert_eq!(
        found(
            place,
            &Filter {
                is_free: Some(false),
                ..all.clone()
            }
        )
        .await,
        ["b", "d"]
    );
    let by_bob = Filter {
        instructor: Some(bob.id),
        ..all.clone()
    };
    assert_eq!(found(place, &by_bob).await, ["c", "d"]);
    let both = Filter {
        published_only: true,
        is_free: Some(true),
        ..by_bob
    };
    assert_eq!(found(place, &both).await, ["c"]);
    assert!(
        found(
            place,
            &Filter {
                instructor: Some(nobody()),
                ..all
            }
        )
        .await
        .is_empty()
    );
}

async fn searches_look_everywhere_without_case_and_accents(place: &Place) {
    let mut first = course("Étude des Systèmes");
    first.subtitle = Subtitle::parse("Привет").unwrap();
    first.description = Description::parse("C++ and\nmore".to_owned()).unwrap();
    stored(&place.store, first).await;
    stored(&place.store, course("Other")).await;
    for text in [
        "etude",
        "ÉTUDE",
        "systeme",
        "привет",
        "privet",
        "c++",
        "MORE",
        "systemes c++ privet",
    ] {
        assert_eq!(found(place, &words(text)).await, ["Étude des Systèmes"], "{text}");
    }
    for text in ["etude other", "missing", "and\u{0}nothing"] {
        assert!(found(place, &words(text)).await.is_empty(), "{text}");
    }
}

async fn a_word_of_another_script_is_one_phrase(place: &Place) {
    for name in ["零基础机器学习基础教程入门", "学习机器"] {
        stored(&place.store, course(name)).await;
    }
    let whole = found(place, &words("机器学习基础教程入门")).await;
    assert_eq!(whole, ["零基础机器学习基础教程入门"]);
    // The same characters in another order are another word.
    assert_eq!(
        found(place, &words("机器学习")).await,
        ["零基础机器学习基础教程入门"]
    );
    assert_eq!(found(place, &words("机器 学习")).await.len(), 2);
}

async fn wildcards_mean_themselves(place: &Place) {
    for name in ["100% Rust", "snake_case", "back\\slash", "plain"] {
        stored(&place.store, course(name)).await;
    }
    assert_eq!(found(place, &words("%")).await, ["100% Rust"]);
    assert_eq!(found(place, &words("e_c")).await, ["snake_case"]);
    assert_eq!(found(place, &words("k\\s")).await, ["back\\slash"]);
    assert!(found(place, &words("p%n")).await.is_empty());
}

async fn a_page_says_whether_there_is_another(place: &Place) {
    for name in ["a", "b"] {
        stored(&place.store, course(name)).await;
    }
    let page = |size| place.store.courses(&EVERYTHING, Order::NEWEST, None, size);
    assert!(page(1).await.unwrap().next.is_some());
    assert!(page(2).await.unwrap().next.is_none());
    assert!(page(3).await.unwrap().next.is_none());
}

static EVERYTHING: Filter = Filter {
    published_only: false,
    is_free: None,
    instructor: None,
    words: Vec::new(),
};

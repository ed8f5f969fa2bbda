//! Courses and people to store.

use chrono::{DateTime, TimeDelta, Utc};
use course_service::{
    model::{
        course::Course,
        currency::Currency,
        description::Description,
        instructor::{Instructor, Person},
        price::Price,
        slug::Slug,
        state::State,
        title::Title,
    },
    store::{Created, Store},
};
use service_runtime::entropy::Entropy;
use uuid::Uuid;

/// A minute of the day that every sample is from.
pub fn minute(minute: i64) -> DateTime<Utc> {
    "2026-01-01T00:00:00.000001Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minute)
}

pub fn person(name: &str) -> Person {
    Person {
        id: Entropy::default().new_id(minute(0)).unwrap(),
        username: format!("{name}@example.org"),
        first_name: name.to_owned(),
        last_name: "O'Neill \u{1f980}".to_owned(),
    }
}

pub fn slug(text: &str) -> Slug {
    Slug::parse(text).unwrap()
}

pub fn title(text: &str) -> Title {
    Title::parse(text).unwrap()
}

/// A draft by somebody, created in the first minute.
pub fn course(name: &str) -> Course {
    course_by(person("ann"), name)
}

pub fn course_by(person: Person, name: &str) -> Course {
    let title = title(name);
    Course {
        id: Entropy::default().new_id(minute(0)).unwrap(),
        slug: Slug::from_title(&title),
        title,
        subtitle: None,
        description: Description::parse("All of it.\n\n* 'quoted' \"twice\"".to_owned()).unwrap(),
        price: Price::parse("10.99").unwrap(),
        currency: Currency::parse("USD").unwrap(),
        state: State::Draft,
        instructors: vec![Instructor { person, position: 1 }],
        student_count: 0,
        created_at: minute(0),
        updated_at: minute(0),
        deleted_at: None,
        revision: 1,
    }
}

/// Stores a course that nothing stands in the way of.
pub async fn stored(store: &Store, course: Course) -> Course {
    match store.create(course, None, minute(0)).await.unwrap() {
        Created::Done(course) => *course,
        other => panic!("{other:?}"),
    }
}

/// The course of this id as it is stored.
pub async fn read(store: &Store, slug_text: &str) -> Option<Course> {
    store.course(&slug(slug_text)).await.unwrap()
}

/// An id that nothing has.
pub fn nobody() -> Uuid {
    Entropy::default().new_id(minute(9)).unwrap()
}

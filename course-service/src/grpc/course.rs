//! Courses as messages.

use prost_types::{FieldMask, Timestamp};
use proto::course::v1::{Course as Message, CreateCourseRequest, ListCoursesRequest, ListCoursesResponse};

use super::{instructor, mask};
use crate::{
    domain::{CoursesPage, Query, draft::NewCourse, patch::Edit},
    model::{
        course::Course,
        state::{Flags, State},
    },
};

/// A course as message.
pub(super) fn encode(course: Course) -> Message {
    Message {
        etag: course.etag(),
        id: course.id.to_string(),
        title: course.title.as_str().to_owned(),
        subtitle: course.subtitle.map(|subtitle| subtitle.as_str().to_owned()),
        slug: course.slug.to_string(),
        description: course.description.as_str().to_owned(),
        price: course.price.to_string(),
        currency: course.currency.as_str().to_owned(),
        is_free: course.price.is_free(),
        is_draft: course.state == State::Draft,
        is_published: course.state == State::Published,
        is_archived: course.state == State::Archived,
        instructors: course.instructors.into_iter().map(instructor::encode).collect(),
        student_count: i32::try_from(course.student_count).unwrap_or(i32::MAX),
        lecture_count: 0,
        created_at: Some(timestamp(course.created_at)),
        updated_at: Some(timestamp(course.updated_at)),
    }
}

/// A page of courses as message.
pub(super) fn encode_page(page: CoursesPage) -> ListCoursesResponse {
    ListCoursesResponse {
        courses: page.courses.into_iter().map(encode).collect(),
        next_page_token: page.next_page_token,
    }
}

/// What a list request asks for.
pub(super) fn query(message: ListCoursesRequest) -> Query {
    Query {
        search: message.search,
        order_by: message.order_by,
        is_free: message.is_free,
        instructor: message.instructor,
        page_size: message.page_size,
        page_token: message.page_token,
    }
}

/// What a create request brings, and its request id.
pub(super) fn new_course(message: CreateCourseRequest) -> (NewCourse, String) {
    let typed = NewCourse {
        title: message.title,
        subtitle: message.subtitle,
        description: message.description,
        price: message.price,
        is_free: message.is_free,
        flags: Flags {
            is_draft: message.is_draft,
            is_published: message.is_published,
            is_archived: message.is_archived,
        },
    };
    (typed, message.request_id)
}

/// What an update request changes: the fields in its mask.
pub(super) fn edit(course: Option<Message>, update_mask: Option<FieldMask>) -> Edit {
    let course = course.unwrap_or_default();
    let mask = match mask::read(update_mask) {
        Ok(mask) => mask,
        Err(faults) => {
            return Edit {
                faults,
                ..Edit::default()
            };
        }
    };
    let has = |field: &str| mask.iter().any(|path| path == field);
    Edit {
        title: has("title").then_some(course.title),
        subtitle: has("subtitle").then_some(course.subtitle.unwrap_or_default()),
        slug: has("slug").then_some(course.slug),
        description: has("description").then_some(course.description),
        price: has("price").then_some(course.price),
        is_free: has("is_free").then_some(course.is_free),
        flags: Flags {
            is_draft: has("is_draft").then_some(course.is_draft),
            is_published: has("is_published").then_some(course.is_published),
            is_archived: has("is_archived").then_some(course.is_archived),
        },
        faults: mask::faults(&mask),
    }
}

pub(super) fn timestamp(time: chrono::DateTime<chrono::Utc>) -> Timestamp {
    Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or(0),
    }
}

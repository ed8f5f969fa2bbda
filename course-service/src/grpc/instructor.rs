//! Instructors as messages.

use proto::course::v1::{Instructor as Message, ListInstructorsResponse};

use crate::{
    domain::InstructorsPage,
    model::instructor::{Instructor, Person},
};

/// An instructor as message.
pub(super) fn encode(instructor: Instructor) -> Message {
    encode_person(instructor.person)
}

/// A person as message.
pub(super) fn encode_person(person: Person) -> Message {
    Message {
        id: person.id.to_string(),
        username: person.username,
        first_name: person.first_name,
        last_name: person.last_name,
    }
}

/// A page of instructors as message.
pub(super) fn encode_page(page: InstructorsPage) -> ListInstructorsResponse {
    ListInstructorsResponse {
        instructors: page.instructors.into_iter().map(encode).collect(),
        next_page_token: page.next_page_token,
    }
}

//! A new course, read from what its author typed: everything that is wrong with it is said at once.

use serde::Serialize;
use service_runtime::field::FieldError;

use super::pricing::{self, Wish};
use crate::model::{
    description::Description,
    field::noted,
    price::Price,
    state::{Flags, State},
    subtitle::Subtitle,
    title::Title,
};

/// What the author typed. Its serialised form is what a retry has to repeat.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NewCourse {
    /// The title.
    pub title: String,
    /// The subtitle.
    pub subtitle: Option<String>,
    /// The description.
    pub description: String,
    /// The price as a decimal; blank for none.
    pub price: String,
    /// Whether it is to be free.
    pub is_free: bool,
    /// The flags; a new course is a draft, so they can only say so.
    pub flags: Flags,
}

/// A new course that can be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The title.
    pub title: Title,
    /// The subtitle, if it has one.
    pub subtitle: Option<Subtitle>,
    /// The description.
    pub description: Description,
    /// The price; zero is free.
    pub price: Price,
}

impl Draft {
    /// Reads a new course.
    ///
    /// # Errors
    /// Every field that cannot be used.
    pub fn parse(typed: NewCourse) -> Result<Self, Vec<FieldError>> {
        let mut faults = Vec::new();
        let title = noted(&mut faults, "title", Title::parse(&typed.title));
        let subtitle = noted(
            &mut faults,
            "subtitle",
            Subtitle::parse(typed.subtitle.as_deref().unwrap_or_default()),
        );
        let description = noted(&mut faults, "description", Description::parse(typed.description));
        let price = noted(&mut faults, "price", read_price(&typed.price)).and_then(|price| {
            let wish = Wish {
                price: Some(price),
                is_free: Some(typed.is_free),
            };
            noted(&mut faults, "price", pricing::settle(None, wish))
        });
        for (name, about, flag) in typed.flags.sent() {
            if flag != (about == State::Draft) {
                faults.push(FieldError::new(name, "A new course is a draft."));
            }
        }
        match (title, subtitle, description, price) {
            (Some(title), Some(subtitle), Some(description), Some(price)) if faults.is_empty() => Ok(Self {
                title,
                subtitle,
                description,
                price,
            }),
            _ => Err(faults),
        }
    }
}

/// A typed price; blank is none, which counts as zero.
pub(super) fn read_price(text: &str) -> Result<Price, crate::model::price::BadPrice> {
    if text.is_empty() {
        Ok(Price::FREE)
    } else {
        Price::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed() -> NewCourse {
        NewCourse {
            title: "Rust".into(),
            description: "All of it.".into(),
            price: "10.99".into(),
            ..NewCourse::default()
        }
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let faults = Draft::parse(NewCourse {
            subtitle: Some("x".repeat(301)),
            flags: Flags {
                is_published: Some(true),
                ..Flags::default()
            },
            ..NewCourse::default()
        });
        let said: Vec<_> = faults
            .unwrap_err()
            .into_iter()
            .map(|fault| (fault.field, fault.message))
            .collect();
        let expected = [
            ("title", "Course title is required"),
            ("subtitle", "Course subtitle must have at most 300 characters"),
            ("description", "Course description is required"),
            ("price", "Course price is required"),
            ("is_published", "A new course is a draft."),
        ];
        assert_eq!(
            said,
            expected.map(|(field, message)| (field.to_owned(), message.to_owned()))
        );
    }

    #[test]
    fn flags_may_say_that_it_is_a_draft() {
        let flags = Flags {
            is_draft: Some(true),
            is_published: Some(false),
            is_archived: Some(false),
        };
        assert!(Draft::parse(NewCourse { flags, ..typed() }).is_ok());
        let flags = Flags {
            is_draft: Some(false),
            ..Flags::default()
        };
        assert!(Draft::parse(NewCourse { flags, ..typed() }).is_err());
    }

    #[test]
    fn a_bad_price_is_one_fault_even_of_a_free_course() {
        let faults = Draft::parse(NewCourse {
            price: "1e3".into(),
            is_free: true,
            ..typed()
        })
        .unwrap_err();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].field, "price");
    }
}

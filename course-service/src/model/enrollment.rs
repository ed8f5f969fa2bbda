//! A person in a course: waiting for a payment to be confirmed, a student, or gone again.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{currency::Currency, price::Price, slug::Slug, title::Title};

/// How far an enrolment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrollmentState {
    /// A payment is to be confirmed first.
    Pending,
    /// The person is a student of the course.
    Active,
    /// The person has left.
    Cancelled,
}

impl EnrollmentState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Active, Self::Cancelled];

    /// The state in which an enrolment begins at this price.
    pub const fn first(price: Price) -> Self {
        if price.is_free() {
            Self::Active
        } else {
            Self::Pending
        }
    }

    /// The word it is stored as.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state that a stored word means.
    pub(crate) fn stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// How many students it makes: a course counts those who are active.
    pub const fn students(self) -> i64 {
        match self {
            Self::Active => 1,
            Self::Pending | Self::Cancelled => 0,
        }
    }
}

/// An enrolment. A person has one in a course at the most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrollment {
    /// UUIDv7.
    pub id: Uuid,
    /// The course's slug, as it is now.
    pub slug: Slug,
    /// The course's title, as it is now.
    pub title: Title,
    /// Who is enrolled.
    pub student_id: Uuid,
    /// How far it is.
    pub state: EnrollmentState,
    /// What the course cost when they enrolled.
    pub price: Price,
    /// In what it cost that.
    pub currency: Currency,
    /// When they enrolled, the last time.
    pub enrolled_at: DateTime<Utc>,
    /// When the state last changed.
    pub updated_at: DateTime<Utc>,
}

/// Whether an enrolment began with this call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsNew(pub bool);

/// The place of an enrolment in a list: they come the newest first.
pub type Cursor = (DateTime<Utc>, Uuid);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_words_are_read_back() {
        for state in EnrollmentState::ALL {
            assert_eq!(EnrollmentState::stored(state.as_str()), Some(state));
        }
        assert_eq!(EnrollmentState::stored("done"), None);
    }

    #[test]
    fn what_costs_nothing_begins_at_once() {
        assert_eq!(EnrollmentState::first(Price::FREE), EnrollmentState::Active);
        assert_eq!(
            EnrollmentState::first(Price::from_minor(1).unwrap()),
            EnrollmentState::Pending
        );
    }
}

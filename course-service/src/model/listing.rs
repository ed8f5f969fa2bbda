//! Which courses a list has, in which order, and where one page ends and the next begins.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::course::Course;

/// Which courses a list has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Filter {
    /// Only published courses.
    pub published_only: bool,
    /// Only free courses, or only paid ones.
    pub is_free: Option<bool>,
    /// Only courses that this user teaches.
    pub instructor: Option<Uuid>,
    /// Only courses in whose text all these folded words and phrases occur.
    pub words: Vec<String>,
}

/// In which order a list is. Courses that are equal in it follow their ids in the same direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Order {
    /// What decides.
    pub by: OrderBy,
    /// From the largest to the smallest.
    pub descending: bool,
}

/// What decides the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum OrderBy {
    /// When the course was created.
    CreatedAt,
    /// The title, without case and accents.
    Title,
    /// What it costs.
    Price,
    /// Whether the words searched for are all in the title, then when it was created.
    Relevance,
}

/// An order that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Courses can be ordered by created_at, title or price, with \" desc\" after it to reverse")]
pub struct BadOrder;

impl Order {
    /// The newest first.
    pub const NEWEST: Self = Self {
        by: OrderBy::CreatedAt,
        descending: true,
    };
    /// The best matches of a search first.
    pub const BEST: Self = Self {
        by: OrderBy::Relevance,
        descending: true,
    };

    /// Reads `created_at`, `title` or `price`, each with ` desc` after it or not.
    ///
    /// # Errors
    /// [`BadOrder`], in words for the caller.
    pub fn parse(text: &str) -> Result<Self, BadOrder> {
        let (name, descending) = match text.strip_suffix(" desc") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let by = match name {
            "created_at" => OrderBy::CreatedAt,
            "title" => OrderBy::Title,
            "price" => OrderBy::Price,
            _ => return Err(BadOrder),
        };
        Ok(Self { by, descending })
    }
}

/// Where a page ends: the place of its last course in the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cursor {
    /// In the order of creation.
    CreatedAt(DateTime<Utc>, Uuid),
    /// In the order of titles.
    Title(String, Uuid),
    /// In the order of prices, in minor units.
    Price(i64, Uuid),
    /// In the order of relevance.
    Relevance(i64, DateTime<Utc>, Uuid),
}

/// One page of courses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its courses.
    pub courses: Vec<Course>,
    /// Where the next one begins; `None` on the last.
    pub next: Option<Cursor>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_the_contract_writes_them() {
        assert_eq!(Order::parse("created_at desc"), Ok(Order::NEWEST));
        assert_eq!(
            Order::parse("price"),
            Ok(Order {
                by: OrderBy::Price,
                descending: false
            })
        );
        for text in [
            "",
            "id",
            "title asc",
            "title DESC",
            " title",
            "title  desc",
            "desc",
            "price,title",
            "title desc desc",
        ] {
            assert_eq!(Order::parse(text), Err(BadOrder), "{text:?}");
        }
    }
}

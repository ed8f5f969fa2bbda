//! Lists of courses: published ones for everyone, all of them for staff, best matches or newest first.

use service_runtime::page_token::page_size;
use uuid::Uuid;

use super::{Call, Courses, Error};
use crate::model::{
    course::Course,
    field::noted,
    listing::{BadOrder, Cursor, Filter, Order},
    search, user_id,
};

/// Which courses a caller wants to see.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Words to find; blank for all courses.
    pub search: String,
    /// The order by its name; blank for the usual one.
    pub order_by: String,
    /// Only free courses, or only paid ones.
    pub is_free: Option<bool>,
    /// Only courses that the user with this id teaches; blank for all.
    pub instructor: String,
    /// How many; 0 for the usual number.
    pub page_size: i32,
    /// Where to go on; blank for the beginning.
    pub page_token: String,
}

/// One page of courses.
#[derive(Debug, Clone)]
pub struct CoursesPage {
    /// The courses of this page.
    pub courses: Vec<Course>,
    /// The token of the next page; empty on the last.
    pub next_page_token: String,
}

impl Courses {
    /// A page of courses.
    ///
    /// # Errors
    /// [`Error::Fields`].
    pub async fn list(&self, call: &Call, query: Query) -> Result<CoursesPage, Error> {
        let mut faults = Vec::new();
        let words = noted(&mut faults, "search", search::words(&query.search)).unwrap_or_default();
        let order = noted(&mut faults, "order_by", read_order(&query.order_by, &words));
        let instructor = noted(&mut faults, "instructor", read_instructor(&query.instructor));
        let size = noted(&mut faults, "page_size", page_size(query.page_size));
        let (Some(order), Some(instructor), Some(size), true) = (order, instructor, size, faults.is_empty())
        else {
            return Err(Error::Fields(faults));
        };
        let filter = Filter {
            published_only: call.sees_published_only(),
            is_free: query.is_free,
            instructor,
            words,
        };
        let scope = ("courses", &filter, order);
        let Some(after) = noted(
            &mut faults,
            "page_token",
            self.page_tokens.decode::<Cursor>(&scope, &query.page_token),
        ) else {
            return Err(Error::Fields(faults));
        };
        let page = self.store.courses(&filter, order, after, size).await?;
        let next_page_token = page
            .next
            .map_or_else(String::new, |next| self.page_tokens.encode(&scope, &next));
        Ok(CoursesPage {
            courses: page.courses,
            next_page_token,
        })
    }
}

fn read_order(text: &str, words: &[String]) -> Result<Order, BadOrder> {
    match text {
        "" if words.is_empty() => Ok(Order::NEWEST),
        "" => Ok(Order::BEST),
        _ => Order::parse(text),
    }
}

fn read_instructor(text: &str) -> Result<Option<Uuid>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    user_id::parse(text)
        .map(Some)
        .map_err(|_| "The instructor must be a user's id")
}

//! Lists, a page at a time.

use serde::{Serialize, de::DeserializeOwned};
use service_runtime::page_token::page_size;

use super::{Courses, Error};
use crate::model::field::noted;

impl Courses {
    /// How many of a list are asked for, and after which one.
    ///
    /// # Errors
    /// [`Error::Fields`].
    pub(super) fn asked_page<C: DeserializeOwned>(
        &self,
        scope: &impl Serialize,
        size: i32,
        page_token: &str,
    ) -> Result<(i64, Option<C>), Error> {
        let mut faults = Vec::new();
        let size = noted(&mut faults, "page_size", page_size(size));
        let after = noted(
            &mut faults,
            "page_token",
            self.page_tokens.decode(scope, page_token),
        );
        match (size, after) {
            (Some(size), Some(after)) => Ok((size, after)),
            _ => Err(Error::Fields(faults)),
        }
    }

    /// Cuts a list that was read one too far, and makes the token of the next page; empty on the last.
    pub(super) fn cut_page<T, C: Serialize>(
        &self,
        scope: &impl Serialize,
        items: &mut Vec<T>,
        size: i64,
        cursor: impl FnOnce(&T) -> C,
    ) -> String {
        let size = usize::try_from(size).unwrap_or(0);
        if items.len() <= size {
            return String::new();
        }
        items.truncate(size);
        let last = items.last().map(cursor);
        last.map(|last| self.page_tokens.encode(scope, &last))
            .unwrap_or_default()
    }
}

//! Lists, a page at a time.

use service_runtime::page_token::PageTokens;

use crate::domain::error::Error;

/// Reads the paging part of a list request.
pub(super) fn page<C: serde::de::DeserializeOwned>(
    pages: &PageTokens,
    scope: &impl serde::Serialize,
    page_size: i32,
    page_token: &str,
) -> Result<(i64, Option<C>), Error> {
    let bad = |bad: service_runtime::page_token::BadPage| Error::field(bad.field(), bad.to_string());
    let size = service_runtime::page_token::page_size(page_size).map_err(bad)?;
    Ok((size, pages.decode(scope, page_token).map_err(bad)?))
}

/// Cuts a list that was read one item too far, and makes the token of the next page if there is one.
pub(super) fn next_page<T, C: serde::Serialize>(
    pages: &PageTokens,
    scope: &impl serde::Serialize,
    items: &mut Vec<T>,
    size: i64,
    cursor: impl FnOnce(&T) -> C,
) -> String {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if items.len() <= size {
        return String::new();
    }
    items.truncate(size);
    items
        .last()
        .map(|last| pages.encode(scope, &cursor(last)))
        .unwrap_or_default()
}

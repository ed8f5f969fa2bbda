//! What the targets share: changes to make to good texts, and readings of formats that are not the product's own.

pub mod base64url;
pub mod edits;
pub mod json;

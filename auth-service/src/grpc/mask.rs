//! Field masks: a change names its fields, and every name that is unknown or read-only is told.

use prost_types::FieldMask;
use service_runtime::field::FieldError;

use crate::{domain::error::Error, model::user::revision_of};

/// Reads a mask. `set` gets each field once and says whether it can be changed: `Ok(true)` if it was taken,
/// `Ok(false)` if there is no such field, a sentence if its value is bad.
///
/// # Errors
/// [`Error::Invalid`] with every bad field.
pub(crate) fn read(
    mask: Option<FieldMask>,
    read_only: &[&str],
    mut set: impl FnMut(&str) -> Result<bool, String>,
) -> Result<(), Error> {
    let Some(mask) = mask else {
        return Err(Error::field("update_mask", "Name the fields to change."));
    };
    let mut faults = Vec::new();
    for path in &mask.paths {
        let fault = match set(path) {
            Ok(true) => continue,
            Ok(false) if read_only.contains(&path.as_str()) => "This field is read-only.".to_owned(),
            Ok(false) => "This field is not known.".to_owned(),
            Err(sentence) => sentence,
        };
        faults.push(FieldError::new(path, fault));
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Error::Invalid(faults))
    }
}

/// The version a change was made from; `None` when none was named.
///
/// # Errors
/// [`Error::EtagMismatch`] for an etag that no version ever had.
pub(crate) fn revision(etag: &str) -> Result<Option<i64>, Error> {
    if etag.is_empty() {
        return Ok(None);
    }
    revision_of(etag).map(Some).ok_or(Error::EtagMismatch)
}

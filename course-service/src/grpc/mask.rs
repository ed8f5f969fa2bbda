//! Update masks: which fields of a course may stand in one. A test holds the two lists against the contract.

use prost_types::FieldMask;
use service_runtime::field::FieldError;

/// The fields that callers may change.
const WRITABLE: [&str; 9] = [
    "title",
    "subtitle",
    "slug",
    "description",
    "price",
    "is_free",
    "is_draft",
    "is_published",
    "is_archived",
];
/// The fields that only the service changes.
const READ_ONLY: [&str; 8] = [
    "id",
    "currency",
    "instructors",
    "student_count",
    "lecture_count",
    "created_at",
    "updated_at",
    "etag",
];
/// More paths than a course has fields, each a few times: beyond that nobody wants to read the faults.
const MOST_PATHS: usize = 64;
/// Longer than any field's name.
const LONGEST_PATH: usize = 64;

/// The paths of a mask that is there and of a sane size.
pub(super) fn read(mask: Option<FieldMask>) -> Result<Vec<String>, Vec<FieldError>> {
    let fault = |message: &str| vec![FieldError::new("update_mask", message)];
    let paths = mask.ok_or_else(|| fault("The update mask is required"))?.paths;
    if paths.len() > MOST_PATHS || paths.iter().any(|path| path.len() > LONGEST_PATH) {
        return Err(fault("The update mask must name fields of a course"));
    }
    Ok(paths)
}

/// What is wrong with the paths themselves.
pub(super) fn faults(paths: &[String]) -> Vec<FieldError> {
    let wrong = paths.iter().filter(|path| !WRITABLE.contains(&path.as_str()));
    wrong
        .map(|path| {
            let message = if READ_ONLY.contains(&path.as_str()) {
                "This field is read-only."
            } else {
                "There is no such field."
            };
            FieldError::new(path.as_str(), message)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proto::course::v1::Course;

    use super::*;

    #[test]
    fn every_field_of_the_contract_is_in_one_list() {
        let serde_json::Value::Object(fields) = serde_json::to_value(Course::default()).unwrap() else {
            panic!("a course is an object");
        };
        for field in fields.keys() {
            let lists = [
                WRITABLE.contains(&field.as_str()),
                READ_ONLY.contains(&field.as_str()),
            ];
            assert_eq!(lists.iter().filter(|listed| **listed).count(), 1, "{field}");
        }
        assert_eq!(fields.len(), WRITABLE.len() + READ_ONLY.len());
    }
}

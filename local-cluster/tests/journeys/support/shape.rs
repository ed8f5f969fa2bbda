//! The members of each resource, as the contract lists them.

use serde_json::Value;

pub const USER: [&str; 14] = [
    "id",
    "username",
    "first_name",
    "last_name",
    "bio",
    "user_greeting",
    "color_mode",
    "dashboard_first_date",
    "dashboard_second_date",
    "is_active",
    "is_staff",
    "date_joined",
    "last_login",
    "etag",
];

pub const PROFILE: [&str; 16] = [
    "id",
    "username",
    "first_name",
    "last_name",
    "bio",
    "user_greeting",
    "color_mode",
    "dashboard_first_date",
    "dashboard_second_date",
    "is_active",
    "is_staff",
    "date_joined",
    "last_login",
    "etag",
    "pending_username",
    "has_totp",
];

pub const TOKENS: [&str; 5] = ["access", "refresh", "token_type", "expires_in", "user"];

pub const SESSION: [&str; 6] = [
    "id",
    "user_agent",
    "ip_address",
    "created_at",
    "last_used_at",
    "is_current",
];

pub const COURSE: [&str; 17] = [
    "id",
    "title",
    "subtitle",
    "slug",
    "description",
    "price",
    "currency",
    "is_free",
    "is_draft",
    "is_published",
    "is_archived",
    "instructors",
    "student_count",
    "lecture_count",
    "created_at",
    "updated_at",
    "etag",
];

pub const INSTRUCTOR: [&str; 4] = ["id", "username", "first_name", "last_name"];

pub const ENROLLMENT: [&str; 9] = [
    "id",
    "course",
    "student",
    "state",
    "price",
    "currency",
    "enrolled_at",
    "completed_at",
    "updated_at",
];

pub const KEY: [&str; 6] = ["kty", "crv", "x", "kid", "use", "alg"];

/// Asserts that a JSON object has exactly these members.
#[track_caller]
pub fn assert_members(object: &Value, members: &[&str]) {
    let object = object
        .as_object()
        .unwrap_or_else(|| panic!("no object: {object}"));
    let mut found: Vec<_> = object.keys().map(String::as_str).collect();
    let mut expected = members.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

/// Asserts that a JSON object is one page of a list: its resources, each with exactly these members.
#[track_caller]
pub fn assert_page(page: &Value, plural: &str, members: &[&str]) -> Vec<Value> {
    assert_members(page, &[plural, "next_page_token"]);
    assert!(page["next_page_token"].is_string(), "{page}");
    let listed = page[plural].as_array().expect("a list").clone();
    for one in &listed {
        assert_members(one, members);
    }
    listed
}

/// Asserts RFC 3339 in UTC.
#[track_caller]
pub fn assert_time(value: &Value) {
    let text = value.as_str().unwrap_or_else(|| panic!("no time: {value}"));
    let parsed = chrono::DateTime::parse_from_rfc3339(text);
    assert!(parsed.is_ok() && text.ends_with('Z'), "{text}");
}

/// Asserts a UUIDv7.
#[track_caller]
pub fn assert_id(value: &Value) {
    let id = value.as_str().and_then(|text| uuid::Uuid::parse_str(text).ok());
    assert_eq!(id.map(|id| id.get_version_num()), Some(7), "{value}");
}

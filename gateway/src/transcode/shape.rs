//! Whether a value has the shape of its field, said as a person would say it.

use proto::{
    json::timestamp,
    rest::{Field, Kind},
};
use serde_json::Value;

/// What is wrong with the JSON value given for a field, if anything.
pub fn fault(field: &Field, value: &Value) -> Option<String> {
    if !field.repeated {
        return kind_fault(field.kind, value);
    }
    match value {
        Value::Array(items) => items.iter().find_map(|item| kind_fault(field.kind, item)),
        _ => Some("This field must be a list.".to_owned()),
    }
}

/// The value that the text of a path segment or query parameter means for a field.
///
/// # Errors
/// What is wrong with it.
pub fn value_of(field: &Field, text: &str) -> Result<Value, String> {
    let value = match field.kind {
        Kind::Bool => match text {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => text.into(),
        },
        // No sign but a minus, no leading zeros that another reader might take for octal.
        Kind::Int32 | Kind::Int64 => match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => number.into(),
            _ => text.into(),
        },
        Kind::String | Kind::Enum(_) | Kind::Timestamp | Kind::FieldMask | Kind::Message => text.into(),
    };
    match kind_fault(field.kind, &value) {
        None if field.repeated => Ok(Value::Array(vec![value])),
        None => Ok(value),
        Some(fault) => Err(fault),
    }
}

fn kind_fault(kind: Kind, value: &Value) -> Option<String> {
    let fine = match kind {
        Kind::Bool => value.is_boolean(),
        Kind::Int32 => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        Kind::Int64 => value.as_i64().is_some(),
        Kind::String => value.is_string(),
        Kind::Enum(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Kind::Timestamp => value
            .as_str()
            .is_some_and(|text| timestamp::parse(text).is_some()),
        Kind::Message => value.is_object(),
        Kind::FieldMask => false,
    };
    if !fine {
        return Some(demand(kind, value));
    }
    // Text columns cannot hold it, and nobody means it.
    holds_nul(value).then(|| "This field must not hold the character NUL.".to_owned())
}

fn demand(kind: Kind, value: &Value) -> String {
    match kind {
        Kind::Bool => "This field must be true or false.".to_owned(),
        Kind::Int32 | Kind::Int64 if value.is_i64() || value.is_u64() => {
            "This field's number is out of range.".to_owned()
        }
        Kind::Int32 | Kind::Int64 => "This field must be a whole number.".to_owned(),
        Kind::String => "This field must be a string.".to_owned(),
        Kind::Enum(words) => format!("This field must be one of: {}.", words.join(", ")),
        Kind::Timestamp => "This field must be a time such as 2026-01-31T12:00:00Z.".to_owned(),
        Kind::Message => "This field must be an object.".to_owned(),
        Kind::FieldMask => "This field is not known.".to_owned(),
    }
}

fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => members
            .iter()
            .any(|(key, value)| key.contains('\0') || holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const fn field(kind: Kind) -> Field {
        Field {
            name: "it",
            kind,
            repeated: false,
            nullable: false,
        }
    }

    #[test]
    fn each_kind_takes_its_own_values_only() {
        let words = Kind::Enum(&["light", "dark"]);
        for (kind, good, bad) in [
            (Kind::Bool, json!(true), json!("true")),
            (Kind::Int32, json!(-5), json!(1.0)),
            (Kind::Int32, json!(2_147_483_647), json!(2_147_483_648_i64)),
            (Kind::Int64, json!(i64::MAX), json!(u64::MAX)),
            (Kind::String, json!(""), json!(1)),
            (Kind::String, json!("Привет"), json!("a\0b")),
            (words, json!("dark"), json!("DARK")),
            (
                Kind::Timestamp,
                json!("2026-01-31T12:00:00Z"),
                json!("2026-01-31"),
            ),
            (Kind::Message, json!({}), json!([])),
            (Kind::Message, json!({"a": "b"}), json!({"a": ["\0"]})),
        ] {
            assert_eq!(fault(&field(kind), &good), None, "{good}");
            assert!(fault(&field(kind), &bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_list_is_a_list_of_the_kind() {
        let list = Field {
            repeated: true,
            ..field(Kind::String)
        };
        assert_eq!(fault(&list, &json!(["a", "b"])), None);
        assert!(fault(&list, &json!("a")).is_some());
        assert!(fault(&list, &json!(["a", 1])).is_some());
    }

    #[test]
    fn text_means_what_the_field_is() {
        assert_eq!(value_of(&field(Kind::Int32), "20"), Ok(json!(20)));
        assert_eq!(value_of(&field(Kind::Bool), "false"), Ok(json!(false)));
        assert_eq!(value_of(&field(Kind::String), "20"), Ok(json!("20")));
        for (kind, text) in [
            (Kind::Int32, "+1"),
            (Kind::Int32, "01"),
            (Kind::Int32, "1e1"),
            (Kind::Int32, ""),
            (Kind::Int32, "99999999999999999999"),
            (Kind::Bool, "True"),
            (Kind::Bool, "1"),
            (Kind::Bool, ""),
            (Kind::String, "a\0"),
        ] {
            assert!(value_of(&field(kind), text).is_err(), "{text:?}");
        }
    }
}

//! The JSON shape of every message, as serde attributes: snake_case names, absent values `null`, defaults
//! written out, unknown keys refused, timestamps RFC 3339, enumerations lower-case words.

use prost_reflect::{DescriptorPool, EnumDescriptor, Kind};
use tonic_prost_build::Builder;

use crate::rust_path;

/// Adds the attributes to every message of the contract.
pub fn annotate(mut config: Builder, pool: &DescriptorPool) -> Builder {
    config = config
        .message_attribute(".onlineedu", "#[derive(serde::Serialize, serde::Deserialize)]")
        .message_attribute(".onlineedu", "#[serde(default, deny_unknown_fields)]");
    let own = pool
        .all_messages()
        .filter(|message| message.package_name().starts_with("onlineedu."));
    for field in own.flat_map(|message| message.fields().collect::<Vec<_>>()) {
        let attribute = match field.kind() {
            Kind::Message(message) => match message.full_name() {
                "google.protobuf.Timestamp" => "#[serde(with = \"crate::json::timestamp\")]".to_owned(),
                "google.protobuf.FieldMask" => "#[serde(with = \"crate::json::field_mask\")]".to_owned(),
                _ => continue,
            },
            Kind::Enum(words) => {
                format!(
                    "#[serde(with = \"crate::json::Word::<{}>\")]",
                    rust_path(words.full_name())
                )
            }
            _ => continue,
        };
        config = config.field_attribute(format!(".{}", field.full_name()), attribute);
    }
    config
}

/// The source text of the words of every enumeration.
pub fn words(pool: &DescriptorPool) -> String {
    let own = pool
        .all_enums()
        .filter(|words| words.package_name().starts_with("onlineedu."));
    own.map(|words| {
        let pairs: Vec<String> = spoken(&words)
            .map(|(number, word)| format!("({number}, {word:?})"))
            .collect();
        format!(
            "impl Words for {} {{ const WORDS: &'static [(i32, &'static str)] = &[{}]; }}\n",
            rust_path(words.full_name()),
            pairs.join(", "),
        )
    })
    .collect()
}

/// The values of an enumeration that JSON has a word for, without the prefix that proto demands.
pub fn spoken(words: &EnumDescriptor) -> impl Iterator<Item = (i32, String)> {
    let mut prefix = String::new();
    for (index, letter) in words.name().chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            prefix.push('_');
        }
        prefix.extend(letter.to_uppercase());
    }
    prefix.push('_');
    let values: Vec<_> = words.values().filter(|value| value.number() != 0).collect();
    values.into_iter().map(move |value| {
        (
            value.number(),
            value.name().trim_start_matches(prefix.as_str()).to_lowercase(),
        )
    })
}

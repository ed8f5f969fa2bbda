//! What a message shows of itself in a log or a failed test: everything but passwords and tokens.

use prost_reflect::{DescriptorPool, MessageDescriptor};
use tonic_prost_build::Builder;

use crate::rust_path;

/// The names of fields that hold what somebody could use.
const SECRETS: [&str; 12] = [
    "password",
    "confirm_password",
    "current_password",
    "token",
    "access",
    "access_token",
    "refresh",
    "code",
    "secret",
    "uri",
    "qr_svg",
    "recovery_codes",
];

/// Takes the derived `Debug` from every message that holds a secret.
pub fn withhold(config: Builder, pool: &DescriptorPool) -> Builder {
    config.skip_debug(secretive(pool).map(|message| format!(".{}", message.full_name())))
}

/// The source text of the `Debug` of those messages.
pub fn implementations(pool: &DescriptorPool) -> String {
    secretive(pool).map(|message| implementation(&message)).collect()
}

fn secretive(pool: &DescriptorPool) -> impl Iterator<Item = MessageDescriptor> {
    pool.all_messages().filter(|message| {
        let is_own = message.package_name().starts_with("onlineedu.");
        is_own && message.fields().any(|field| SECRETS.contains(&field.name()))
    })
}

fn implementation(message: &MessageDescriptor) -> String {
    let fields: String = message
        .fields()
        .map(|field| match field.name() {
            name if SECRETS.contains(&name) => format!(".field({name:?}, &format_args!(\"[withheld]\"))"),
            name => format!(".field({name:?}, &self.{name})"),
        })
        .collect();
    format!(
        "impl std::fmt::Debug for {} {{ fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result \
         {{ formatter.debug_struct({:?}){fields}.finish() }} }}\n",
        rust_path(message.full_name()),
        message.name(),
    )
}

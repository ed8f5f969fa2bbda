//! The contract of Online Edu: what the services say to each other and to the world.
//!
//! Everything here is generated from the `.proto` files beside this crate; nothing generated is kept in the
//! tree. The messages know their JSON shape ([`json`]), the RPCs their REST routes ([`rest`]) and whom they are for
//! ([`access`]).

pub mod access;
pub mod json;
pub mod rest;

/// Accounts, sessions and tokens.
pub mod auth {
    /// Version 1.
    #[allow(
        missing_docs,
        clippy::all,
        reason = "generated; the .proto files carry the documentation"
    )]
    pub mod v1 {
        tonic::include_proto!("onlineedu.auth.v1");
    }
}

/// Courses and who teaches them.
pub mod course {
    /// Version 1.
    #[allow(
        missing_docs,
        clippy::all,
        reason = "generated; the .proto files carry the documentation"
    )]
    pub mod v1 {
        tonic::include_proto!("onlineedu.course.v1");
    }
}

include!(concat!(env!("OUT_DIR"), "/debug.rs"));

/// Every file of the contract with its comments and options, as an encoded
/// `google.protobuf.FileDescriptorSet`: what reflection answers with and OpenAPI is made from.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

#[cfg(test)]
mod tests {
    use crate::auth::v1::{AuthorizeRequest, LoginRequest, RecoveryCodes, StartTotpResponse, TokenPair};

    #[test]
    fn no_message_shows_a_password_or_a_token() {
        let text = || "s3cret".to_owned();
        let login = LoginRequest {
            username: "ada@example.org".to_owned(),
            password: text(),
            code: text(),
        };
        let shown = format!("{login:?}");
        assert!(
            shown.contains("ada@example.org") && !shown.contains("s3cret"),
            "{shown}"
        );
        let pair = TokenPair {
            access: text(),
            refresh: text(),
            expires_in: 900,
            ..TokenPair::default()
        };
        let shown = format!("{pair:?}");
        assert!(shown.contains("900") && !shown.contains("s3cret"), "{shown}");
        let asked = AuthorizeRequest { access_token: text() };
        assert!(!format!("{asked:?}").contains("s3cret"));
        let started = StartTotpResponse {
            secret: text(),
            uri: text(),
            qr_svg: text(),
        };
        let codes = RecoveryCodes {
            recovery_codes: vec![text()],
        };
        assert!(!format!("{started:?}{codes:?}").contains("s3cret"));
    }
}

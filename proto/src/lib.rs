//! The contract of Online Edu: what the services say to each other and to the world.
//!
//! Everything here is generated from the `.proto` files beside this crate; nothing generated is kept in the
//! tree. The messages know their JSON shape ([`json`]) and the RPCs their REST routes ([`rest`]).

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

/// Every file of the contract with its comments and options, as an encoded
/// `google.protobuf.FileDescriptorSet`: what reflection answers with and OpenAPI is made from.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

//! Whom every method is for: read from the contract at build time.

pub use v1::Audience;

/// Version 1.
#[allow(
    missing_docs,
    clippy::all,
    reason = "generated; the .proto files carry the documentation"
)]
pub mod v1 {
    tonic::include_proto!("onlineedu.access.v1");
}

include!(concat!(env!("OUT_DIR"), "/audiences.rs"));

/// Whom the method of a gRPC path (`/package.Service/Method`) is for; `None`: it is none of ours.
pub fn audience(path: &str) -> Option<Audience> {
    let place = AUDIENCES.binary_search_by_key(&path, |(path, _)| path).ok()?;
    Audience::try_from(AUDIENCES[place].1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_by_its_path() {
        for (path, number) in AUDIENCES {
            assert_eq!(audience(path).map(i32::from), Some(number), "{path}");
        }
        assert_eq!(
            audience("/onlineedu.auth.v1.TokenService/Authorize"),
            Some(Audience::Service)
        );
        assert_eq!(audience("/grpc.health.v1.Health/Check"), None);
        assert_eq!(audience(""), None);
    }
}

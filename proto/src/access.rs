//! Whom every method is for: read from the contract at build time.

use std::time::Duration;

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

include!(concat!(env!("OUT_DIR"), "/policies.rs"));

/// What the contract says of the callers of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whom it is for.
    pub audience: Audience,
    /// How old the proof of a second factor may be; `None`: none is needed.
    pub second_factor: Option<Duration>,
    /// Whether it changes nothing.
    pub reads: bool,
    /// What it tells users who are not staff, if it is for staff and has its own words for it.
    pub staff_refusal: Option<&'static str>,
}

/// The policy of the method of a gRPC path (`/package.Service/Method`); `None`: it is none of ours.
pub fn policy(path: &str) -> Option<Policy> {
    let place = POLICIES.binary_search_by_key(&path, |(path, ..)| path).ok()?;
    let (_, audience, max_age, reads, refusal) = POLICIES[place];
    Some(Policy {
        audience: Audience::try_from(audience).ok()?,
        second_factor: (max_age > 0).then(|| Duration::from_secs(max_age.into())),
        reads,
        staff_refusal: (!refusal.is_empty()).then_some(refusal),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_by_its_path() {
        for (path, number, ..) in POLICIES {
            let found = policy(path).unwrap();
            assert_eq!(i32::from(found.audience), number, "{path}");
        }
        assert_eq!(policy("/grpc.health.v1.Health/Check"), None);
        assert_eq!(policy(""), None);
    }

    #[test]
    fn a_policy_is_what_the_contract_says() {
        assert_eq!(
            policy("/onlineedu.course.v1.CourseService/CreateCourse"),
            Some(Policy {
                audience: Audience::Staff,
                second_factor: None,
                reads: false,
                staff_refusal: Some("Must be logged in as administrator to create a course"),
            })
        );
        assert_eq!(
            policy("/onlineedu.course.v1.CourseService/DeleteCourse"),
            Some(Policy {
                audience: Audience::Instructor,
                second_factor: Some(Duration::from_secs(300)),
                reads: false,
                staff_refusal: None,
            })
        );
        let read = policy("/onlineedu.course.v1.CourseService/GetCourse").unwrap();
        assert!(read.reads);
        let asked = policy("/onlineedu.auth.v1.TokenService/Authorize").unwrap();
        assert_eq!(asked.audience, Audience::Service);
    }
}

//! A resource asked for by a name it no longer has: the answer says where it is now.

use http::{HeaderValue, StatusCode, Uri, header};
use proto::rest::Route;
use service_runtime::grpc::refusal::DOMAIN;
use tonic::Status;
use tonic_types::StatusExt;

use super::path;
use crate::problem::Problem;

/// A 308 when the status carries `canonical_<field>` for a field of the path.
pub fn to_canonical(route: &Route, uri: &Uri, status: &Status) -> Option<Problem> {
    let info = status
        .get_details_error_info()
        .filter(|info| info.domain == DOMAIN)?;
    let (member, field, value) = info.metadata.iter().find_map(|(member, value)| {
        let field = member.strip_prefix("canonical_")?;
        path::has_field(route.path, field).then_some((member, field, value))
    })?;
    let mut place = path::with_field(route.path, uri.path(), field, value);
    if let Some(query) = uri.query() {
        place.push('?');
        place.push_str(query);
    }
    let place = HeaderValue::from_str(&place).ok()?;
    let mut problem = Problem::new(
        StatusCode::PERMANENT_REDIRECT,
        status.code(),
        "MOVED",
        "It has another address now.",
    );
    problem.reason = info.reason.into();
    problem.canonical = Some(Box::new((member.clone(), value.clone())));
    Some(problem.with_header(header::LOCATION, place))
}

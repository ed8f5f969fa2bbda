//! The router of the contract: an axum route per row of the table, whose path syntax is the same.

use std::sync::Arc;

use axum::{
    Router,
    routing::{MethodFilter, on},
};
use http::{HeaderValue, Method, Request};
use proto::rest::{Route, Texts, Visitor, visit_routes};
use serde::{Serialize, de::DeserializeOwned};
use service_runtime::grpc::channel::Channel;

use super::{Endpoint, serve, upstream::Upstream};

/// The services behind the gateway, and what shows them who calls.
#[derive(Debug, Clone)]
pub struct Upstreams {
    /// Accounts, sessions and tokens.
    pub auth: Channel,
    /// Courses.
    pub course: Channel,
    /// The service token.
    pub service_token: Option<HeaderValue>,
}

impl Upstreams {
    /// Who serves a package of the contract.
    fn of(&self, package: &str) -> &Channel {
        match package.starts_with("onlineedu.auth.") {
            true => &self.auth,
            false => &self.course,
        }
    }
}

/// Every REST route of the contract.
pub fn router(upstreams: &Upstreams) -> Router {
    let mut mount = Mount {
        upstreams,
        table: table(),
        router: Router::new(),
    };
    visit_routes(&mut mount);
    mount.router
}

/// The rows, for what needs no types.
pub fn table() -> Vec<&'static Route> {
    let mut table = Table(Vec::new());
    visit_routes(&mut table);
    table.0
}

struct Table(Vec<&'static Route>);

impl Visitor for Table {
    fn unary<In, Out>(&mut self, route: &'static Route) {
        self.0.push(route);
    }
}

struct Mount<'a> {
    upstreams: &'a Upstreams,
    table: Vec<&'static Route>,
    router: Router,
}

impl Visitor for Mount<'_> {
    fn unary<In, Out>(&mut self, route: &'static Route)
    where
        In: prost::Message + Default + DeserializeOwned + 'static,
        Out: prost::Message + Default + Serialize + Texts + 'static,
    {
        let method = Method::from_bytes(route.verb.as_bytes()).unwrap_or_default();
        let Ok(filter) = MethodFilter::try_from(method) else {
            return;
        };
        let endpoint = Arc::new(Endpoint {
            route,
            upstream: Upstream::new(self.upstreams.of(route.package).clone(), route.rpc),
            service_token: self.upstreams.service_token.clone(),
            addressed_by: addressed_by(&self.table, route),
        });
        let handler =
            move |request: Request<axum::body::Body>| serve::<In, Out>(Arc::clone(&endpoint), request);
        let router = std::mem::take(&mut self.router);
        self.router = router.route(route.path, on(filter, handler));
    }
}

/// A creating POST to `…/things` makes what GET `…/things/{field}` reads: then `field`.
pub fn addressed_by(table: &[&'static Route], route: &Route) -> Option<&'static str> {
    if route.verb != "POST" || route.success != 201 {
        return None;
    }
    let reads = table.iter().filter(|other| other.verb == "GET");
    let below = reads.filter_map(|other| other.path.strip_prefix(route.path));
    below
        .filter_map(|rest| rest.strip_prefix("/{")?.strip_suffix('}'))
        .find(|field| !field.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_resource_is_addressed_where_it_can_be_read() {
        let table = table();
        let field = |path: &str| {
            let route = table.iter().find(|one| one.verb == "POST" && one.path == path);
            addressed_by(&table, route.unwrap())
        };
        assert_eq!(field("/api/v1/courses"), Some("slug"));
        assert_eq!(field("/api/v1/auth/register"), None);
        assert_eq!(field("/api/v1/auth/login"), None);
    }
}

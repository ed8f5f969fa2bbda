//! What people see in a browser: the pages that mail links open, the kept mail of development, and the
//! documents about the API.

pub mod docs;
mod form;
mod mail;
mod mail_links;
mod response;

use axum::{
    Router,
    middleware::map_response,
    response::{Redirect, Response},
    routing::{MethodRouter, get},
};

use crate::{config::Config, edge::Matched};

const PAGE_CSS: &str = include_str!("../assets/page.css");

/// Every page. `api` serves the routes that the forms call.
pub fn router(config: &Config, api: &Router) -> Router {
    let style = get(async || response::asset("text/css", PAGE_CSS));
    let mut router = Router::new()
        .merge(at("/", get(async || Redirect::to("/docs"))))
        .merge(at("/assets/page.css", style))
        .merge(form::router(api))
        .merge(docs::router());
    if let Some(folder) = &config.mail_folder {
        router = router.merge(mail::router(folder, &config.base_url));
    }
    router
}

/// One page, which says in the log that it was the one.
fn at(path: &'static str, methods: MethodRouter) -> Router {
    let name = map_response(async move |mut response: Response| {
        response.extensions_mut().insert(Matched(path.into()));
        response
    });
    Router::new().route(path, methods.layer(name))
}

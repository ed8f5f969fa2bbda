//! A page with a form that works without JavaScript: GET shows it, POST calls the API route it stands for
//! and shows how that went. The token is the authority, so a forged submission gains nothing.

use askama::Template;
use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value};
use tower::ServiceExt;

use super::{
    at,
    mail_links::{FORMS, Form, Input},
    response::page,
};
use crate::{
    edge::Exchange,
    problem::Problem,
    transcode::{Pair, collect, pairs},
};

/// The pages of mail links, which call routes of `api`.
pub fn router(api: &Router) -> Router {
    FORMS.iter().fold(Router::new(), |router, form| {
        let api = api.clone();
        let show = async move |request: Request| show(form, &request);
        let act = async move |request: Request| act(form, api.clone(), request).await;
        router.merge(at(form.path, get(show).post(act)))
    })
}

#[derive(Template)]
#[template(path = "form.html")]
struct FormPage<'a> {
    form: &'a Form,
    token: &'a str,
    refusal: Option<&'a str>,
    fields: Vec<Field<'a>>,
}

struct Field<'a> {
    input: &'a Input,
    errors: Vec<&'a str>,
}

#[derive(Template)]
#[template(path = "done.html")]
struct DonePage<'a> {
    form: &'a Form,
}

fn show(form: &'static Form, request: &Request) -> Response {
    let pairs = pairs(request.uri().query().unwrap_or_default()).unwrap_or_default();
    let token = value(&pairs, "token");
    let status = match token.is_empty() {
        true => StatusCode::BAD_REQUEST,
        false => StatusCode::OK,
    };
    form_page(request.extensions().get(), form, status, token, None)
}

async fn act(form: &'static Form, api: Router, request: Request) -> Response {
    if !is_form(request.headers()) {
        return Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            tonic::Code::InvalidArgument,
            "UNSUPPORTED_MEDIA_TYPE",
            "The body must be a form.",
        )
        .into_response();
    }
    let (parts, body) = request.into_parts();
    let body = match collect(body).await {
        Ok(body) => body,
        Err(problem) => return problem.into_response(),
    };
    let text = String::from_utf8_lossy(&body);
    let pairs = pairs(&text).unwrap_or_default();
    let token = value(&pairs, "token");

    let mut fields = Map::from_iter([("token".to_owned(), token.into())]);
    for input in form.inputs {
        fields.insert(input.name.to_owned(), value(&pairs, input.name).into());
    }
    let exchange = parts.extensions.get::<Exchange>();
    let mut answer = call(form, api, &parts.headers, exchange, fields).await;
    match answer.extensions_mut().remove::<Problem>() {
        None => page(exchange, StatusCode::OK, &DonePage { form }),
        Some(mut problem) => {
            let sentence = problem.sentence(Exchange::id_of(exchange)).into_owned();
            problem.detail = sentence.into();
            let mut response = form_page(exchange, form, problem.status, token, Some(&problem));
            response.headers_mut().extend(problem.headers);
            response
        }
    }
}

/// Calls the API as any client would, on behalf of the one who pressed the button.
async fn call(
    form: &Form,
    api: Router,
    headers: &HeaderMap,
    exchange: Option<&Exchange>,
    fields: Map<String, Value>,
) -> Response {
    let mut request = Request::new(Body::from(Value::Object(fields).to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static(form.calls);
    let media_type = HeaderValue::from_static("application/json");
    request.headers_mut().insert(header::CONTENT_TYPE, media_type);
    if let Some(agent) = headers.get(header::USER_AGENT) {
        request.headers_mut().insert(header::USER_AGENT, agent.clone());
    }
    if let Some(exchange) = exchange {
        request.extensions_mut().insert(exchange.clone());
    }
    api.oneshot(request).await.unwrap_or_else(|never| match never {})
}

fn form_page(
    exchange: Option<&Exchange>,
    form: &Form,
    status: StatusCode,
    token: &str,
    problem: Option<&Problem>,
) -> Response {
    let errors = problem.map_or(&[][..], |problem| &problem.errors);
    let fields = form.inputs.iter().map(|input| Field {
        input,
        errors: errors
            .iter()
            .filter(|error| error.field == input.name)
            .map(|error| error.message.as_str())
            .collect(),
    });
    let template = FormPage {
        form,
        token,
        refusal: problem.map(|problem| &*problem.detail),
        fields: fields.collect(),
    };
    page(exchange, status, &template)
}

fn value<'a>(pairs: &'a [Pair<'_>], name: &str) -> &'a str {
    let found = pairs.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value)
}

fn is_form(headers: &HeaderMap) -> bool {
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = media_type.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| {
        essence
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

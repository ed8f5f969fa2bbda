//! A call that is to be made. Awaiting it makes it.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
};

use reqwest::RequestBuilder;
use serde_json::Value;

use super::Answer;

/// A call that is to be made.
#[must_use = "a call is made when it is awaited"]
pub struct Call {
    request: RequestBuilder,
    what: String,
}

impl Call {
    pub(super) fn new(request: RequestBuilder, what: String) -> Self {
        Self { request, what }
    }

    /// With a header.
    pub fn header(self, name: &str, value: &str) -> Self {
        Self {
            request: self.request.header(name, value),
            ..self
        }
    }

    /// With `If-Match`, for a version as an answer's body has it.
    pub fn if_match(self, etag: &str) -> Self {
        self.header("if-match", &format!("\"{etag}\""))
    }

    /// With `If-None-Match`, for a version as an answer's body has it.
    pub fn if_none_match(self, etag: &str) -> Self {
        self.header("if-none-match", &format!("\"{etag}\""))
    }

    /// With `Idempotency-Key`.
    pub fn once(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// With the fields of a form, as a browser sends them.
    pub fn form(self, fields: &[(String, String)]) -> Self {
        let mut encoded = reqwest::Url::parse("http://form/").unwrap();
        encoded.query_pairs_mut().extend_pairs(fields);
        let body = encoded.query().unwrap_or_default().to_owned();
        self.body("application/x-www-form-urlencoded", body)
    }

    /// With any body.
    pub fn body(self, media_type: &str, body: impl Into<reqwest::Body>) -> Self {
        Self {
            request: self.request.header("content-type", media_type).body(body),
            ..self
        }
    }

    /// Makes the call.
    ///
    /// # Errors
    /// When no answer arrives.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let response = self.request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer {
            status,
            headers,
            body: response.text().await?,
            what: self.what,
        })
    }
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            let what = self.what.clone();
            let answer = self.try_send().await;
            answer.unwrap_or_else(|error| panic!("{what} got no answer: {error:?}"))
        })
    }
}

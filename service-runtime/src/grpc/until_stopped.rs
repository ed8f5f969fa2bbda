//! Streams that would never end by themselves, such as those of health and reflection, end when the process is
//! told to stop, so that they do not hold it up.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body, server::NamedService};
use tower::Service;

use crate::lifecycle::Tasks;

/// A service whose answers end, once the process stops, where they have nothing to say.
#[derive(Debug, Clone)]
pub(crate) struct UntilStopped<S> {
    pub(crate) inner: S,
    pub(crate) tasks: Tasks,
}

impl<S: NamedService> NamedService for UntilStopped<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for UntilStopped<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (answering, tasks) = (self.inner.call(request), self.tasks.clone());
        Box::pin(async move {
            let response = answering.await?;
            Ok(response.map(|body| {
                Body::new(Ending {
                    body,
                    stopping: Box::pin(async move { tasks.stopping().await }),
                    is_over: false,
                })
            }))
        })
    }
}

struct Ending {
    body: Body,
    stopping: BoxFuture<'static, ()>,
    is_over: bool,
}

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        if self.stopping.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.is_over = true;
        let mut trailers = http::HeaderMap::new();
        let ended = Status::unavailable("The service is stopping.").add_header(&mut trailers);
        Poll::Ready(Some(ended.map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

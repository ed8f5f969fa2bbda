//! The time as connections are told it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use hyper::rt;

/// The timer of tokio, but whoever waits for a moment looks once more at all else before it has come.
///
/// The library looks at the time before it reads. A process that was late itself, because it had too much to do or
/// stood still, would take an answer that came long ago for silence.
#[derive(Debug, Clone, Copy)]
pub(super) struct LooksTwice;

impl rt::Timer for LooksTwice {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep::new(tokio::time::sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep::new(tokio::time::sleep_until(deadline.into())))
    }
}

struct Sleep {
    until: Pin<Box<tokio::time::Sleep>>,
    has_looked: bool,
}

impl Sleep {
    fn new(until: tokio::time::Sleep) -> Self {
        Self {
            until: Box::pin(until),
            has_looked: false,
        }
    }
}

impl rt::Sleep for Sleep {}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        ready!(self.until.as_mut().poll(context));
        if self.has_looked {
            return Poll::Ready(());
        }
        self.has_looked = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

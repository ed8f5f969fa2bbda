//! Answers that are on their way: who does not take them is let go.
//!
//! A client of HTTP/2 may ask and then give its answers no room, while it goes on to say that it lives: what it asked
//! for would stay in memory for as long as it likes. Whoever does not read at all is found by the timer of the socket.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::body::{Body, Frame, SizeHint};
use tokio::time;

/// How often the answers are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The answers of one connection that have begun and not ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Unsent(Arc<Mutex<Begun>>);

#[derive(Debug, Default)]
struct Begun {
    next: u64,
    /// Numbered as they began, so that the first is the oldest.
    since: BTreeMap<u64, Instant>,
}

impl Unsent {
    /// Notes an answer that begins now.
    fn begin(&self) -> OnItsWay {
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = begun.next;
        begun.next += 1;
        begun.since.insert(number, Instant::now());
        OnItsWay {
            number,
            unsent: self.clone(),
        }
    }

    /// Resolves once an answer has been on its way for longer than `limit`.
    pub(super) async fn stalled(&self, limit: Duration) {
        while self.oldest().is_none_or(|age| age <= limit) {
            time::sleep(LOOK).await;
        }
    }

    fn oldest(&self) -> Option<Duration> {
        let begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_number, since) = begun.since.first_key_value()?;
        Some(since.elapsed())
    }
}

#[derive(Debug)]
struct OnItsWay {
    number: u64,
    unsent: Unsent,
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        let mut begun = self.unsent.0.lock().unwrap_or_else(PoisonError::into_inner);
        begun.since.remove(&self.number);
    }
}

/// The body of an answer, which counts as unsent for as long as it lives.
#[derive(Debug)]
pub(super) struct Watched<B> {
    body: B,
    _on_its_way: Option<OnItsWay>,
}

impl<B> Watched<B> {
    /// The body of an answer that begins now, if anybody watches.
    pub(super) fn new(body: B, unsent: Option<&Unsent>) -> Self {
        Self {
            body,
            _on_its_way: unsent.map(Unsent::begin),
        }
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

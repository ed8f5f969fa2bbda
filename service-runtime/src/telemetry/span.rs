//! One step of a request. It lasts as long as its value; where nobody asked for traces there is none, and nothing is
//! allocated for it.

use std::borrow::Cow;

use http::HeaderValue;
use opentelemetry::{
    Context, KeyValue, Value,
    trace::{Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceId, Tracer},
};
use opentelemetry_sdk::trace::{SdkTracer, Span as SdkSpan};
use tokio::task::futures::TaskLocalFuture;

use super::traceparent;

tokio::task_local! {
    /// The span that a task is about, whose children its calls and statements are.
    static CURRENT: Option<Current>;
}

#[derive(Clone)]
struct Current {
    tracer: SdkTracer,
    context: SpanContext,
}

/// One step of a request, for as long as this lives; maybe none.
#[derive(Debug, Default)]
pub struct Span(Option<Box<Begun>>);

#[derive(Debug)]
struct Begun {
    span: SdkSpan,
    tracer: SdkTracer,
}

impl Span {
    pub(super) fn begin(tracer: &SdkTracer, builder: SpanBuilder, parent: &Context) -> Self {
        Self(Some(Box::new(Begun {
            span: tracer.build_with_context(builder, parent),
            tracer: tracer.clone(),
        })))
    }

    /// The span of something that is asked of somebody else on behalf of the one that this task is about.
    pub(super) fn client(name: impl FnOnce() -> Cow<'static, str>) -> Self {
        let current = CURRENT.try_with(Clone::clone).ok().flatten();
        let Some(Current { tracer, context }) = current else {
            return Self::default();
        };
        let builder = tracer.span_builder(name()).with_kind(SpanKind::Client);
        Self::begin(
            &tracer,
            builder,
            &Context::new().with_remote_span_context(context),
        )
    }

    /// Does this work as what the span is about: what it asks of others are the span's children.
    pub fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let current = self.0.as_ref().map(|begun| Current {
            tracer: begun.tracer.clone(),
            context: begun.span.span_context().clone(),
        });
        let working: TaskLocalFuture<_, F> = CURRENT.scope(current, work);
        working
    }

    /// Whether anybody will see what is said of it.
    pub fn is_seen(&self) -> bool {
        self.0.as_ref().is_some_and(|begun| begun.span.is_recording())
    }

    /// Says something of it. Never a secret, never anything about a person, and no text that a caller made up.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(begun) = self.0.as_mut().filter(|begun| begun.span.is_recording()) {
            begun.span.set_attribute(KeyValue::new(name, value));
        }
    }

    /// Names it, once it is known what it is.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        if let Some(begun) = &mut self.0 {
            begun.span.update_name(name);
        }
    }

    /// Says that it failed, and how.
    pub fn fail(&mut self, kind: impl Into<Value>) {
        if let Some(begun) = &mut self.0 {
            begun.span.set_attribute(KeyValue::new("error.type", kind));
            begun.span.set_status(Status::error(""));
        }
    }

    /// The trace that it is part of, for the log.
    pub fn trace_id(&self) -> Option<TraceId> {
        let begun = self.0.as_ref()?;
        Some(begun.span.span_context().trace_id())
    }

    /// What names it to others as their parent.
    pub fn traceparent(&self) -> Option<HeaderValue> {
        traceparent::write(self.0.as_ref()?.span.span_context())
    }
}

//! Who makes the spans of a service. Each service of a process has one of its own, so that what a span says of its
//! service is true also where several run in one process.

use std::{io, str::FromStr};

use http::{HeaderMap, Uri, uri::Scheme};
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanKind, TraceContextExt, Tracer as _, TracerProvider},
};
use opentelemetry_sdk::{
    Resource,
    resource::TelemetryResourceDetector,
    trace::{Sampler, SdkTracer, SdkTracerProvider},
};

use super::{delivery, span::Span, traceparent};
use crate::{
    lifecycle::Tasks,
    settings::{Reader, from_str},
};

/// Where traces go, and how many there are.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSettings {
    /// The receiver of OTLP over HTTP: `http://host:port`, perhaps with a path before `/v1/traces`.
    pub endpoint: Uri,
    /// The share of requests that are traced, 0 to 1, where their sender has not decided.
    pub ratio: f64,
}

impl TraceSettings {
    /// Reads them: `Some(None)` where nobody asked for traces, `None` when a fault was noted.
    pub fn read(reader: &mut Reader<'_>) -> Option<Option<Self>> {
        let endpoint = reader.read_optional("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint);
        let ratio = reader.read("OTEL_TRACES_SAMPLER_ARG", ratio)?;
        Some(endpoint?.map(|endpoint| Self { endpoint, ratio }))
    }
}

/// Reads an address of OTLP over HTTP.
fn endpoint(text: &str) -> Result<Uri, String> {
    let is_sound = |uri: &Uri| {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        uri.scheme() == Some(&Scheme::HTTP)
            && uri.host().is_some_and(|host| !host.is_empty())
            && !authority.contains('@')
            && uri.query().is_none()
    };
    // The text is not repeated: it may hold somebody's credentials.
    Uri::from_str(text).ok().filter(is_sound).ok_or_else(|| {
        "takes an address such as http://127.0.0.1:4318; what is further away is a collector's business"
            .to_owned()
    })
}

fn ratio(text: &str) -> Result<f64, String> {
    let ratio: f64 = from_str(text)?;
    match (0.0..=1.0).contains(&ratio) {
        true => Ok(ratio),
        false => Err(format!("{text:?} is not between 0 and 1")),
    }
}

/// Makes the spans of one service, or none: the default. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Option<SdkTracer>);

impl Tracer {
    /// Begins to trace a service, where there are settings for it. Spans are delivered on a thread of its own; what
    /// is left of them when the tasks have ended is delivered within their grace.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(settings: Option<&TraceSettings>, service: &'static str, tasks: &Tasks) -> io::Result<Self> {
        let Some(settings) = settings else {
            return Ok(Self::default());
        };
        let resource = Resource::builder_empty()
            .with_detector(Box::new(TelemetryResourceDetector))
            .with_service_name(service)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let queue = delivery::start(&settings.endpoint, &resource, tasks)?;
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(
                settings.ratio,
            ))))
            .with_span_processor(queue)
            .build();
        Ok(Self(Some(provider.tracer(service))))
    }

    /// The span of a request that is being served: a child of the span that its sender named.
    pub fn server(&self, headers: &HeaderMap) -> Span {
        let Some(tracer) = &self.0 else {
            return Span::default();
        };
        let parent = traceparent::sound(headers).and_then(traceparent::read);
        let parent = parent.map_or_else(Context::new, |parent| {
            Context::new().with_remote_span_context(parent)
        });
        // It gets its name with its answer; without one, its sender was gone first.
        let builder = tracer
            .span_builder("unanswered request")
            .with_kind(SpanKind::Server);
        Span::begin(tracer, builder, &parent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Setting, Values};

    const SETTINGS: [Setting; 2] = [
        crate::settings::OTEL_EXPORTER_OTLP_ENDPOINT,
        crate::settings::OTEL_TRACES_SAMPLER_ARG,
    ];

    fn read(values: Values) -> Result<Option<TraceSettings>, String> {
        let mut reader = Reader::new(&values, &SETTINGS);
        let read = TraceSettings::read(&mut reader);
        reader.finish(read).map_err(|faults| faults.to_string())
    }

    #[test]
    fn nobody_is_traced_unasked() {
        assert_eq!(read(Values::default()), Ok(None));
        let share = Values::default().with("OTEL_TRACES_SAMPLER_ARG", "0.5");
        assert_eq!(read(share), Ok(None));
    }

    #[test]
    fn what_cannot_be_used_is_named_and_not_repeated() {
        for endpoint in [
            "127.0.0.1:4318",
            "https://collector",
            "http://user:hunter2@collector",
            "http://collector/?key=hunter2",
            "http://",
        ] {
            let faults = read(Values::default().with("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)).unwrap_err();
            assert!(faults.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{faults}");
            assert!(!faults.contains("hunter2"), "{faults}");
        }
        for ratio in ["-0.1", "1.1", "NaN", "all"] {
            let faults = read(Values::default().with("OTEL_TRACES_SAMPLER_ARG", ratio)).unwrap_err();
            assert!(faults.contains("OTEL_TRACES_SAMPLER_ARG"), "{faults}");
        }
    }
}

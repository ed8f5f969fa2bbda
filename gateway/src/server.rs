//! The composition root: one thread per listener, each with its own runtime, router and upstream channels,
//! so that a request never leaves the thread that accepted it.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    panic::resume_unwind,
    sync::Arc,
    thread,
    time::Duration,
};

use axum::Router;
use http::Request;
use hyper::{body::Incoming, service::service_fn};
use service_runtime::{
    grpc::channel::Channel,
    lifecycle::Tasks,
    listen::{self, Limits},
    metrics,
    telemetry::Tracer,
};
use tokio::{runtime, sync::oneshot};

use crate::{
    addresses,
    config::Config,
    edge::Edge,
    pages,
    problem::Problem,
    transcode::{self, Upstreams},
};

/// What each thread's listener allows. What is read at once leaves room for the edge to refuse a head that is
/// too large with a problem; one that is larger still gets a bare 4xx from the library.
const LIMITS: Limits = Limits {
    connections: 8192,
    streams: 128,
    taken_back: 20,
    head: 64 * 1024,
    first_request: Duration::from_secs(10),
    longest_answer: Some(Duration::from_secs(30)),
    http2_only: false,
};

/// Serves on every listener until the tasks are asked to stop, then finishes the requests that run.
/// `service_runtime::listen::bind_many` makes listeners that share one port.
///
/// # Errors
/// When a thread cannot be started.
pub fn serve(config: &Config, listeners: Vec<TcpListener>, tasks: &Tasks) -> io::Result<()> {
    metrics::start();
    config.tls.follow(tasks);
    config.public_tls.follow(tasks);
    addresses::tell(config, &listeners);
    let tracer = Tracer::start(config.traces.as_ref(), "gateway", tasks)?;
    for listener in listeners {
        let (config, stop) = (config.clone(), tasks.clone());
        let tracer = tracer.clone();
        let (ended, end) = oneshot::channel();
        thread::Builder::new().name("gateway".to_owned()).spawn(move || {
            // Nobody listens any more when the process is being torn down.
            let _unheard = ended.send(run(&config, listener, tracer, &stop));
        })?;
        tasks.spawn("gateway thread", async move {
            match end.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "a gateway thread cannot serve");
                    resume_unwind(Box::new(error.to_string()));
                }
                Err(panicked) => resume_unwind(Box::new(panicked.to_string())),
            }
        });
    }
    Ok(())
}

fn run(config: &Config, listener: TcpListener, tracer: Tracer, stop: &Tasks) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let edge = Arc::new(Edge::new(config, router(config), tracer));
        let connection = |client: SocketAddr| {
            let edge = Arc::clone(&edge);
            service_fn(move |request: Request<Incoming>| {
                let edge = Arc::clone(&edge);
                async move { Ok::<_, Infallible>(edge.answer(request, client.ip()).await) }
            })
        };
        let tls = config.public_tls.for_anyone().or_else(|| config.tls.for_anyone());
        listen::serve(listener, tls, LIMITS, connection, stop).await;
        Ok(())
    })
}

/// Everything the gateway serves. Its channels belong to the runtime it is made on.
fn router(config: &Config) -> Router {
    let upstreams = Upstreams {
        auth: Channel::at(&config.auth_url),
        course: Channel::at(&config.course_url),
        service_token: config.service_token.as_ref().map(|token| token.expose().clone()),
    };
    let api = transcode::router(&upstreams);
    let pages = pages::router(config, &api);
    api.merge(pages)
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::wrong_method())
}

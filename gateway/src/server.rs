//! The composition root: one thread per listener, each with its own runtime, router and upstream channels,
//! so that a request never leaves the thread that accepted it.

mod accept;
mod connection;

use std::{io, net::TcpListener, panic::resume_unwind, sync::Arc, thread};

use axum::Router;
use service_runtime::{grpc::channel, lifecycle::Tasks};
use tokio::{runtime, sync::oneshot};

use crate::{
    config::Config,
    edge::Edge,
    pages,
    problem::Problem,
    transcode::{self, Upstreams},
};

/// Serves on every listener until the tasks are asked to stop, then finishes the requests that run.
/// `service_runtime::listen::bind_many` makes listeners that share one port.
///
/// # Errors
/// When a thread cannot be started.
pub fn serve(config: &Config, listeners: Vec<TcpListener>, tasks: &Tasks) -> io::Result<()> {
    for listener in listeners {
        let (config, stop) = (config.clone(), tasks.clone());
        let (ended, end) = oneshot::channel();
        thread::Builder::new().name("gateway".to_owned()).spawn(move || {
            // Nobody listens any more when the process is being torn down.
            let _unheard = ended.send(run(&config, listener, &stop));
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

fn run(config: &Config, listener: TcpListener, stop: &Tasks) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let edge = Arc::new(Edge::new(config, router(config)?));
        accept::until_stopped(listener, &edge, stop, config.shutdown_grace).await;
        Ok(())
    })
}

/// Everything the gateway serves. Its channels belong to the runtime it is made on.
fn router(config: &Config) -> io::Result<Router> {
    let upstreams = Upstreams {
        auth: channel::lazy(&config.auth_url).map_err(io::Error::other)?,
        course: channel::lazy(&config.course_url).map_err(io::Error::other)?,
        service_token: config.service_token.as_ref().map(|token| token.expose().clone()),
    };
    let api = transcode::router(&upstreams);
    let pages = pages::router(config, &api);
    Ok(api
        .merge(pages)
        .fallback(async || Problem::not_found())
        .method_not_allowed_fallback(async || Problem::wrong_method()))
}

use std::{collections::HashSet, sync::Mutex, time::Duration};

use http_body_util::BodyExt;
use tonic::service::Routes;
use tower::Service;

use super::*;
use crate::{grpc::server::serve, lifecycle::Tasks, listen, telemetry::Tracer};

/// How long a server is frozen.
const FROZEN: Duration = Duration::from_secs(8);

/// A server that answers with its own address, at once or after a while.
struct Server {
    address: SocketAddr,
    tasks: Tasks,
}

impl Server {
    fn start() -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into())
    }

    fn start_at(address: SocketAddr) -> Self {
        let listener = listen::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let name = move || async move { address.to_string() };
        let slow = move || async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            address.to_string()
        };
        // They keep the thread.
        let freeze = || async { std::thread::sleep(FROZEN) };
        let pause = || async { std::thread::sleep(Duration::from_millis(300)) };
        let routes = Routes::default()
            .into_axum_router()
            .route("/test.Test/Name", axum::routing::post(name))
            .route("/test.Test/Slow", axum::routing::post(slow))
            .route("/test.Test/Freeze", axum::routing::post(freeze))
            .route("/test.Test/Pause", axum::routing::post(pause));
        let tasks = Tasks::default();
        serve(listener, None, Routes::from(routes), Tracer::default(), &tasks).unwrap();
        Self { address, tasks }
    }

    async fn stop(&self) {
        self.tasks.stop();
        assert!(self.tasks.finished(Duration::from_secs(5)).await);
    }
}

/// A server on a thread of its own, to be frozen.
fn apart() -> SocketAddr {
    let (started, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let server = Server::start();
            started.send(server.address).unwrap();
            std::future::pending::<()>().await;
        });
    });
    address.recv().unwrap()
}

type Addresses = Arc<Mutex<Vec<SocketAddr>>>;

fn channel(servers: &[&Server]) -> (Channel, Addresses) {
    let addresses: Addresses = Arc::new(Mutex::new(servers.iter().map(|server| server.address).collect()));
    let known = Arc::clone(&addresses);
    let resolve = move || {
        let known = known.lock().unwrap().clone();
        let endpoint = |address| Endpoint {
            address,
            host: "test".into(),
        };
        async move { Ok(known.into_iter().map(endpoint).collect()) }
    };
    (
        Channel::resolved_by(&"http://test".parse().unwrap(), None, resolve),
        addresses,
    )
}

async fn ask(channel: &Channel, method: &str, timeout: &str) -> Result<String, Status> {
    let request = Request::post(format!("/test.Test/{method}"))
        .header("content-type", "application/grpc")
        .header("grpc-timeout", timeout)
        .body(Body::empty())
        .unwrap();
    let response = channel.clone().call(request).await?;
    if let Some(status) = Status::from_header_map(response.headers()) {
        return Err(status);
    }
    let body = response.into_body().collect().await.map_err(lost)?.to_bytes();
    Ok(String::from_utf8(body.to_vec()).unwrap())
}

async fn who(channel: &Channel) -> String {
    ask(channel, "Name", "5S").await.unwrap()
}

/// Waits until as many addresses as that are connected.
async fn connected_to(channel: &Channel, count: usize) {
    let mut connections = channel.connections.clone();
    let connected = connections.wait_for(|connections| connections.len() == count);
    tokio::time::timeout(Duration::from_secs(10), connected)
        .await
        .unwrap()
        .unwrap();
}

#[test]
fn an_address_is_a_scheme_a_host_and_a_port() {
    for bad in [
        "",
        "auth:50051",
        "http://u:p@auth:1",
        "http://auth/path",
        "ftp://a",
    ] {
        assert_eq!(
            Channel::to(bad).unwrap_err(),
            BadAddress::NoAddress(bad.to_owned())
        );
    }
    let untrusted = "https://auth:50051";
    assert_eq!(
        Channel::to(untrusted).unwrap_err(),
        BadAddress::NoAuthority(untrusted.to_owned())
    );
}

#[tokio::test]
async fn a_name_an_ipv4_and_an_ipv6_address_are_reached() {
    let server = Server::start();
    let port = server.address.port();
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(
            who(&Channel::to(&format!("http://{host}:{port}")).unwrap()).await,
            server.address.to_string()
        );
    }
    let server = Server::start_at("[::1]:0".parse().unwrap());
    let url = format!("http://{}", server.address);
    assert_eq!(who(&Channel::to(&url).unwrap()).await, server.address.to_string());
}

#[tokio::test]
async fn a_name_that_nobody_knows_does_not_take_the_others_away() {
    let server = Server::start();
    let channel = Channel::to(&format!("http://nobody.invalid:1,http://{}", server.address)).unwrap();
    assert_eq!(who(&channel).await, server.address.to_string());
}

#[tokio::test]
async fn slow_requests_are_spread_over_every_address() {
    let servers = [Server::start(), Server::start(), Server::start()];
    let (channel, _) = channel(&servers.each_ref());
    connected_to(&channel, 3).await;
    let asking = (0..9).map(|_| ask(&channel, "Slow", "5S"));
    let answered = futures_util::future::join_all(asking).await;
    for server in &servers {
        let share = answered
            .iter()
            .filter(|by| *by.as_ref().unwrap() == server.address.to_string());
        assert_eq!(share.count(), 3);
    }
}

#[tokio::test]
async fn requests_one_after_the_other_are_spread_too() {
    let servers = [Server::start(), Server::start(), Server::start()];
    let (channel, _) = channel(&servers.each_ref());
    connected_to(&channel, 3).await;
    let mut seen = Vec::new();
    for _ in 0..9 {
        seen.push(who(&channel).await);
    }
    for server in &servers {
        let share = seen.iter().filter(|by| **by == server.address.to_string());
        assert_eq!(share.count(), 3);
    }
}

#[tokio::test]
async fn a_rolling_restart_loses_no_request() {
    let (first, second) = (Server::start(), Server::start());
    let (channel, addresses) = channel(&[&first, &second]);
    connected_to(&channel, 2).await;
    let stop = Tasks::default();
    let answered = Arc::new(AtomicUsize::new(0));
    let callers = (0..8).map(|_| {
        let (channel, stop, answered) = (channel.clone(), stop.clone(), Arc::clone(&answered));
        async move {
            while !stop.is_stopping() {
                ask(&channel, "Name", "5S").await.unwrap();
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let restarting = async {
        let mut running = vec![first, second];
        for _ in 0..10 {
            let old = running.remove(0);
            old.stop().await;
            let new = Server::start_at(old.address);
            connected_to(&channel, 2).await;
            running.push(new);
            let before = answered.load(Ordering::Relaxed);
            while answered.load(Ordering::Relaxed) < before + 50 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        stop.stop();
        running
    };
    let (_, running) = tokio::join!(futures_util::future::join_all(callers), restarting);
    assert_eq!(addresses.lock().unwrap().len(), running.len());
}

#[tokio::test]
async fn a_dead_address_gets_nothing_and_is_back_when_it_is_back() {
    let (first, second) = (Server::start(), Server::start());
    let (channel, _) = channel(&[&first, &second]);
    connected_to(&channel, 2).await;
    first.stop().await;
    for _ in 0..50 {
        assert_eq!(who(&channel).await, second.address.to_string());
    }
    let first = Server::start_at(first.address);
    connected_to(&channel, 2).await;
    let asking = (0..4).map(|_| ask(&channel, "Slow", "5S"));
    let seen: HashSet<_> = futures_util::future::join_all(asking)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(seen.contains(&first.address.to_string()));
}

#[tokio::test]
async fn a_new_address_of_the_name_is_found_and_one_that_is_gone_finishes_what_it_has() {
    let (old, new) = (Server::start(), Server::start());
    let (channel, addresses) = channel(&[&old]);
    connected_to(&channel, 1).await;
    let asking = ask(&channel, "Slow", "10S");
    let moving = async {
        *addresses.lock().unwrap() = vec![new.address];
        let moved = async {
            while who(&channel).await != new.address.to_string() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), moved)
            .await
            .unwrap();
    };
    let (answered, ()) = tokio::join!(asking, moving);
    assert_eq!(answered.unwrap(), old.address.to_string());
}

#[tokio::test]
async fn nobody_there_is_unavailable_within_a_second_and_a_silent_one_is_too_late() {
    let server = Server::start();
    server.stop().await;
    let (nobody, _) = channel(&[&server]);
    let begun = Instant::now();
    let refused = ask(&nobody, "Name", "10S").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert!(begun.elapsed() >= PATIENCE && begun.elapsed() < PATIENCE * 5);
    let refused = ask(&nobody, "Name", "50m").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::DeadlineExceeded);

    // A listener that nobody accepts from.
    let deaf = listen::bind(([127, 0, 0, 1], 0).into()).unwrap();
    let silent = Channel::to(&format!("http://{}", deaf.local_addr().unwrap())).unwrap();
    let refused = ask(&silent, "Name", "200m").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::DeadlineExceeded);
    // The kernel connects in its name, which is no reason to wait for longer.
    let begun = Instant::now();
    let refused = ask(&silent, "Name", "10S").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert!(begun.elapsed() >= PATIENCE && begun.elapsed() < PATIENCE * 5);
}

#[tokio::test]
async fn one_that_freezes_is_given_up_and_is_back_when_it_goes_on() {
    let channel = Channel::to(&format!("http://{}", apart())).unwrap();
    who(&channel).await;
    let frozen = Instant::now();
    let lost = ask(&channel, "Freeze", "10S").await.unwrap_err();
    assert_eq!(lost.code(), tonic::Code::Unavailable);
    assert!(std::error::Error::source(&lost).is_some(), "{lost:?}");
    assert!(frozen.elapsed() < FROZEN, "{:?}", frozen.elapsed());
    let refused = ask(&channel, "Name", "10S").await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert!(frozen.elapsed() < FROZEN, "{:?}", frozen.elapsed());
    tokio::time::sleep_until(frozen + FROZEN).await;
    who(&channel).await;
}

#[tokio::test]
async fn one_that_is_late_itself_does_not_take_that_for_silence() {
    let channel = Channel::to(&format!("http://{}", apart())).unwrap();
    who(&channel).await;
    let before = channel.connections.borrow()[0].clone();
    for _ in 0..4 {
        // Pings are answered meanwhile; who is to read the answers stands still.
        std::thread::sleep(Duration::from_millis(2100));
        tokio::task::yield_now().await;
    }
    who(&channel).await;
    assert!(Arc::ptr_eq(&before, &channel.connections.borrow()[0]));
}

#[tokio::test]
async fn those_who_go_away_take_nobody_along() {
    let channel = Channel::to(&format!("http://{}", apart())).unwrap();
    who(&channel).await;
    let (slow, pause) = (ask(&channel, "Slow", "5S"), ask(&channel, "Pause", "5S"));
    let going = async {
        // What they ask, and that they go, comes while nobody looks.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let asking = (0..200).map(|_| tokio::time::timeout(Duration::from_millis(100), who(&channel)));
        futures_util::future::join_all(asking).await
    };
    let (slow, pause, gone) = tokio::join!(slow, pause, going);
    assert!(gone.iter().all(Result::is_err), "somebody was answered");
    slow.unwrap();
    pause.unwrap();
}

#[tokio::test]
async fn a_lost_answer_is_told_as_lost_and_not_asked_for_again() {
    // It takes a connection and a request, says nothing and hangs up.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let tasks = Tasks::default();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tasks.spawn("deaf server", async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let counted = Arc::clone(&counted);
            let service = hyper::service::service_fn(move |_request: Request<Incoming>| {
                counted.fetch_add(1, Ordering::SeqCst);
                async { Err::<Response<String>, _>(io::Error::other("no answer")) }
            });
            let served = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
                .serve_connection(hyper_util::rt::TokioIo::new(stream), service);
            drop(tokio::time::timeout(Duration::from_millis(300), served).await);
        }
    });
    let channel = Channel::to(&url).unwrap();
    let status = ask(&channel, "Name", "5S").await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert!(std::error::Error::source(&status).is_some());
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    tasks.stop();
}

#[tokio::test]
async fn more_than_it_holds_is_refused_at_once_and_the_rest_is_answered() {
    let server = Server::start();
    let (channel, _) = channel(&[&server]);
    connected_to(&channel, 1).await;
    let asking = (0..MOST_UNANSWERED + 50).map(|_| ask(&channel, "Slow", "20S"));
    let answers = futures_util::future::join_all(asking).await;
    let (answered, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((answered.len(), refused.len()), (MOST_UNANSWERED, 50));
    for status in refused {
        let status = status.unwrap_err();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        let details = tonic_types::StatusExt::get_error_details(&status);
        assert_eq!(details.error_info().unwrap().reason, "OVERLOADED");
        assert!(details.retry_info().unwrap().retry_delay.is_some());
    }
    assert_eq!(who(&channel).await, server.address.to_string());
}

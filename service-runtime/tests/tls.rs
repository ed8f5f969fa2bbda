//! TLS on listeners and between services: who is let in, who is believed, and what happens when files change.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed step is a failed test")]

use std::{fs, io, net::SocketAddr, time::Duration};

use axum::routing::post;
use http::Request;
use http_body_util::BodyExt;
use service_runtime::{
    admin,
    grpc::{
        channel::{Channel, Upstream},
        server::serve,
    },
    lifecycle::Tasks,
    listen,
    readiness::Readiness,
    settings::{Reader, Setting, Values},
    telemetry::Tracer,
    tls::{TLS_CA, TLS_CERT, TLS_KEY, Tls},
};
use tempfile::TempDir;
use test_support::certificate::{Authority, Certificate};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::{Code, Status, body::Body, service::Routes};
use tower::Service;

const PATIENCE: Duration = Duration::from_secs(30);
const SETTINGS: [Setting; 4] = [
    TLS_CERT,
    TLS_KEY,
    TLS_CA,
    Setting::optional("ADMIN_LISTEN", "Where"),
];

/// The files of one process.
struct Files(TempDir);

impl Files {
    fn of(certificate: &Certificate, authority: &Authority) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.put(certificate, authority);
        files
    }

    fn put(&self, certificate: &Certificate, authority: &Authority) {
        self.write("cert.pem", certificate.pem());
        self.write("key.pem", certificate.key_pem());
        self.write("ca.pem", authority.pem());
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    /// The settings that name these files.
    fn values(&self) -> Values {
        let path = |name| self.0.path().join(name).display().to_string();
        Values::default()
            .with("TLS_CERT", path("cert.pem"))
            .with("TLS_KEY", path("key.pem"))
            .with("TLS_CA", path("ca.pem"))
    }

    fn tls(&self) -> Tls {
        read(&self.values()).unwrap()
    }
}

fn read(values: &Values) -> Result<Tls, String> {
    let mut reader = Reader::new(values, &SETTINGS);
    let tls = Tls::of_services(&mut reader);
    reader.finish(tls).map_err(|faults| faults.to_string())
}

/// A service whose one method says a word.
fn service(tls: &Tls, tasks: &Tasks) -> SocketAddr {
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Routes::default()
        .into_axum_router()
        .route("/test.Test/Hello", post(async || "hello"));
    let routes = Routes::from(routes);
    serve(listener, tls.for_services(), routes, Tracer::default(), tasks).unwrap();
    address
}

fn channel(address: SocketAddr, tls: &Tls) -> Channel {
    Channel::at(&Upstream::read(&format!("https://{address}"), tls).unwrap())
}

async fn hello(channel: &Channel) -> Result<String, Status> {
    let request = Request::post("/test.Test/Hello")
        .header("content-type", "application/grpc")
        .body(Body::empty())
        .unwrap();
    let body = channel.clone().call(request).await?.into_body();
    Ok(String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

/// What the listener answers to somebody who shows no certificate.
async fn say(
    authority: &Authority,
    address: SocketAddr,
    name: &'static str,
    protocol: &str,
    said: &[u8],
) -> io::Result<String> {
    let name = ServerName::try_from(name).unwrap();
    let stream = TcpStream::connect(address).await?;
    let mut stream = authority.connector(&[protocol]).connect(name, stream).await?;
    stream.write_all(said).await?;
    let mut heard = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut heard)).await??;
    Ok(String::from_utf8_lossy(&heard).into_owned())
}

#[tokio::test]
async fn services_show_each_other_their_certificates() {
    let (authority, tasks) = (Authority::default(), Tasks::default());
    let server = Files::of(&authority.certificate(&["127.0.0.1"]), &authority).tls();
    let client = Files::of(&authority.certificate(&["gateway"]), &authority).tls();
    let address = service(&server, &tasks);
    assert_eq!(hello(&channel(address, &client)).await.unwrap(), "hello");
}

#[tokio::test]
async fn who_cannot_show_what_is_asked_for_is_not_served() {
    let (authority, other, tasks) = (Authority::default(), Authority::default(), Tasks::default());
    let names = ["127.0.0.1"];
    let server = Files::of(&authority.certificate(&names), &authority).tls();
    let address = service(&server, &tasks);
    for (caller, why) in [
        (
            Files::of(&other.certificate(&names), &authority),
            "of another authority",
        ),
        (
            Files::of(&authority.expired_certificate(&names), &authority),
            "expired",
        ),
        (
            Files::of(&Certificate::for_localhost(), &authority),
            "signed by itself",
        ),
    ] {
        let refused = hello(&channel(address, &caller.tls())).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{why}");
    }

    // Nor who shows nothing or speaks in the clear.
    let plain = Channel::to(&format!("http://{address}")).unwrap();
    assert_eq!(hello(&plain).await.unwrap_err().code(), Code::Unavailable);
    let said = say(
        &authority,
        address,
        "127.0.0.1",
        "h2",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    )
    .await;
    assert!(said.is_err(), "{said:?}");
}

#[tokio::test]
async fn a_service_that_cannot_show_who_it_is_is_not_called() {
    let (authority, other, tasks) = (Authority::default(), Authority::default(), Tasks::default());
    let client = Files::of(&authority.certificate(&["gateway"]), &authority).tls();
    for (certificate, why) in [
        (authority.certificate(&["127.0.0.2", "localhost"]), "another name"),
        (authority.expired_certificate(&["127.0.0.1"]), "expired"),
        (other.certificate(&["127.0.0.1"]), "another authority"),
    ] {
        let impostor = Files::of(&certificate, &authority).tls();
        let address = service(&impostor, &tasks);
        let refused = hello(&channel(address, &client)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unavailable, "{why}");
    }
}

#[tokio::test]
async fn changed_files_are_read_without_a_restart() {
    let (before, after, tasks) = (Authority::default(), Authority::default(), Tasks::default());
    let files = Files::of(&before.certificate(&["127.0.0.1"]), &before);
    let server = files.tls();
    server.follow(&tasks);
    let address = service(&server, &tasks);
    let old = Files::of(&before.certificate(&["old"]), &before).tls();
    let new = Files::of(&after.certificate(&["new"]), &after).tls();
    let open = channel(address, &old);
    assert_eq!(hello(&open).await.unwrap(), "hello");

    // A key that does not go with its certificate, as in the middle of a change: the former ones go on.
    files.write("key.pem", after.certificate(&["127.0.0.1"]).key_pem());
    sleep(Duration::from_secs(6)).await;
    assert_eq!(hello(&channel(address, &old)).await.unwrap(), "hello");

    files.put(&after.certificate(&["127.0.0.1"]), &after);
    let begun = Instant::now();
    while hello(&channel(address, &new)).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "the new certificate is not shown");
    }
    // Who is connected stays so; who comes anew has to show a certificate of the new authority.
    assert_eq!(hello(&open).await.unwrap(), "hello");
    assert!(hello(&channel(address, &old)).await.is_err());
}

#[tokio::test]
async fn a_caller_shows_its_new_certificate_when_it_connects_again() {
    let (before, after, tasks) = (Authority::default(), Authority::default(), Tasks::default());
    let files = Files::of(&before.certificate(&["gateway"]), &before);
    let client = files.tls();
    client.follow(&tasks);
    let server = Files::of(&after.certificate(&["127.0.0.1"]), &after).tls();
    let channel = channel(service(&server, &tasks), &client);
    assert_eq!(hello(&channel).await.unwrap_err().code(), Code::Unavailable);
    files.put(&after.certificate(&["gateway"]), &after);
    let begun = Instant::now();
    while hello(&channel).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "the new certificate is not shown");
    }
}

#[tokio::test]
async fn operators_are_answered_over_tls_without_a_certificate_of_their_own() {
    let (authority, tasks) = (Authority::default(), Tasks::default());
    // Not even for the address that is called.
    let files = Files::of(&authority.certificate(&["auth-service"]), &authority);
    let (readiness, tls) = (Readiness::default(), files.tls());
    readiness.set("database", false);
    let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    admin::serve(listener, tls.for_anyone(), readiness.clone(), &tasks).unwrap();
    let values = files.values().with("ADMIN_LISTEN", address.to_string());
    let waiting = admin::ask(&values, &SETTINGS).await.unwrap_err();
    assert_eq!(waiting.to_string(), "not ready: database");
    readiness.set("database", true);
    admin::ask(&values, &SETTINGS).await.unwrap();

    let asking = b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answered = say(&authority, address, "auth-service", "http/1.1", asking).await;
    assert!(answered.unwrap().ends_with("alive\n"));

    // Somebody else in its place is not believed.
    let impostor = Files::of(&authority.certificate(&["auth-service"]), &authority);
    let values = impostor.values().with("ADMIN_LISTEN", address.to_string());
    let refused = admin::ask(&values, &SETTINGS).await.unwrap_err();
    assert!(refused.to_string().contains("nobody answers"), "{refused}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_cut_off() {
    let (authority, tasks) = (Authority::default(), Tasks::default());
    let server = Files::of(&authority.certificate(&["127.0.0.1"]), &authority).tls();
    let address = service(&server, &tasks);
    for said in [&b""[..], b"\x16\x03\x01\x02", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut heard = Vec::new();
        let ended = timeout(PATIENCE, stream.read_to_end(&mut heard)).await;
        assert!(ended.is_ok(), "{said:?}");
        assert!(!heard.starts_with(b"HTTP"), "{heard:?}");
    }

    // Nor does it hold up the end of the process.
    let _silent = TcpStream::connect(address).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    tasks.stop();
    assert!(tasks.finished(Duration::from_secs(3)).await);
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let authority = Authority::default();
    let certificate = authority.certificate(&["127.0.0.1"]);
    let fault = |change: &dyn Fn(&Files), unset: &[&str]| {
        let files = Files::of(&certificate, &authority);
        change(&files);
        let all = files.values();
        let names = ["TLS_CERT", "TLS_KEY", "TLS_CA"];
        let kept = names.iter().filter(|name| !unset.contains(*name));
        let values = kept.fold(Values::default(), |values, name| {
            values.with(name, all.get(name).unwrap())
        });
        read(&values).unwrap_err()
    };
    let said = fault(&|files| files.write("cert.pem", "no certificate"), &[]);
    assert!(
        said.contains("TLS_CERT: ") && said.contains("holds no certificate in PEM"),
        "{said}"
    );
    let said = fault(&|files| files.write("key.pem", "hunter2"), &[]);
    assert!(
        said.contains("TLS_KEY: ") && said.contains("holds no private key in PEM"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
    let foreign = authority.certificate(&["127.0.0.1"]);
    let said = fault(&|files| files.write("key.pem", foreign.key_pem()), &[]);
    assert!(
        said.contains("TLS_KEY: ") && said.contains("does not go with the certificate"),
        "{said}"
    );
    let said = fault(&|files| files.write("ca.pem", ""), &[]);
    assert!(said.contains("TLS_CA: "), "{said}");
    let said = fault(
        &|files| fs::remove_file(files.0.path().join("ca.pem")).unwrap(),
        &[],
    );
    assert!(
        said.contains("TLS_CA: ") && said.contains("cannot be read"),
        "{said}"
    );
    let said = fault(&|_| {}, &["TLS_KEY"]);
    assert!(said.contains("TLS_CERT and TLS_KEY go together"), "{said}");
    let said = fault(&|_| {}, &["TLS_CERT", "TLS_KEY"]);
    assert!(said.contains("TLS_CA needs TLS_CERT and TLS_KEY"), "{said}");
    assert!(read(&Values::default()).unwrap().for_anyone().is_none());
}

#[test]
fn with_an_authority_nobody_is_called_in_the_clear() {
    let authority = Authority::default();
    let tls = Files::of(&authority.certificate(&["a"]), &authority).tls();
    let in_the_clear = Upstream::read("https://a:1,http://b:1", &tls).unwrap_err();
    assert!(in_the_clear.to_string().contains("must begin with https://"));
    let untrusted = Upstream::read("https://a:1", &Tls::default()).unwrap_err();
    assert!(untrusted.to_string().contains("TLS_CA"), "{untrusted}");
}

#[test]
fn no_debug_shows_a_key() {
    let authority = Authority::default();
    let certificate = authority.certificate(&["a"]);
    let files = Files::of(&certificate, &authority);
    let shown = format!("{:?}", files.tls());
    assert!(shown.contains("key.pem"), "{shown}");
    assert!(shown.len() < 1000, "{shown}");
}

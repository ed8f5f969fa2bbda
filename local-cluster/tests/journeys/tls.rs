//! The three services with certificates: nothing between them, and nothing between them and browsers, is said in the
//! clear, and who has no certificate of theirs is not let in.

use std::{fs, net::SocketAddr, path::Path};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, client::conn::http1};
use hyper_util::rt::TokioIo;
use proto::auth::v1::{LoginRequest, session_service_client::SessionServiceClient};
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    grpc::channel::Channel,
    lifecycle::Tasks,
    listen,
    settings::{Reader, Setting, Values},
    tls::{TLS_CA, TLS_CERT, TLS_KEY, Tls},
};
use test_support::certificate::Authority;
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::Code;

const STAFF: (&str, &str) = ("staff@example.org", "gravel lantern octopus");

/// The settings of a service that shows a certificate for this name.
fn settings(folder: &Path, authority: &Authority, name: &str) -> Values {
    let put = |file: String, text: &str| {
        let path = folder.join(file);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let certificate = authority.certificate(&[name, "127.0.0.1"]);
    Values::default()
        .with("TLS_CERT", put(format!("{name}.pem"), certificate.pem()))
        .with("TLS_KEY", put(format!("{name}.key"), certificate.key_pem()))
        .with("TLS_CA", put("ca.pem".to_owned(), authority.pem()))
        .with("DATA_DIR", folder.display().to_string())
        .with("SERVICE_TOKEN", "a-service-token-of-the-tests-0123456789")
        .with("STAFF_USERNAME", STAFF.0)
        .with("STAFF_PASSWORD", STAFF.1)
}

/// Sends JSON to the gateway as a browser does that trusts the authority.
async fn send(
    gateway: SocketAddr,
    authority: &Authority,
    (method, path): (&str, &str),
    token: &str,
    body: Value,
) -> (u16, Value) {
    let stream = TcpStream::connect(gateway).await.unwrap();
    let name = ServerName::try_from("gateway").unwrap();
    let stream = authority
        .connector(&["http/1.1"])
        .connect(name, stream)
        .await
        .unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {token}"))
        .body(Full::<Bytes>::from(body.to_string()))
        .unwrap();
    let asking = async move {
        let (head, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), serde_json::from_slice(&body).unwrap())
    };
    let (answered, _ended) = tokio::join!(asking, connection);
    answered
}

#[tokio::test]
async fn services_with_certificates_do_everything_over_tls() {
    let (folder, authority, tasks) = (
        tempfile::tempdir().unwrap(),
        Authority::default(),
        Tasks::default(),
    );
    let [auth, course, gateway] = [(); 3].map(|()| listen::bind(([127, 0, 0, 1], 0).into()).unwrap());
    let [auth_at, course_at, gateway_at] = [&auth, &course, &gateway].map(|one| one.local_addr().unwrap());
    let settings = |name| {
        settings(folder.path(), &authority, name)
            .with("AUTH_URL", format!("https://{auth_at}"))
            .with("COURSE_URL", format!("https://{course_at}"))
    };
    let config = auth_service::Config::from_values(&settings("auth-service")).unwrap();
    auth_service::serve(config, auth, None, Clock::system(), &tasks)
        .await
        .unwrap();
    let config = course_service::config::Config::from_values(&settings("course-service")).unwrap();
    course_service::server::serve(config, course, None, Clock::system(), &tasks)
        .await
        .unwrap();
    let config = gateway::config::Config::from_values(&settings("gateway")).unwrap();
    gateway::server::serve(&config, vec![gateway], &tasks).unwrap();

    let login = json!({"username": STAFF.0, "password": STAFF.1});
    let send = async |what, token: &str, body| send(gateway_at, &authority, what, token, body).await;
    let (status, session) = send(("POST", "/api/v1/auth/login"), "", login).await;
    assert_eq!(status, 200, "{session}");
    let access = session["access"].as_str().unwrap();
    // The gateway asks course-service, which asks auth-service.
    let course = json!({"title": "Said to nobody else", "description": "d", "price": "10.99"});
    let (status, made) = send(("POST", "/api/v1/courses"), access, course).await;
    assert_eq!(status, 201, "{made}");

    // auth-service asks course-service.
    let (status, export) = send(("GET", "/api/v1/me/export"), access, json!({})).await;
    assert_eq!(status, 200, "{export}");
    assert_eq!(export["courses_taught"][0]["title"], "Said to nobody else");

    // Who has no certificate, or one of another authority, is not even listened to.
    let login = || LoginRequest {
        username: STAFF.0.to_owned(),
        password: STAFF.1.to_owned(),
        code: String::new(),
    };
    let plain = Channel::to(&format!("http://{auth_at}")).unwrap();
    let refused = SessionServiceClient::new(plain).login(login()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let elsewhere = tempfile::tempdir().unwrap();
    let stranger = self::settings(elsewhere.path(), &Authority::default(), "stranger");
    fs::write(elsewhere.path().join("ca.pem"), authority.pem()).unwrap();
    let refused = SessionServiceClient::new(channel(auth_at, &stranger))
        .login(login())
        .await;
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
    // An operator with one may come.
    let operator = settings("operator");
    SessionServiceClient::new(channel(auth_at, &operator))
        .login(login())
        .await
        .unwrap();

    tasks.stop();
    assert!(tasks.finished(std::time::Duration::from_secs(30)).await);
}

/// A channel of whoever has these files.
fn channel(address: SocketAddr, files: &Values) -> Channel {
    const SETTINGS: [Setting; 3] = [TLS_CERT, TLS_KEY, TLS_CA];
    let mut reader = Reader::new(files, &SETTINGS);
    let tls = Tls::of_services(&mut reader);
    let tls = reader.finish(tls).unwrap();
    let upstream = service_runtime::grpc::channel::Upstream::read(&format!("https://{address}"), &tls);
    Channel::at(&upstream.unwrap())
}

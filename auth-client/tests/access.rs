//! The layer lets through whom the contract says a method is for, asks how fresh it must, and nobody gets in where it
//! was forgotten.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something is not as it should be"
)]

use std::{
    convert::Infallible,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_client::{
    access::{AccessLayer, Grant, Identify, Rights, Verdict},
    callers::Freshness,
};
use chrono::{DateTime, TimeDelta, Utc};
use http::{Request, Response};
use service_runtime::{
    clock::Clock,
    grpc::{
        context::{RequestContext, bad_token},
        service_token::ServiceTokens,
    },
    secret::Secret,
};
use tonic::{Code, Status, body::Body};
use tonic_types::StatusExt;
use tower::{Layer, Service, service_fn};

const NOW: &str = "2026-03-01T12:00:00Z";
const READ: &str = "/onlineedu.course.v1.CourseService/GetCourse";
const CREATE: &str = "/onlineedu.course.v1.CourseService/CreateCourse";
const UPDATE: &str = "/onlineedu.course.v1.CourseService/UpdateCourse";
const DELETE: &str = "/onlineedu.course.v1.CourseService/DeleteCourse";
const STUDENTS: &str = "/onlineedu.course.v1.EnrollmentService/ListStudents";
const PROFILE: &str = "/onlineedu.auth.v1.AccountService/UpdateProfile";
const LOGIN: &str = "/onlineedu.auth.v1.SessionService/Login";
const AUTHORIZE: &str = "/onlineedu.auth.v1.TokenService/Authorize";
/// A method that refuses whoever calls it.
const REFUSING: &str = UPDATE;
/// One that says that what they ask for is not there, though it is.
const HIDING: &str = "/onlineedu.course.v1.CourseService/UndeleteCourse";
/// One that refuses because of somebody else.
const ADD: &str = "/onlineedu.course.v1.CourseService/AddInstructor";
const HEALTH: &str = "/grpc.health.v1.Health/Check";

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

/// A caller named by their token.
#[derive(Debug)]
struct Person {
    name: String,
    is_staff: bool,
    proved: Option<DateTime<Utc>>,
}

impl Rights for Person {
    fn is_staff(&self) -> bool {
        self.is_staff
    }

    fn has_second_factor(&self, max_age: Duration, now: DateTime<Utc>) -> bool {
        self.proved
            .is_some_and(|proved| now - proved <= TimeDelta::from_std(max_age).unwrap())
    }
}

/// Knows ada, who is a user, and eve, who is staff; says nothing of others. Notes how fresh it was asked to be, and who
/// was denied what.
#[derive(Clone, Default)]
struct People(Arc<Mutex<Vec<Freshness>>>, Arc<Mutex<Vec<String>>>);

impl Identify for People {
    type Caller = Person;

    async fn identify(
        &self,
        _: &RequestContext,
        access_token: &str,
        freshness: Freshness,
    ) -> Result<Arc<Person>, Status> {
        self.0.lock().unwrap().push(freshness);
        let is_staff = match access_token {
            "ada" => false,
            "eve" => true,
            _ => return Err(bad_token()),
        };
        Ok(Arc::new(Person {
            name: access_token.to_owned(),
            is_staff,
            proved: None,
        }))
    }

    fn denied(&self, context: &RequestContext, client: Option<IpAddr>, caller: Option<&Person>) {
        let who = caller.map_or("a stranger", |caller| &caller.name);
        let from = client.map(|client| client.to_string()).unwrap_or_default();
        let told = format!("{who} from {from} in {}", context.request_id);
        self.1.lock().unwrap().push(told);
    }
}

/// What a request gets through the layer: who the method was told it is, or the refusal.
async fn call(people: &People, path: &str, headers: &[(&'static str, &str)]) -> Result<String, Status> {
    let method = service_fn(|request: Request<()>| async move {
        let verdict = |request: &Request<()>| {
            let grant = request.extensions().get::<Grant<Person>>();
            grant.unwrap().verdict.clone()
        };
        match request.uri().path() {
            REFUSING => return Ok(Status::permission_denied("not yours").into_http()),
            HIDING => {
                verdict(&request).denied();
                return Ok(Status::not_found("nothing").into_http());
            }
            ADD => {
                verdict(&request).entitled();
                return Ok(Status::permission_denied("not them").into_http());
            }
            _ => {}
        }
        let caller = match request.extensions().get::<Grant<Person>>() {
            Some(Grant { caller, .. }) => caller
                .as_ref()
                .map_or_else(|| "a stranger".to_owned(), |caller| caller.name.clone()),
            None => "not looked at".to_owned(),
        };
        let mut response = Response::new(Body::empty());
        response.headers_mut().insert("who", caller.parse().unwrap());
        Ok::<_, Infallible>(response)
    });
    let services = ServiceTokens::new(&[Secret::new("ours".to_owned())]);
    let layer = AccessLayer::new(people.clone(), services, Clock::turnable(now()));
    let mut request = Request::builder().uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = layer.layer(method).call(request.body(()).unwrap()).await.unwrap();
    match answer.headers().get("who") {
        Some(who) => Ok(who.to_str().unwrap().to_owned()),
        None => Err(Status::from_header_map(answer.headers()).unwrap()),
    }
}

async fn as_user(path: &str, token: &str) -> Result<String, Status> {
    call(
        &People::default(),
        path,
        &[("authorization", &format!("Bearer {token}"))],
    )
    .await
}

fn reason(answer: Result<String, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (
        status.code(),
        status.get_error_details().error_info().unwrap().reason.clone(),
    )
}

#[tokio::test]
async fn a_method_for_anyone_looks_at_no_token() {
    let people = People::default();
    for token in ["ada", "made-up"] {
        let bearer = format!("Bearer {token}");
        let who = call(&people, LOGIN, &[("authorization", &bearer)]).await;
        assert_eq!(who.unwrap(), "a stranger");
    }
    assert!(people.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_visitor_is_a_stranger_or_known_but_never_an_impostor() {
    assert_eq!(call(&People::default(), READ, &[]).await.unwrap(), "a stranger");
    assert_eq!(as_user(READ, "ada").await.unwrap(), "ada");
    let impostor = reason(as_user(READ, "made-up").await);
    assert_eq!(impostor, (Code::Unauthenticated, "TOKEN_INVALID".to_owned()));
    let malformed = call(&People::default(), READ, &[("authorization", "Basic YTpi")]).await;
    assert_eq!(
        reason(malformed),
        (Code::Unauthenticated, "TOKEN_INVALID".to_owned())
    );
}

#[tokio::test]
async fn users_staff_and_instructors_are_known_first() {
    for path in [PROFILE, CREATE, DELETE, STUDENTS] {
        let stranger = reason(call(&People::default(), path, &[]).await);
        assert_eq!(
            stranger,
            (Code::Unauthenticated, "TOKEN_REQUIRED".to_owned()),
            "{path}"
        );
        // What a service shows makes nobody a user.
        let service = reason(call(&People::default(), path, &[("x-service-token", "ours")]).await);
        assert_eq!(service.0, Code::Unauthenticated, "{path}");
        assert_eq!(as_user(path, "eve").await.unwrap(), "eve", "{path}");
    }
    assert_eq!(as_user(PROFILE, "ada").await.unwrap(), "ada");
    // Which course it is, and whether the proof of a second factor is missing to those who may, the method tells.
    assert_eq!(as_user(DELETE, "ada").await.unwrap(), "ada");
    assert_eq!(as_user(STUDENTS, "ada").await.unwrap(), "ada");
    let refused = as_user(CREATE, "ada").await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(
        refused.message(),
        "Must be logged in as administrator to create a course"
    );
}

#[tokio::test]
async fn only_services_call_what_is_for_services() {
    for headers in [
        &[][..],
        &[("x-service-token", "theirs")],
        &[("authorization", "Bearer eve")],
    ] {
        let refused = reason(call(&People::default(), AUTHORIZE, headers).await);
        let expected = (Code::PermissionDenied, "SERVICE_TOKEN_REQUIRED".to_owned());
        assert_eq!(refused, expected, "{headers:?}");
    }
    let service = call(&People::default(), AUTHORIZE, &[("x-service-token", "ours")]).await;
    assert_eq!(service.unwrap(), "a stranger");
}

#[tokio::test]
async fn who_reads_may_be_remembered_and_who_writes_is_asked_about_now() {
    for (path, freshness) in [
        (READ, Freshness::Remembered),
        (CREATE, Freshness::Current),
        (DELETE, Freshness::Current),
    ] {
        let people = People::default();
        call(&people, path, &[("authorization", "Bearer eve")])
            .await
            .unwrap();
        assert_eq!(*people.0.lock().unwrap(), [freshness], "{path}");
    }
}

#[tokio::test]
async fn who_is_denied_something_is_told_once_and_nobody_else() {
    let people = People::default();
    let bearer = [("authorization", "Bearer ada")];
    let eves = [("authorization", "Bearer eve")];
    let passed_on = [
        ("authorization", "Bearer ada"),
        ("x-service-token", "ours"),
        ("x-client-address", "203.0.113.7"),
    ];
    let told = [("x-client-address", "203.0.113.7")];
    for (path, headers) in [
        (CREATE, &bearer[..]),
        (CREATE, &passed_on),
        (AUTHORIZE, &told),
        // By the method itself.
        (REFUSING, &bearer),
        (HIDING, &eves),
    ] {
        call(&people, path, headers).await.unwrap_err();
    }
    // Not for want of rights, or of the rights of another one, or not at all.
    for (path, headers) in [(CREATE, &[][..]), (ADD, &bearer), (PROFILE, &bearer), (READ, &[])] {
        drop(call(&people, path, headers).await);
    }
    assert_eq!(
        *people.1.lock().unwrap(),
        [
            "ada from  in unknown",
            "ada from 203.0.113.7 in unknown",
            "a stranger from  in unknown",
            "ada from  in unknown",
            "eve from  in unknown",
        ]
    );
}

#[tokio::test]
async fn what_is_not_of_the_contract_is_let_through_unseen() {
    for path in [HEALTH, "/nobody/knows", "/"] {
        assert_eq!(as_user(path, "made-up").await.unwrap(), "not looked at", "{path}");
    }
}

#[test]
fn a_method_behind_no_layer_lets_nobody_in() {
    let request = tonic::Request::new(());
    assert_eq!(Grant::<Person>::of(&request).unwrap_err().code(), Code::Internal);
    assert_eq!(
        Grant::<Person>::caller(&request).unwrap_err().code(),
        Code::Internal
    );
    // A stranger whom a method for anyone let in is not a caller.
    let mut request = tonic::Request::new(());
    let stranger = Grant::<Person> {
        caller: None,
        second_factor: None,
        verdict: Verdict::default(),
    };
    request.extensions_mut().insert(stranger);
    assert!(Grant::<Person>::of(&request).is_ok());
    assert_eq!(
        Grant::<Person>::caller(&request).unwrap_err().code(),
        Code::Internal
    );
}

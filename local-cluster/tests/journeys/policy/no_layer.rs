//! A composition root that forgot the access layer: the services by themselves serve nobody but those who may be anyone.

use auth_client::authorize::AuthClient;
use auth_service::{
    course_client::CourseClient,
    domain::{export::Exports, security_state::SecurityState},
    grpc::{
        Callers, account::AccountApi, factor::FactorApi, session::SessionApi, token::TokenApi, user::UserApi,
    },
};
use course_service::{
    domain::Courses,
    grpc::{CourseGrpc, EnrollmentGrpc, PersonGrpc},
};
use proto::{
    access::{Audience, policy},
    auth::v1::{
        account_service_server::AccountServiceServer, factor_service_server::FactorServiceServer,
        session_service_server::SessionServiceServer, token_service_server::TokenServiceServer,
        user_service_server::UserServiceServer,
    },
    course::v1::{
        course_service_server::CourseServiceServer, enrollment_service_server::EnrollmentServiceServer,
        person_service_server::PersonServiceServer,
    },
};
use service_runtime::{
    clock::Clock,
    entropy::Entropy,
    grpc::{channel::Channel, service_token::ServiceTokens},
    lifecycle::Tasks,
    mac::Mac,
    page_token::PageTokens,
    secret::Secret,
    settings::Values,
};
use tonic::{
    Code, Status,
    body::Body,
    codegen::{Service, http},
    service::Routes,
};

use crate::support::dynamic::methods;

const SERVICE_TOKEN: &str = "service-token-for-tests-0123456789";

#[tokio::test]
async fn a_service_behind_no_layer_serves_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let values = Values::default()
        .with("DATA_DIR", folder.path().to_str().unwrap())
        .with("SERVICE_TOKEN", SERVICE_TOKEN);
    let tasks = Tasks::default();
    let mut routes = add_courses(auth_routes(&values, &tasks).await, &values).await;
    let mut open = Vec::new();
    for method in methods() {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        if policy(&path).unwrap().audience == Audience::Anyone {
            continue;
        }
        // A message that says nothing, and whatever may be shown.
        let request = http::Request::post(&path)
            .header("content-type", "application/grpc")
            .header("authorization", "Bearer made-up")
            .header("x-service-token", SERVICE_TOKEN)
            .body(Body::new("\0\0\0\0\0".to_owned()))
            .unwrap();
        let answer = routes.call(request).await.unwrap();
        let code = Status::from_header_map(answer.headers()).map(|status| status.code());
        if code != Some(Code::Internal) {
            open.push(format!("{path}: {code:?}"));
        }
    }
    tasks.stop();
    assert!(open.is_empty(), "{}", open.join("\n"));
}

/// auth-service, as far as it is its services.
async fn auth_routes(values: &Values, tasks: &Tasks) -> Routes {
    let config = auth_service::Config::from_values(values).unwrap();
    let clock = Clock::system();
    let rules = auth_service::open_rules(&config, &clock, &Entropy::default())
        .await
        .unwrap();
    let callers = Callers {
        sessions: rules.sessions.clone(),
        services: ServiceTokens::new(&config.service_tokens),
        events: rules.events.clone(),
    };
    let courses = CourseClient::new(nowhere(), &Secret::new(SERVICE_TOKEN.to_owned())).unwrap();
    let security = SecurityState::open(rules.store.clone(), rules.sessions.keys.clone());
    let account = AccountApi {
        accounts: rules.accounts,
        erasures: rules.erasures,
        exports: Exports {
            store: rules.store,
            clock,
            events: rules.events.clone(),
            throttle: rules.sessions.throttle.clone(),
            courses,
        },
        callers: callers.clone(),
        fingerprints: Mac::derive(&[], "idempotency"),
    };
    let session = SessionApi {
        sessions: rules.sessions.clone(),
        callers: callers.clone(),
    };
    let factor = FactorApi {
        factors: rules.sessions.factors.clone(),
        callers: callers.clone(),
    };
    let user = UserApi {
        users: rules.users.clone(),
        events: rules.events.clone(),
        callers,
    };
    let token = TokenApi {
        sessions: rules.sessions,
        users: rules.users,
        security: security.await.unwrap(),
        events: rules.events,
        tasks: tasks.clone(),
    };
    Routes::new(AccountServiceServer::new(account))
        .add_service(SessionServiceServer::new(session))
        .add_service(FactorServiceServer::new(factor))
        .add_service(UserServiceServer::new(user))
        .add_service(TokenServiceServer::new(token))
}

/// The same of course-service.
async fn add_courses(routes: Routes, values: &Values) -> Routes {
    let config = course_service::config::Config::from_values(values).unwrap();
    let courses = Courses {
        store: course_service::server::migrate(&config).await.unwrap(),
        auth: AuthClient::new(nowhere(), &Secret::new(SERVICE_TOKEN.to_owned())).unwrap(),
        clock: Clock::system(),
        entropy: Entropy::default(),
        page_tokens: PageTokens::new(Mac::derive(&[], "page-token")),
        currency: config.default_currency,
    };
    routes
        .add_service(CourseServiceServer::new(CourseGrpc::new(courses.clone())))
        .add_service(EnrollmentServiceServer::new(EnrollmentGrpc::new(courses.clone())))
        .add_service(PersonServiceServer::new(PersonGrpc::new(courses)))
}

/// A channel to where nobody listens.
fn nowhere() -> Channel {
    Channel::to("http://127.0.0.1:1").unwrap()
}

//! The same journey over gRPC, and what an operator asks a service about itself.

use std::collections::BTreeSet;

use prost_types::FieldMask;
use proto::{
    auth::v1::{
        AuthorizeRequest, BatchGetUsersRequest, GetProfileRequest, ListUsersRequest, LoginRequest,
        LogoutRequest, Profile, RefreshRequest, RegisterRequest, UpdateProfileRequest, VerifyEmailRequest,
        account_service_client::AccountServiceClient, session_service_client::SessionServiceClient,
        token_service_client::TokenServiceClient, user_service_client::UserServiceClient,
    },
    course::v1::{
        AddInstructorRequest, Course, CreateCourseRequest, GetCourseRequest, ListCoursesRequest,
        UpdateCourseRequest, course_service_client::CourseServiceClient,
    },
};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tonic_types::StatusExt;

use crate::support::{PASSWORD, STAFF, World};

crate::on_every_ground!(an_account_is_made_and_used, a_course_is_made_changed_and_seen,);

fn with<T>(access: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = format!("Bearer {access}").parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask {
        paths: paths.iter().map(|path| (*path).to_owned()).collect(),
    })
}

#[track_caller]
fn refused<T: std::fmt::Debug>(
    answer: Result<tonic::Response<T>, Status>,
    code: Code,
    reason: &str,
    sentence: &str,
) {
    let status = answer.expect_err("this should be refused");
    let details = status.get_error_details();
    let info = details.error_info().expect("an ErrorInfo");
    assert_eq!(
        (
            status.code(),
            info.domain.as_str(),
            info.reason.as_str(),
            status.message()
        ),
        (code, "onlineedu", reason, sentence)
    );
}

async fn an_account_is_made_and_used(world: &World) {
    let mut accounts = AccountServiceClient::new(world.auth());
    let mut sessions = SessionServiceClient::new(world.auth());
    let mut tokens = TokenServiceClient::new(world.auth());
    let mut users = UserServiceClient::new(world.auth());

    let register = RegisterRequest {
        username: "ada@example.org".to_owned(),
        password: PASSWORD.to_owned(),
        confirm_password: PASSWORD.to_owned(),
        request_id: "key-1".to_owned(),
        ..RegisterRequest::default()
    };
    let user = accounts.register(register.clone()).await.unwrap().into_inner();
    assert!(!user.is_active);
    let again = accounts.register(register.clone()).await.unwrap().into_inner();
    assert_eq!(user, again);
    let other_input = RegisterRequest {
        first_name: "Ada".to_owned(),
        ..register
    };
    let sentence = "This idempotency key was used with other input.";
    let reused = accounts.register(other_input).await;
    refused(reused, Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED", sentence);
    let empty = accounts.register(RegisterRequest::default()).await.unwrap_err();
    let fields = empty
        .get_error_details()
        .bad_request()
        .unwrap()
        .field_violations
        .clone();
    let fields: Vec<_> = fields
        .iter()
        .map(|field| (field.field.as_str(), field.description.as_str()))
        .collect();
    assert_eq!(
        fields,
        [
            ("username", "The username field is required"),
            ("password", "The password field is required"),
            ("confirm_password", "The confirm password field is required"),
        ]
    );

    let login = LoginRequest {
        username: "ada@example.org".to_owned(),
        password: PASSWORD.to_owned(),
        code: String::new(),
    };
    let early = sessions.login(login.clone()).await;
    refused(
        early,
        Code::Unauthenticated,
        "INVALID_CREDENTIALS",
        "Invalid username/password",
    );
    let token = world.token_to("ada@example.org").await;
    accounts.verify_email(VerifyEmailRequest { token }).await.unwrap();
    let pair = sessions.login(login).await.unwrap().into_inner();

    let profile = accounts
        .get_profile(with(&pair.access, GetProfileRequest {}))
        .await
        .unwrap()
        .into_inner();
    let update = |etag: &str| UpdateProfileRequest {
        profile: Some(Profile {
            first_name: "Ada".to_owned(),
            last_name: "is not in the mask".to_owned(),
            ..Profile::default()
        }),
        update_mask: mask(&["first_name"]),
        etag: etag.to_owned(),
    };
    let changed = accounts
        .update_profile(with(&pair.access, update(&profile.etag)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (changed.first_name.as_str(), changed.last_name.as_str()),
        ("Ada", "")
    );
    let late = accounts
        .update_profile(with(&pair.access, update(&profile.etag)))
        .await;
    let sentence = "It was changed in the meantime. Read it again.";
    refused(late, Code::Aborted, "ETAG_MISMATCH", sentence);

    let denied = users
        .list_users(with(&pair.access, ListUsersRequest::default()))
        .await;
    refused(
        denied,
        Code::PermissionDenied,
        "STAFF_REQUIRED",
        "Only administrators may do this.",
    );

    // What services ask.
    let service = |message: AuthorizeRequest| {
        let mut request = Request::new(message);
        let token = world.cluster.service_token.parse().unwrap();
        request.metadata_mut().insert("x-service-token", token);
        request
    };
    let about = AuthorizeRequest {
        access_token: pair.access.clone(),
    };
    let whose = tokens
        .authorize(service(about.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (whose.user_id.as_str(), whose.username.as_str()),
        (user.id.as_str(), "ada@example.org")
    );
    assert_eq!((whose.is_active, whose.is_staff), (true, false));
    assert_eq!(whose.factors, ["pwd"]);
    let mut names = Request::new(BatchGetUsersRequest {
        user_ids: vec![user.id.clone(), "01900000-0000-7000-8000-000000000000".to_owned()],
    });
    names
        .metadata_mut()
        .insert("x-service-token", world.cluster.service_token.parse().unwrap());
    let names = tokens.batch_get_users(names).await.unwrap().into_inner().users;
    assert_eq!(names.len(), 1);
    assert_eq!(
        (names[0].id.as_str(), names[0].first_name.as_str()),
        (user.id.as_str(), "Ada")
    );

    let refresh = RefreshRequest {
        refresh: pair.refresh,
    };
    let next = sessions.refresh(refresh).await.unwrap().into_inner();
    let logout = LogoutRequest {
        refresh: next.refresh,
    };
    sessions.logout(logout).await.unwrap();
    let over = tokens.authorize(service(about)).await;
    refused(
        over,
        Code::Unauthenticated,
        "TOKEN_INVALID",
        "The access token is not valid.",
    );
}

async fn a_course_is_made_changed_and_seen(world: &World) {
    let mut courses = CourseServiceClient::new(world.courses());
    let staff = world.staff().await;
    let ada = world.another_staff("ada").await;

    let create = CreateCourseRequest {
        title: "Rust".to_owned(),
        description: "All of it.".to_owned(),
        price: "10.99".to_owned(),
        request_id: "key-1".to_owned(),
        ..CreateCourseRequest::default()
    };
    let nobody = courses.create_course(create.clone()).await;
    refused(
        nobody,
        Code::Unauthenticated,
        "TOKEN_REQUIRED",
        "Authentication is required.",
    );
    let course = courses
        .create_course(with(staff.access(), create.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((course.slug.as_str(), course.price.as_str()), ("rust", "10.99"));
    assert!(course.is_draft && !course.is_published && !course.is_archived);
    assert_eq!(course.instructors[0].username, STAFF);
    let again = courses
        .create_course(with(staff.access(), create.clone()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(course, again);
    let other_key = CreateCourseRequest {
        request_id: String::new(),
        ..create
    };
    let taken = courses.create_course(with(staff.access(), other_key)).await;
    let sentence = "A course with this title already exists";
    refused(taken, Code::AlreadyExists, "TITLE_TAKEN", sentence);

    let get = |slug: &str| GetCourseRequest {
        slug: slug.to_owned(),
    };
    let hidden = courses.get_course(get("rust")).await;
    refused(
        hidden,
        Code::NotFound,
        "COURSE_NOT_FOUND",
        "There is no such course.",
    );
    let update = UpdateCourseRequest {
        slug: "rust".to_owned(),
        course: Some(Course {
            is_published: true,
            slug: "ferris".to_owned(),
            ..Course::default()
        }),
        update_mask: mask(&["is_published", "slug"]),
        etag: course.etag.clone(),
    };
    let denied = courses.update_course(with(ada.access(), update.clone())).await;
    let sentence = "Only an instructor of a course can update a course";
    refused(denied, Code::PermissionDenied, "INSTRUCTOR_REQUIRED", sentence);
    let published = courses
        .update_course(with(staff.access(), update))
        .await
        .unwrap()
        .into_inner();
    assert!(published.is_published && !published.is_draft);
    let seen = courses.get_course(get("ferris")).await.unwrap().into_inner();
    assert_eq!(seen, published);
    let moved = courses.get_course(get("rust")).await.unwrap_err();
    let info = moved.get_error_details().error_info().unwrap().clone();
    assert_eq!(
        (info.reason.as_str(), info.metadata["canonical_slug"].as_str()),
        ("SLUG_CHANGED", "ferris")
    );
    let listed = courses
        .list_courses(ListCoursesRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.courses, [published]);

    let add = AddInstructorRequest {
        slug: "ferris".to_owned(),
        user_id: ada.id().to_owned(),
        ..AddInstructorRequest::default()
    };
    let added = courses
        .add_instructor(with(staff.access(), add))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(added.id, ada.id());
}

#[tokio::test]
async fn each_service_says_that_it_is_well() {
    let world = World::on_sqlite().await;
    let services = [
        (world.auth(), "onlineedu.auth.v1.AccountService"),
        (world.auth(), "onlineedu.auth.v1.TokenService"),
        (world.courses(), "onlineedu.course.v1.CourseService"),
    ];
    for (channel, name) in services {
        for service in ["", name] {
            let request = HealthCheckRequest {
                service: service.to_owned(),
            };
            let health = HealthClient::new(channel.clone()).check(request).await.unwrap();
            assert_eq!(
                health.into_inner().status(),
                ServingStatus::Serving,
                "{service:?}"
            );
        }
    }
    let unknown = HealthCheckRequest {
        service: "onlineedu.Unknown".to_owned(),
    };
    let unknown = HealthClient::new(world.auth()).check(unknown).await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn each_service_describes_itself() {
    let world = World::on_sqlite().await;
    for (channel, package) in [
        (world.auth(), "onlineedu.auth.v1"),
        (world.courses(), "onlineedu.course.v1"),
    ] {
        let MessageResponse::ListServicesResponse(list) =
            reflect(channel.clone(), MessageRequest::ListServices(String::new())).await
        else {
            panic!("no list of services");
        };
        let names: BTreeSet<_> = list.service.into_iter().map(|service| service.name).collect();
        let pool = prost_reflect::DescriptorPool::decode(proto::FILE_DESCRIPTOR_SET).unwrap();
        for service in pool
            .services()
            .filter(|service| service.full_name().starts_with(package))
        {
            assert!(
                names.contains(service.full_name()),
                "{} in {names:?}",
                service.full_name()
            );
            let symbol = MessageRequest::FileContainingSymbol(service.full_name().to_owned());
            let described = reflect(channel.clone(), symbol).await;
            assert!(
                matches!(described, MessageResponse::FileDescriptorResponse(_)),
                "{described:?}"
            );
        }
    }
}

/// Asks one question about a service.
async fn reflect(channel: Channel, question: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let mut answers = ServerReflectionClient::new(channel)
        .server_reflection_info(futures::stream::iter([request]))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().expect("an answer");
    answer.message_response.expect("an answer")
}

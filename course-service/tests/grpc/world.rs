//! A course-service on a free port, and whom its auth-service knows.

use std::net::SocketAddr;

use auth_client::authorize::AuthClient;
use chrono::TimeDelta;
use course_service::{config::Config, domain::Courses, model::currency::Currency, server};
use prost_types::FieldMask;
use proto::{
    auth::v1::PublicUser,
    course::v1::{
        Course, CreateCourseRequest, UpdateCourseRequest, course_service_client::CourseServiceClient,
        enrollment_service_client::EnrollmentServiceClient, person_service_client::PersonServiceClient,
    },
};
use service_runtime::{
    clock::Clock, entropy::Entropy, grpc::channel::Channel, lifecycle::Tasks, listen, mac::Mac,
    page_token::PageTokens, secret::Secret, settings::Values,
};
use uuid::Uuid;

use crate::{caller::Caller, fake_auth::FakeAuth, support::Place};

/// What the services of a world show each other.
pub const SERVICE_TOKEN: &str = "service-token-for-tests-0123456789";

/// The service and what it stands on.
pub struct World {
    pub auth: FakeAuth,
    auth_address: SocketAddr,
    channel: Channel,
    tasks: Tasks,
}

impl Drop for World {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

/// Settings of a service beside this auth-service.
pub fn settings(database_url: &str, auth: SocketAddr) -> Values {
    Values::default()
        .with("SERVICE_TOKEN", SERVICE_TOKEN)
        .with("COURSE_DATABASE_URL", database_url)
        .with("AUTH_URL", format!("http://{auth}"))
}

impl World {
    pub async fn at(place: &Place) -> Self {
        let tasks = Tasks::default();
        let (auth, auth_address) = FakeAuth::start(SERVICE_TOKEN, &tasks);
        Self::beside(place, auth, auth_address, tasks).await
    }

    /// A world in which nothing listens where auth-service should be.
    pub async fn without_auth(place: &Place) -> Self {
        let tasks = Tasks::default();
        let (auth, _) = FakeAuth::start(SERVICE_TOKEN, &tasks);
        let nothing = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = nothing.local_addr().unwrap();
        drop(nothing);
        Self::beside(place, auth, address, tasks).await
    }

    async fn beside(place: &Place, auth: FakeAuth, auth_address: SocketAddr, tasks: Tasks) -> Self {
        let config = Config::from_values(&settings(&place.url, auth_address)).unwrap();
        let listener = listen::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        server::serve(config, listener, None, Clock::system(), &tasks)
            .await
            .unwrap();
        let channel = Channel::to(&format!("http://{address}")).unwrap();
        Self {
            auth,
            auth_address,
            channel,
            tasks,
        }
    }

    /// The same rules on the same database, to be called without a socket.
    pub fn courses(&self, place: &Place) -> Courses {
        let channel = Channel::to(&format!("http://{}", self.auth_address)).unwrap();
        let auth = AuthClient::new(channel, &Secret::new(SERVICE_TOKEN.to_owned())).unwrap();
        Courses {
            store: place.store.clone(),
            auth,
            clock: Clock::system(),
            entropy: Entropy::default(),
            page_tokens: PageTokens::new(Mac::derive(&[], "page-token")),
            currency: Currency::parse("EUR").unwrap(),
        }
    }

    /// What services call.
    pub fn people(&self) -> PersonServiceClient<Channel> {
        PersonServiceClient::new(self.channel.clone())
    }

    /// Nobody in particular.
    pub fn anyone(&self) -> Caller {
        self.caller(None, Uuid::nil())
    }

    /// A caller with a token that nobody gave them.
    pub fn impostor(&self) -> Caller {
        self.caller(Some("made-up".to_owned()), Uuid::nil())
    }

    /// An ordinary user.
    pub fn user(&self, name: &str) -> Caller {
        self.known(name, false)
    }

    /// The same person with a token that says that they proved a second factor so long ago.
    pub fn with_second_factor(&self, caller: &Caller, ago: TimeDelta) -> Caller {
        let token = caller.token.clone().unwrap();
        let elevated = format!("{token}-elevated-{ago}");
        self.auth.know(&elevated, self.auth.known(&token));
        self.auth.prove(&elevated, Clock::system().now() - ago);
        self.caller(Some(elevated), caller.id)
    }

    /// A user who administers the site.
    pub fn staff(&self, name: &str) -> Caller {
        self.known(name, true)
    }

    fn known(&self, name: &str, is_staff: bool) -> Caller {
        let id = Entropy::default().new_id(Clock::system().now()).unwrap();
        let token = format!("token-of-{name}");
        let user = PublicUser {
            id: id.to_string(),
            username: format!("{name}@example.org"),
            first_name: name.to_owned(),
            last_name: "Doe".to_owned(),
            is_active: true,
            is_staff,
        };
        self.auth.know(&token, user);
        self.caller(Some(token), id)
    }

    fn caller(&self, token: Option<String>, id: Uuid) -> Caller {
        Caller {
            client: CourseServiceClient::new(self.channel.clone()),
            enrollments: EnrollmentServiceClient::new(self.channel.clone()),
            token,
            id,
        }
    }
}

/// A course with nothing special about it.
pub fn new_course(title: &str) -> CreateCourseRequest {
    CreateCourseRequest {
        title: title.to_owned(),
        description: "All of it.".to_owned(),
        price: "10.99".to_owned(),
        ..CreateCourseRequest::default()
    }
}

/// A request that changes the fields of the mask to those of the course.
pub fn update(slug: &str, mask: &[&str], course: Course) -> UpdateCourseRequest {
    UpdateCourseRequest {
        slug: slug.to_owned(),
        course: Some(course),
        update_mask: Some(FieldMask {
            paths: mask.iter().map(|path| (*path).to_owned()).collect(),
        }),
        etag: String::new(),
    }
}

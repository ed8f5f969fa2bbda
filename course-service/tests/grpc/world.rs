//! A course-service on a free port, and the callers who use it.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use auth_client::authorize::AuthClient;
use chrono::TimeDelta;
use course_service::{config::Config, domain::Courses, model::currency::Currency, server};
use prost_types::FieldMask;
use proto::{
    auth::v1::PublicUser,
    course::v1::{
        AddInstructorRequest, CancelEnrollmentRequest, ConfirmEnrollmentRequest, Course, CreateCourseRequest,
        DeleteCourseRequest, DeleteCourseResponse, EnrollRequest, Enrollment, EnrollmentState,
        GetCourseRequest, Instructor, ListCoursesRequest, ListCoursesResponse, ListEnrollmentsRequest,
        ListEnrollmentsResponse, ListInstructorsRequest, ListInstructorsResponse, ListStudentsRequest,
        ListStudentsResponse, RemoveInstructorRequest, UndeleteCourseRequest, UpdateCourseRequest,
        course_service_client::CourseServiceClient, enrollment_service_client::EnrollmentServiceClient,
        person_service_client::PersonServiceClient,
    },
};
use service_runtime::{
    clock::Clock,
    entropy::Entropy,
    grpc::{channel::Channel, context::is_existing},
    lifecycle::Tasks,
    listen,
    mac::Mac,
    page_token::PageTokens,
    secret::Secret,
    settings::Values,
};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::{fake_auth::FakeAuth, support::Place};

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

/// Somebody who calls the service.
#[derive(Clone)]
pub struct Caller {
    pub client: CourseServiceClient<Channel>,
    pub enrollments: EnrollmentServiceClient<Channel>,
    token: Option<String>,
    pub id: Uuid,
}

/// A refusal, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub code: Code,
    pub message: String,
    pub reason: String,
    pub metadata: HashMap<String, String>,
    pub fields: Vec<(String, String)>,
    pub retry_after: Option<Duration>,
}

impl Refused {
    /// The names of the fields it is about.
    pub fn field_names(&self) -> Vec<&str> {
        self.fields.iter().map(|(field, _)| field.as_str()).collect()
    }

    /// Its code and reason.
    pub fn what(&self) -> (Code, &str) {
        (self.code, &self.reason)
    }
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let info = details.error_info().cloned();
        let violations = details.bad_request().map(|bad| bad.field_violations.clone());
        if let Some(info) = &info {
            assert_eq!(info.domain, "onlineedu");
        }
        Self {
            code: status.code(),
            message: status.message().to_owned(),
            reason: info.as_ref().map(|info| info.reason.clone()).unwrap_or_default(),
            metadata: info.map(|info| info.metadata).unwrap_or_default(),
            fields: violations
                .unwrap_or_default()
                .into_iter()
                .map(|one| (one.field, one.description))
                .collect(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        }
    }
}

/// Defines a method that sends a message with the caller's token.
macro_rules! rpc {
    ($name:ident, $message:ty, $answer:ty) => {
        rpc!(client.$name, $message, $answer);
    };
    ($client:ident.$name:ident, $message:ty, $answer:ty) => {
        pub async fn $name(&self, message: $message) -> Result<$answer, Refused> {
            let request = self.request(message);
            let answer = self.$client.clone().$name(request).await;
            Ok(answer.map_err(Refused::from)?.into_inner())
        }
    };
}

impl Caller {
    rpc!(create_course, CreateCourseRequest, Course);
    rpc!(update_course, UpdateCourseRequest, Course);
    rpc!(delete_course, DeleteCourseRequest, DeleteCourseResponse);
    rpc!(undelete_course, UndeleteCourseRequest, Course);
    rpc!(list_courses, ListCoursesRequest, ListCoursesResponse);
    rpc!(list_instructors, ListInstructorsRequest, ListInstructorsResponse);
    rpc!(add_instructor, AddInstructorRequest, Instructor);
    rpc!(
        enrollments.list_students,
        ListStudentsRequest,
        ListStudentsResponse
    );
    rpc!(
        enrollments.list_enrollments,
        ListEnrollmentsRequest,
        ListEnrollmentsResponse
    );

    /// A request with the caller's token.
    pub fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(Duration::from_secs(20));
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.metadata_mut().insert("authorization", value);
        }
        request
    }

    /// Creates a course with nothing special about it.
    pub async fn create(&self, title: &str) -> Result<Course, Refused> {
        self.create_course(new_course(title)).await
    }

    pub async fn get(&self, slug: &str) -> Result<Course, Refused> {
        let request = self.request(GetCourseRequest {
            slug: slug.to_owned(),
        });
        Ok(self
            .client
            .clone()
            .get_course(request)
            .await
            .map_err(Refused::from)?
            .into_inner())
    }

    pub async fn delete(&self, slug: &str, etag: &str) -> Result<(), Refused> {
        let message = DeleteCourseRequest {
            slug: slug.to_owned(),
            etag: etag.to_owned(),
        };
        self.delete_course(message).await.map(drop)
    }

    pub async fn undelete(&self, slug: &str, etag: &str) -> Result<Course, Refused> {
        self.undelete_course(UndeleteCourseRequest {
            slug: slug.to_owned(),
            etag: etag.to_owned(),
        })
        .await
    }

    /// Changes the fields of the mask to those of the course.
    pub async fn update(&self, slug: &str, mask: &[&str], course: Course) -> Result<Course, Refused> {
        self.update_course(update(slug, mask, course)).await
    }

    /// Creates a published course that costs so much.
    pub async fn published(&self, title: &str, price: &str) -> Result<Course, Refused> {
        let course = CreateCourseRequest {
            price: price.to_owned(),
            is_free: price == "0.00",
            ..new_course(title)
        };
        let slug = self.create_course(course).await?.slug;
        self.publish(&slug).await
    }

    /// Closes a course to all but its students.
    pub async fn archive(&self, slug: &str) -> Result<Course, Refused> {
        let course = Course {
            is_archived: true,
            ..Course::default()
        };
        self.update(slug, &["is_archived"], course).await
    }

    /// Makes a course visible to everyone.
    pub async fn publish(&self, slug: &str) -> Result<Course, Refused> {
        let course = Course {
            is_published: true,
            ..Course::default()
        };
        self.update(slug, &["is_published"], course).await
    }

    pub async fn add(&self, slug: &str, user_id: impl ToString) -> Result<Instructor, Refused> {
        self.add_instructor(AddInstructorRequest {
            slug: slug.to_owned(),
            user_id: user_id.to_string(),
            request_id: String::new(),
        })
        .await
    }

    pub async fn remove(&self, slug: &str, user_id: impl ToString) -> Result<(), Refused> {
        let message = RemoveInstructorRequest {
            slug: slug.to_owned(),
            user_id: user_id.to_string(),
        };
        let removed = self.client.clone().remove_instructor(self.request(message)).await;
        removed.map(|_| ()).map_err(Refused::from)
    }

    /// Enrols; says as well whether the enrolment is a new one.
    pub async fn enroll_once(&self, slug: &str, request_id: &str) -> Result<(Enrollment, bool), Refused> {
        let request = self.request(EnrollRequest {
            slug: slug.to_owned(),
            request_id: request_id.to_owned(),
        });
        let answer = self.enrollments.clone().enroll(request).await?;
        let is_new = !is_existing(answer.metadata());
        Ok((answer.into_inner(), is_new))
    }

    pub async fn enroll(&self, slug: &str) -> Result<Enrollment, Refused> {
        Ok(self.enroll_once(slug, "").await?.0)
    }

    /// Leaves a course.
    pub async fn cancel(&self, slug: &str) -> Result<(), Refused> {
        let request = self.request(CancelEnrollmentRequest {
            slug: slug.to_owned(),
        });
        self.enrollments.clone().cancel_enrollment(request).await?;
        Ok(())
    }

    /// Confirms somebody's payment.
    pub async fn confirm(
        &self,
        slug: &str,
        user_id: impl ToString,
        reference: &str,
    ) -> Result<Enrollment, Refused> {
        let request = self.request(ConfirmEnrollmentRequest {
            slug: slug.to_owned(),
            user_id: user_id.to_string(),
            payment_reference: reference.to_owned(),
        });
        Ok(self
            .enrollments
            .clone()
            .confirm_enrollment(request)
            .await?
            .into_inner())
    }

    /// The addresses and states of a course's students.
    pub async fn students(&self, slug: &str) -> Result<Vec<(String, EnrollmentState)>, Refused> {
        let message = ListStudentsRequest {
            slug: slug.to_owned(),
            ..ListStudentsRequest::default()
        };
        let listed = self.list_students(message).await?.students.into_iter();
        Ok(listed
            .map(|one| (one.state(), one.student.unwrap().username))
            .map(|(state, username)| (username, state))
            .collect())
    }

    /// The slugs and states of the caller's own enrolments.
    pub async fn own_enrollments(&self) -> Result<Vec<(String, EnrollmentState)>, Refused> {
        let listed = self.list_enrollments(ListEnrollmentsRequest::default()).await?;
        let listed = listed.enrollments.into_iter();
        Ok(listed
            .map(|one| (one.state(), one.course.unwrap().slug))
            .map(|(state, slug)| (slug, state))
            .collect())
    }

    /// The names of a course's instructors.
    pub async fn instructors(&self, slug: &str) -> Result<Vec<String>, Refused> {
        let message = ListInstructorsRequest {
            slug: slug.to_owned(),
            ..ListInstructorsRequest::default()
        };
        let page = self.list_instructors(message).await?;
        Ok(page.instructors.into_iter().map(|one| one.first_name).collect())
    }

    /// The titles of a list.
    pub async fn titles(&self, message: ListCoursesRequest) -> Result<Vec<String>, Refused> {
        let page = self.list_courses(message).await?;
        Ok(page.courses.into_iter().map(|course| course.title).collect())
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

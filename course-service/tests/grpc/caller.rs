//! Somebody who calls the service, and how they are refused.

use std::{collections::HashMap, time::Duration};

use proto::course::v1::{
    AddInstructorRequest, CancelEnrollmentRequest, ConfirmEnrollmentRequest, Course, CreateCourseRequest,
    DeleteCourseRequest, DeleteCourseResponse, EnrollRequest, Enrollment, EnrollmentState, GetCourseRequest,
    Instructor, ListCoursesRequest, ListCoursesResponse, ListEnrollmentsRequest, ListEnrollmentsResponse,
    ListInstructorsRequest, ListInstructorsResponse, ListStudentsRequest, ListStudentsResponse,
    RemoveInstructorRequest, UndeleteCourseRequest, UpdateCourseRequest,
    course_service_client::CourseServiceClient, enrollment_service_client::EnrollmentServiceClient,
};
use service_runtime::grpc::{channel::Channel, context::is_existing};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::world::{new_course, update};

/// Somebody who calls the service.
#[derive(Clone)]
pub struct Caller {
    pub client: CourseServiceClient<Channel>,
    pub enrollments: EnrollmentServiceClient<Channel>,
    pub token: Option<String>,
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

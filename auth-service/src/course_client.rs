//! Asks course-service about its part of a person's data. It is asked again by whoever can wait; whatever it answers
//! but what was asked for means that it has not been done.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use proto::course::v1::{
    EraseUserRequest, EraseUserResponse, ExportUserRequest, ExportUserResponse,
    HeldEnrollment as HeldEnrollmentMessage, Instructor, TaughtCourse as TaughtCourseMessage,
    person_service_client::PersonServiceClient,
};
use service_runtime::{
    grpc::{
        channel::Channel,
        context::{RequestContext, SERVICE_TOKEN},
    },
    secret::Secret,
    telemetry::RpcCall,
};
use tonic::{
    Response, Status,
    metadata::{Ascii, MetadataValue, errors::InvalidMetadataValue},
};
use uuid::Uuid;

use crate::model::{
    erasure::Progress,
    export::{CoursesPart, HeldEnrollment, TaughtCourse},
    user::User,
};

/// The largest answer: a thousand courses and a thousand enrolments with titles of 300 four-byte letters, and payments.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;
/// How long a whole answer is waited for at most.
const PATIENCE: Duration = Duration::from_secs(5);

const ERASE_USER: &str = "/onlineedu.course.v1.PersonService/EraseUser";
const EXPORT_USER: &str = "/onlineedu.course.v1.PersonService/ExportUser";

/// course-service has not done what was asked.
#[derive(Debug, thiserror::Error)]
#[error("course-service answers {:?}: {}", .0.code(), .0.message())]
pub struct NotDone(Status);

/// A client of course-service. Cheap to clone; clones share one connection.
#[derive(Debug, Clone)]
pub struct CourseClient {
    people: PersonServiceClient<Channel>,
    service_token: MetadataValue<Ascii>,
}

impl CourseClient {
    /// A client that shows this service token.
    ///
    /// # Errors
    /// When the token has characters that metadata cannot carry.
    pub fn new(channel: Channel, service_token: &Secret<String>) -> Result<Self, InvalidMetadataValue> {
        let mut service_token: MetadataValue<Ascii> = service_token.expose().parse()?;
        service_token.set_sensitive(true);
        Ok(Self {
            people: PersonServiceClient::new(channel).max_decoding_message_size(LARGEST_ANSWER),
            service_token,
        })
    }

    /// What course-service holds about a person.
    ///
    /// # Errors
    /// [`NotDone`].
    pub async fn held(&self, context: &RequestContext, user_id: Uuid) -> Result<CoursesPart, NotDone> {
        let message = ExportUserRequest {
            user_id: user_id.to_string(),
        };
        let send =
            async |mut people: PersonServiceClient<Channel>, request| people.export_user(request).await;
        let answer = self.ask(context, EXPORT_USER, message, send).await;
        answer.and_then(courses_part).map_err(NotDone)
    }

    /// Has course-service erase a person, as far as one call goes. `heir` teaches what would be left to nobody.
    ///
    /// # Errors
    /// [`NotDone`].
    pub async fn erase(
        &self,
        context: &RequestContext,
        user_id: Uuid,
        heir: Option<&User>,
    ) -> Result<Progress, NotDone> {
        let message = EraseUserRequest {
            user_id: user_id.to_string(),
            heir: heir.map(|heir| Instructor {
                id: heir.id.to_string(),
                username: heir.username.clone(),
                first_name: heir.profile.first_name.clone(),
                last_name: heir.profile.last_name.clone(),
            }),
        };
        let send = async |mut people: PersonServiceClient<Channel>, request| people.erase_user(request).await;
        let answer = self.ask(context, ERASE_USER, message, send).await;
        answer.and_then(progress).map_err(NotDone)
    }

    async fn ask<Q, A>(
        &self,
        context: &RequestContext,
        method: &'static str,
        message: Q,
        send: impl AsyncFnOnce(PersonServiceClient<Channel>, tonic::Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Status> {
        let deadline = Instant::now() + context.time_left().min(PATIENCE);
        let mut request = context.onward(message);
        request.set_timeout(deadline.saturating_duration_since(Instant::now()));
        request
            .metadata_mut()
            .insert(SERVICE_TOKEN, self.service_token.clone());
        let call = RpcCall::begin(method, &mut request);
        // The channel bounds the wait for the beginning of an answer, this the wait for its end.
        let answer = tokio::time::timeout_at(deadline.into(), send(self.people.clone(), request))
            .await
            .unwrap_or_else(|_elapsed| Err(Status::deadline_exceeded("no whole answer in time")));
        call.end(&answer);
        answer.map(Response::into_inner)
    }
}

fn progress(answer: EraseUserResponse) -> Result<Progress, Status> {
    let heirs = answer.heir_ids.iter().map(|id| id.parse().ok());
    Ok(Progress {
        is_complete: answer.is_complete,
        heirs: heirs.collect::<Option<_>>().ok_or_else(unreadable)?,
    })
}

fn courses_part(answer: ExportUserResponse) -> Result<CoursesPart, Status> {
    let courses = answer.courses.into_iter().map(taught_course);
    let enrollments = answer.enrollments.into_iter().map(held_enrollment);
    Ok(CoursesPart {
        names: answer
            .names
            .map(|names| (names.username, names.first_name, names.last_name)),
        courses: courses.collect::<Option<_>>().ok_or_else(unreadable)?,
        has_more: answer.has_more,
        enrollments: enrollments.collect::<Option<_>>().ok_or_else(unreadable)?,
        has_more_enrollments: answer.has_more_enrollments,
    })
}

fn taught_course(course: TaughtCourseMessage) -> Option<TaughtCourse> {
    Some(TaughtCourse {
        id: course.id.parse().ok()?,
        slug: course.slug,
        title: course.title,
        state: course.state,
        created_at: time(course.created_at?)?,
        deleted_at: match course.deleted_at {
            Some(deleted_at) => Some(time(deleted_at)?),
            None => None,
        },
    })
}

fn held_enrollment(enrollment: HeldEnrollmentMessage) -> Option<HeldEnrollment> {
    let course = enrollment.course?;
    Some(HeldEnrollment {
        id: enrollment.id.parse().ok()?,
        slug: course.slug,
        title: course.title,
        state: enrollment.state,
        price: enrollment.price,
        currency: enrollment.currency,
        enrolled_at: time(enrollment.enrolled_at?)?,
        updated_at: time(enrollment.updated_at?)?,
        payments: enrollment
            .payments
            .into_iter()
            .map(|payment| Some((payment.reference, time(payment.confirmed_at?)?)))
            .collect::<Option<_>>()?,
    })
}

fn time(timestamp: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(timestamp.seconds, u32::try_from(timestamp.nanos).ok()?)
}

fn unreadable() -> Status {
    Status::internal("the answer cannot be read")
}

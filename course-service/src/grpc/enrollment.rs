//! The methods of `EnrollmentService`, each of them decode, call, encode.

use proto::course::v1::{
    CancelEnrollmentRequest, CancelEnrollmentResponse, ConfirmEnrollmentRequest, EnrollRequest,
    EnrolledCourse, Enrollment as Message, EnrollmentState as StateMessage, ListEnrollmentsRequest,
    ListEnrollmentsResponse, ListStudentsRequest, ListStudentsResponse, Student,
    enrollment_service_server::EnrollmentService,
};
use service_runtime::grpc::context::EXISTING;
use tonic::{Request, Response, Status, metadata::MetadataValue};

use super::{asked::open, course::timestamp};
use crate::{
    domain::{Courses, Named},
    model::enrollment::{Enrollment, EnrollmentState, IsNew},
};

/// `EnrollmentService` on top of the rules.
#[derive(Clone)]
pub struct EnrollmentGrpc {
    courses: Courses,
}

impl EnrollmentGrpc {
    /// The service of these rules.
    pub const fn new(courses: Courses) -> Self {
        Self { courses }
    }
}

#[tonic::async_trait]
impl EnrollmentService for EnrollmentGrpc {
    async fn enroll(&self, request: Request<EnrollRequest>) -> Result<Response<Message>, Status> {
        let (asked, message) = open(request)?;
        let enrolled = self
            .courses
            .enroll(&asked.call, &message.slug, message.request_id)
            .await;
        let is_existing = matches!(enrolled, Ok((_, IsNew(false))));
        let mut answer = asked.answer(enrolled.map(|(enrollment, _)| encode(enrollment)))?;
        if is_existing {
            answer
                .metadata_mut()
                .insert(EXISTING, MetadataValue::from_static("true"));
        }
        Ok(answer)
    }

    async fn cancel_enrollment(
        &self,
        request: Request<CancelEnrollmentRequest>,
    ) -> Result<Response<CancelEnrollmentResponse>, Status> {
        let (asked, message) = open(request)?;
        let cancelled = self.courses.cancel_enrollment(&asked.call, &message.slug).await;
        asked.answer(cancelled.map(|()| CancelEnrollmentResponse {}))
    }

    async fn confirm_enrollment(
        &self,
        request: Request<ConfirmEnrollmentRequest>,
    ) -> Result<Response<Message>, Status> {
        let (asked, message) = open(request)?;
        let confirmed = self
            .courses
            .confirm_enrollment(
                &asked.call,
                &message.slug,
                &message.user_id,
                &message.payment_reference,
            )
            .await;
        asked.answer(confirmed.map(encode))
    }

    async fn list_students(
        &self,
        request: Request<ListStudentsRequest>,
    ) -> Result<Response<ListStudentsResponse>, Status> {
        let (asked, message) = open(request)?;
        let page = self
            .courses
            .students(&asked.call, &message.slug, message.page_size, &message.page_token)
            .await;
        asked.answer(page.map(|page| ListStudentsResponse {
            students: page.enrollments.into_iter().map(encode).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn list_enrollments(
        &self,
        request: Request<ListEnrollmentsRequest>,
    ) -> Result<Response<ListEnrollmentsResponse>, Status> {
        let (asked, message) = open(request)?;
        let page = self
            .courses
            .own_enrollments(&asked.call, message.page_size, &message.page_token)
            .await;
        asked.answer(page.map(|page| ListEnrollmentsResponse {
            enrollments: page.enrollments.into_iter().map(encode).collect(),
            next_page_token: page.next_page_token,
        }))
    }
}

fn encode(named: Named) -> Message {
    let enrollment = named.enrollment;
    Message {
        id: enrollment.id.to_string(),
        state: encode_state(enrollment.state).into(),
        price: enrollment.price.to_string(),
        currency: enrollment.currency.as_str().to_owned(),
        enrolled_at: Some(timestamp(enrollment.enrolled_at)),
        completed_at: None,
        updated_at: Some(timestamp(enrollment.updated_at)),
        student: Some(Student {
            id: enrollment.student_id.to_string(),
            username: named.username,
        }),
        course: Some(encode_course(&enrollment)),
    }
}

/// The course of an enrolment as message.
pub(super) fn encode_course(enrollment: &Enrollment) -> EnrolledCourse {
    EnrolledCourse {
        slug: enrollment.slug.to_string(),
        title: enrollment.title.as_str().to_owned(),
    }
}

/// The state of an enrolment as message.
const fn encode_state(state: EnrollmentState) -> StateMessage {
    match state {
        EnrollmentState::Pending => StateMessage::Pending,
        EnrollmentState::Active => StateMessage::Active,
        EnrollmentState::Cancelled => StateMessage::Cancelled,
    }
}

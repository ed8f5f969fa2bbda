//! The methods of `PersonService`, each of them decode, call, encode. They are for services alone.

use auth_client::{access::Grant, authorize::Caller};
use proto::course::v1::{
    EraseUserRequest, EraseUserResponse, ExportUserRequest, ExportUserResponse,
    HeldEnrollment as HeldEnrollmentMessage, HeldPayment as HeldPaymentMessage, Instructor,
    TaughtCourse as TaughtCourseMessage, person_service_server::PersonService,
};
use service_runtime::{field::FieldError, grpc::context::RequestContext};
use tonic::{Request, Response, Status};

use super::{
    course::timestamp, enrollment::encode_course as encode_enrolled_course, instructor::encode_person,
    refusal::status,
};
use crate::{
    domain::{Courses, Error, user_id_of},
    model::{
        instructor::Person,
        person::{Erased, Held, HeldEnrollment, HeldPayment, TaughtCourse},
    },
};

/// The longest name that is taken, in bytes: 150 characters of four.
const LONGEST_NAME: usize = 600;

/// `PersonService` on top of the rules.
#[derive(Clone)]
pub struct PersonGrpc {
    courses: Courses,
}

impl PersonGrpc {
    /// The service of these rules.
    pub const fn new(courses: Courses) -> Self {
        Self { courses }
    }
}

#[tonic::async_trait]
impl PersonService for PersonGrpc {
    async fn erase_user(
        &self,
        request: Request<EraseUserRequest>,
    ) -> Result<Response<EraseUserResponse>, Status> {
        Grant::<Caller>::of(&request)?;
        let context = RequestContext::of(&request);
        let erased = async {
            let message = request.into_inner();
            let heir = message.heir.map(person).transpose()?;
            self.courses.erase(&message.user_id, heir).await
        };
        answer(&context, erased.await.map(encode_erased))
    }

    async fn export_user(
        &self,
        request: Request<ExportUserRequest>,
    ) -> Result<Response<ExportUserResponse>, Status> {
        Grant::<Caller>::of(&request)?;
        let context = RequestContext::of(&request);
        let held = self.courses.held(&request.get_ref().user_id).await;
        answer(&context, held.map(encode_held))
    }
}

fn person(message: Instructor) -> Result<Person, Error> {
    let names = [&message.username, &message.first_name, &message.last_name];
    if names
        .iter()
        .any(|name| name.contains('\0') || name.len() > LONGEST_NAME)
    {
        let bad = FieldError::new("heir", "The heir's names cannot be kept");
        return Err(Error::Fields(vec![bad]));
    }
    Ok(Person {
        id: user_id_of("heir.id", &message.id)?,
        username: message.username,
        first_name: message.first_name,
        last_name: message.last_name,
    })
}

fn encode_erased(erased: Erased) -> EraseUserResponse {
    EraseUserResponse {
        is_complete: erased.is_complete,
        heir_ids: erased.heirs.into_iter().map(|id| id.to_string()).collect(),
    }
}

fn encode_held(held: Held) -> ExportUserResponse {
    ExportUserResponse {
        names: held.names.map(encode_person),
        courses: held.courses.into_iter().map(encode_course).collect(),
        has_more: held.has_more,
        enrollments: held.enrollments.into_iter().map(encode_enrollment).collect(),
        has_more_enrollments: held.has_more_enrollments,
    }
}

fn encode_course(course: TaughtCourse) -> TaughtCourseMessage {
    TaughtCourseMessage {
        id: course.id.to_string(),
        slug: course.slug.as_str().to_owned(),
        title: course.title.as_str().to_owned(),
        state: course.state.as_str().to_owned(),
        created_at: Some(timestamp(course.created_at)),
        deleted_at: course.deleted_at.map(timestamp),
    }
}

fn encode_enrollment(held: HeldEnrollment) -> HeldEnrollmentMessage {
    let enrollment = held.enrollment;
    HeldEnrollmentMessage {
        id: enrollment.id.to_string(),
        course: Some(encode_enrolled_course(&enrollment)),
        state: enrollment.state.as_str().to_owned(),
        price: enrollment.price.to_string(),
        currency: enrollment.currency.as_str().to_owned(),
        enrolled_at: Some(timestamp(enrollment.enrolled_at)),
        updated_at: Some(timestamp(enrollment.updated_at)),
        payments: held.payments.into_iter().map(encode_payment).collect(),
    }
}

fn encode_payment(payment: HeldPayment) -> HeldPaymentMessage {
    HeldPaymentMessage {
        reference: payment.reference,
        confirmed_at: Some(timestamp(payment.confirmed_at)),
    }
}

fn answer<T>(context: &RequestContext, result: Result<T, Error>) -> Result<Response<T>, Status> {
    result
        .map(Response::new)
        .map_err(|error| status(error, &context.request_id))
}

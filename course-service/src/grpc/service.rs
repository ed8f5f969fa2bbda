//! The methods of `CourseService`, each of them decode, call, encode. Who is refused for want of rights is told to the
//! trail.

use std::sync::OnceLock;

use auth_client::reporter::Reporter;
use proto::course::v1::{
    AddInstructorRequest, Course, CreateCourseRequest, GetCourseRequest, Instructor, ListCoursesRequest,
    ListCoursesResponse, ListInstructorsRequest, ListInstructorsResponse, RemoveInstructorRequest,
    RemoveInstructorResponse, UpdateCourseRequest, course_service_server::CourseService,
};
use service_runtime::{
    grpc::{
        client,
        context::{RequestContext, bearer},
    },
    secret::Secret,
};
use tonic::{Code, Request, Response, Status};

use super::{course, instructor, refusal::status};
use crate::domain::{Call, Courses, Error};

/// `CourseService` on top of the rules.
#[derive(Clone)]
pub struct CourseGrpc {
    /// The rules.
    pub courses: Courses,
    /// What services show: only they are believed where a request comes from.
    pub service_tokens: Vec<Secret<String>>,
    /// Who is told of those who were refused.
    pub reporter: Reporter,
}

#[tonic::async_trait]
impl CourseService for CourseGrpc {
    async fn list_courses(
        &self,
        request: Request<ListCoursesRequest>,
    ) -> Result<Response<ListCoursesResponse>, Status> {
        let (call, message) = self.open(request)?;
        let page = self.courses.list(&call, course::query(message)).await;
        self.answer(&call, page.map(course::encode_page))
    }

    async fn get_course(&self, request: Request<GetCourseRequest>) -> Result<Response<Course>, Status> {
        let (call, message) = self.open(request)?;
        let found = self.courses.get(&call, &message.slug).await;
        self.answer(&call, found.map(course::encode))
    }

    async fn create_course(&self, request: Request<CreateCourseRequest>) -> Result<Response<Course>, Status> {
        let (call, message) = self.open(request)?;
        let (typed, request_id) = course::new_course(message);
        let created = self.courses.create(&call, typed, request_id).await;
        self.answer(&call, created.map(course::encode))
    }

    async fn update_course(&self, request: Request<UpdateCourseRequest>) -> Result<Response<Course>, Status> {
        let (call, message) = self.open(request)?;
        let edit = course::edit(message.course, message.update_mask);
        let updated = self
            .courses
            .update(&call, &message.slug, edit, &message.etag)
            .await;
        self.answer(&call, updated.map(course::encode))
    }

    async fn list_instructors(
        &self,
        request: Request<ListInstructorsRequest>,
    ) -> Result<Response<ListInstructorsResponse>, Status> {
        let (call, message) = self.open(request)?;
        let page = self
            .courses
            .instructors(&call, &message.slug, message.page_size, &message.page_token)
            .await;
        self.answer(&call, page.map(instructor::encode_page))
    }

    async fn add_instructor(
        &self,
        request: Request<AddInstructorRequest>,
    ) -> Result<Response<Instructor>, Status> {
        let (call, message) = self.open(request)?;
        let added = self
            .courses
            .add_instructor(&call, &message.slug, &message.user_id, message.request_id)
            .await;
        self.answer(&call, added.map(instructor::encode))
    }

    async fn remove_instructor(
        &self,
        request: Request<RemoveInstructorRequest>,
    ) -> Result<Response<RemoveInstructorResponse>, Status> {
        let (call, message) = self.open(request)?;
        let removed = self
            .courses
            .remove_instructor(&call, &message.slug, &message.user_id)
            .await;
        self.answer(&call, removed.map(|()| RemoveInstructorResponse {}))
    }
}

impl CourseGrpc {
    /// What every method needs to know of a request, and its message.
    fn open<T>(&self, request: Request<T>) -> Result<(Call, T), Status> {
        let call = Call {
            context: RequestContext::of(&request),
            token: bearer(&request)?.map(Secret::new),
            client: client::address(&request, &self.service_tokens),
            caller: OnceLock::new(),
        };
        Ok((call, request.into_inner()))
    }

    fn answer<T>(&self, call: &Call, result: Result<T, Error>) -> Result<Response<T>, Status> {
        result.map(Response::new).map_err(|error| {
            let status = status(error, &call.context.request_id);
            if status.code() == Code::PermissionDenied {
                let caller = call.caller.get().map(AsRef::as_ref);
                self.reporter.denied(&call.context, call.client, caller);
            }
            status
        })
    }
}

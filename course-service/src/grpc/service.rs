//! The methods of `CourseService`, each of them decode, call, encode.

use auth_client::access::Grant;
use proto::course::v1::{
    AddInstructorRequest, Course, CreateCourseRequest, DeleteCourseRequest, DeleteCourseResponse,
    GetCourseRequest, Instructor, ListCoursesRequest, ListCoursesResponse, ListInstructorsRequest,
    ListInstructorsResponse, RemoveInstructorRequest, RemoveInstructorResponse, UndeleteCourseRequest,
    UpdateCourseRequest, course_service_server::CourseService,
};
use service_runtime::grpc::context::RequestContext;
use tonic::{Request, Response, Status};

use super::{course, instructor, refusal::status};
use crate::domain::{Call, Courses, Error};

/// `CourseService` on top of the rules.
#[derive(Clone)]
pub struct CourseGrpc {
    courses: Courses,
}

impl CourseGrpc {
    /// The service of these rules.
    pub const fn new(courses: Courses) -> Self {
        Self { courses }
    }
}

#[tonic::async_trait]
impl CourseService for CourseGrpc {
    async fn list_courses(
        &self,
        request: Request<ListCoursesRequest>,
    ) -> Result<Response<ListCoursesResponse>, Status> {
        let (call, message) = open(request)?;
        let page = self.courses.list(&call, course::query(message)).await;
        answer(&call, page.map(course::encode_page))
    }

    async fn get_course(&self, request: Request<GetCourseRequest>) -> Result<Response<Course>, Status> {
        let (call, message) = open(request)?;
        let found = self.courses.get(&call, &message.slug).await;
        answer(&call, found.map(course::encode))
    }

    async fn create_course(&self, request: Request<CreateCourseRequest>) -> Result<Response<Course>, Status> {
        let (call, message) = open(request)?;
        let (typed, request_id) = course::new_course(message);
        let created = self.courses.create(&call, typed, request_id).await;
        answer(&call, created.map(course::encode))
    }

    async fn update_course(&self, request: Request<UpdateCourseRequest>) -> Result<Response<Course>, Status> {
        let (call, message) = open(request)?;
        let edit = course::edit(message.course, message.update_mask);
        let updated = self
            .courses
            .update(&call, &message.slug, edit, &message.etag)
            .await;
        answer(&call, updated.map(course::encode))
    }

    async fn delete_course(
        &self,
        request: Request<DeleteCourseRequest>,
    ) -> Result<Response<DeleteCourseResponse>, Status> {
        let (call, message) = open(request)?;
        let deleted = self.courses.delete(&call, &message.slug, &message.etag).await;
        answer(&call, deleted.map(|()| DeleteCourseResponse {}))
    }

    async fn undelete_course(
        &self,
        request: Request<UndeleteCourseRequest>,
    ) -> Result<Response<Course>, Status> {
        let (call, message) = open(request)?;
        let restored = self.courses.undelete(&call, &message.slug, &message.etag).await;
        answer(&call, restored.map(course::encode))
    }

    async fn list_instructors(
        &self,
        request: Request<ListInstructorsRequest>,
    ) -> Result<Response<ListInstructorsResponse>, Status> {
        let (call, message) = open(request)?;
        let page = self
            .courses
            .instructors(&call, &message.slug, message.page_size, &message.page_token)
            .await;
        answer(&call, page.map(instructor::encode_page))
    }

    async fn add_instructor(
        &self,
        request: Request<AddInstructorRequest>,
    ) -> Result<Response<Instructor>, Status> {
        let (call, message) = open(request)?;
        let added = self
            .courses
            .add_instructor(&call, &message.slug, &message.user_id, message.request_id)
            .await;
        answer(&call, added.map(instructor::encode))
    }

    async fn remove_instructor(
        &self,
        request: Request<RemoveInstructorRequest>,
    ) -> Result<Response<RemoveInstructorResponse>, Status> {
        let (call, message) = open(request)?;
        let removed = self
            .courses
            .remove_instructor(&call, &message.slug, &message.user_id)
            .await;
        answer(&call, removed.map(|()| RemoveInstructorResponse {}))
    }
}

/// What every method needs to know of a request, and its message.
fn open<T>(request: Request<T>) -> Result<(Call, T), Status> {
    let grant = Grant::of(&request)?;
    let call = Call {
        context: RequestContext::of(&request),
        caller: grant.caller,
        second_factor: grant.second_factor,
    };
    Ok((call, request.into_inner()))
}

fn answer<T>(call: &Call, result: Result<T, Error>) -> Result<Response<T>, Status> {
    result
        .map(Response::new)
        .map_err(|error| status(error, &call.context.request_id))
}

//! The methods of `CourseService`, each of them decode, call, encode.

use proto::course::v1::{
    AddInstructorRequest, Course, CreateCourseRequest, DeleteCourseRequest, DeleteCourseResponse,
    GetCourseRequest, Instructor, ListCoursesRequest, ListCoursesResponse, ListInstructorsRequest,
    ListInstructorsResponse, RemoveInstructorRequest, RemoveInstructorResponse, UndeleteCourseRequest,
    UpdateCourseRequest, course_service_server::CourseService,
};
use tonic::{Request, Response, Status};

use super::{asked::open, course, instructor};
use crate::domain::Courses;

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
        let (asked, message) = open(request)?;
        let page = self.courses.list(&asked.call, course::query(message)).await;
        asked.answer(page.map(course::encode_page))
    }

    async fn get_course(&self, request: Request<GetCourseRequest>) -> Result<Response<Course>, Status> {
        let (asked, message) = open(request)?;
        let found = self.courses.get(&asked.call, &message.slug).await;
        asked.answer(found.map(course::encode))
    }

    async fn create_course(&self, request: Request<CreateCourseRequest>) -> Result<Response<Course>, Status> {
        let (asked, message) = open(request)?;
        let (typed, request_id) = course::new_course(message);
        let created = self.courses.create(&asked.call, typed, request_id).await;
        asked.answer(created.map(course::encode))
    }

    async fn update_course(&self, request: Request<UpdateCourseRequest>) -> Result<Response<Course>, Status> {
        let (asked, message) = open(request)?;
        let edit = course::edit(message.course, message.update_mask);
        let updated = self
            .courses
            .update(&asked.call, &message.slug, edit, &message.etag)
            .await;
        asked.answer(updated.map(course::encode))
    }

    async fn delete_course(
        &self,
        request: Request<DeleteCourseRequest>,
    ) -> Result<Response<DeleteCourseResponse>, Status> {
        let (asked, message) = open(request)?;
        let deleted = self
            .courses
            .delete(&asked.call, &message.slug, &message.etag)
            .await;
        asked.answer(deleted.map(|()| DeleteCourseResponse {}))
    }

    async fn undelete_course(
        &self,
        request: Request<UndeleteCourseRequest>,
    ) -> Result<Response<Course>, Status> {
        let (asked, message) = open(request)?;
        let restored = self
            .courses
            .undelete(&asked.call, &message.slug, &message.etag)
            .await;
        asked.answer(restored.map(course::encode))
    }

    async fn list_instructors(
        &self,
        request: Request<ListInstructorsRequest>,
    ) -> Result<Response<ListInstructorsResponse>, Status> {
        let (asked, message) = open(request)?;
        let page = self
            .courses
            .instructors(&asked.call, &message.slug, message.page_size, &message.page_token)
            .await;
        asked.answer(page.map(instructor::encode_page))
    }

    async fn add_instructor(
        &self,
        request: Request<AddInstructorRequest>,
    ) -> Result<Response<Instructor>, Status> {
        let (asked, message) = open(request)?;
        let added = self
            .courses
            .add_instructor(&asked.call, &message.slug, &message.user_id, message.request_id)
            .await;
        asked.answer(added.map(instructor::encode))
    }

    async fn remove_instructor(
        &self,
        request: Request<RemoveInstructorRequest>,
    ) -> Result<Response<RemoveInstructorResponse>, Status> {
        let (asked, message) = open(request)?;
        let removed = self
            .courses
            .remove_instructor(&asked.call, &message.slug, &message.user_id)
            .await;
        asked.answer(removed.map(|()| RemoveInstructorResponse {}))
    }
}

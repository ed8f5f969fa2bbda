//! Who calls, and what they see. The access layer has asked auth-service about them, never the token: what they may do
//! now if they are to change something, what they might a moment ago if they read.

use std::{sync::Arc, time::Duration};

use auth_client::{access::Rights, authorize::Caller};
use service_runtime::grpc::context::RequestContext;

use super::{Courses, Error};
use crate::model::{course::Course, enrollment::EnrollmentState, slug::Slug, state::State};

/// A call, as far as it is the same for every method.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its id, deadline and trace.
    pub context: RequestContext,
    /// Who calls, if they are known.
    pub caller: Option<Arc<Caller>>,
    /// How old the proof of the caller's second factor may be, where the method asks for one.
    pub second_factor: Option<Duration>,
}

impl Call {
    /// Who calls a method that is for callers who are known.
    pub(super) fn known(&self) -> Result<&Caller, Error> {
        self.caller.as_deref().ok_or(Error::NoToken)
    }

    fn is_staff(&self) -> bool {
        self.caller.as_ref().is_some_and(|caller| caller.is_staff)
    }

    /// Whether the course is there for the caller, whatever they study.
    fn sees(&self, course: &Course) -> bool {
        course.deleted_at.is_none() && (self.is_staff() || course.state == State::Published)
    }

    /// Whether the caller sees published courses only.
    pub(super) fn sees_published_only(&self) -> bool {
        !self.is_staff()
    }
}

/// A course as it was found. Whether the caller may know of it is to be asked before what it is called now.
pub(super) struct Found {
    slug: Slug,
    pub(super) course: Course,
}

impl Found {
    /// The course, if the slug is the one that it has.
    pub(super) fn by_its_slug(self) -> Result<Course, Error> {
        if self.course.slug == self.slug {
            Ok(self.course)
        } else {
            Err(Error::SlugChanged(self.course.slug))
        }
    }
}

impl Courses {
    /// The course that has or had this slug, whoever may see it.
    pub(super) async fn found(&self, slug: &str) -> Result<Found, Error> {
        let slug = Slug::parse(slug).map_err(|_| Error::CourseNotFound)?;
        let course = self.store.course(&slug).await?.ok_or(Error::CourseNotFound)?;
        Ok(Found { slug, course })
    }

    /// The course of this slug, if the caller may see it.
    pub(super) async fn visible(&self, call: &Call, slug: &str) -> Result<Course, Error> {
        let found = self.found(slug).await?;
        if !self.may_know(call, &found.course).await? {
            return Err(Error::CourseNotFound);
        }
        found.by_its_slug()
    }

    /// Whether the caller may know that the course is there: an archived one is for its students, too.
    async fn may_know(&self, call: &Call, course: &Course) -> Result<bool, Error> {
        if call.sees(course) {
            return Ok(true);
        }
        match &call.caller {
            Some(caller) if course.deleted_at.is_none() && course.state == State::Archived => {
                let state = self.store.enrollment_state(course.id, caller.user_id).await?;
                Ok(state == Some(EnrollmentState::Active))
            }
            _ => Ok(false),
        }
    }

    /// The course of this slug, for staff; `refusal` if the caller is none and may know of it.
    pub(super) async fn administered(
        &self,
        call: &Call,
        slug: &str,
        refusal: Error,
    ) -> Result<Course, Error> {
        let found = self.found(slug).await?;
        let is_known = self.may_know(call, &found.course).await?;
        match (is_known, call.is_staff()) {
            (true, true) => found.by_its_slug(),
            (true, false) => Err(found.by_its_slug().err().unwrap_or(refusal)),
            (false, true) => Err(Error::CourseNotFound),
            (false, false) => Err(Error::CourseHidden),
        }
    }

    /// The course of this slug and its instructor who calls; `refusal` if they are none or no longer staff.
    pub(super) async fn taught<'a>(
        &self,
        call: &'a Call,
        slug: &str,
        refusal: Error,
    ) -> Result<(Course, &'a Caller), Error> {
        // To those who have a right to it, one that is deleted is no more than that.
        let deleted = Some(Error::CourseNotFound);
        self.taught_or(call, slug, refusal, deleted).await
    }

    /// The same, also if the course is deleted. To all but its instructors it is not there then.
    pub(super) async fn taught_or_deleted<'a>(
        &self,
        call: &'a Call,
        slug: &str,
        refusal: Error,
    ) -> Result<(Course, &'a Caller), Error> {
        self.taught_or(call, slug, refusal, None).await
    }

    /// The same, with what hides a deleted course from its instructors, if anything does.
    async fn taught_or<'a>(
        &self,
        call: &'a Call,
        slug: &str,
        refusal: Error,
        deleted: Option<Error>,
    ) -> Result<(Course, &'a Caller), Error> {
        let caller = call.known()?;
        let found = self.found(slug).await?;
        let hidden = match self.may_know(call, &found.course).await? {
            true => None,
            false if teaches(caller, &found.course) => deleted,
            false => Some(Error::CourseHidden),
        };
        if let Some(error) = hidden {
            return Err(error);
        }
        let course = found.by_its_slug()?;
        self.instructor(call, caller, &course, refusal)?;
        Ok((course, caller))
    }

    /// Refuses callers who do not teach the course or are no longer staff, and then those of whom the method wants
    /// the proof of a second factor that they do not have.
    fn instructor(&self, call: &Call, caller: &Caller, course: &Course, refusal: Error) -> Result<(), Error> {
        if !teaches(caller, course) {
            return Err(refusal);
        }
        match call.second_factor {
            Some(max_age) if !caller.has_second_factor(max_age, self.clock.now()) => {
                Err(Error::StepUpNeeded(max_age))
            }
            _ => Ok(()),
        }
    }
}

/// Whether somebody is an instructor of the course, and still staff.
fn teaches(caller: &Caller, course: &Course) -> bool {
    caller.is_staff && course.instructor(caller.user_id).is_some()
}

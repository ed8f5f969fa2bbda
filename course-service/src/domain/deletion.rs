//! A course is deleted, its deletion taken back, and what was deleted long enough ago purged.

use chrono::TimeDelta;

use super::{Call, Courses, Error, course::settled, instructor::still_teaches};
use crate::model::course::Course;

/// How long a deleted course is kept.
pub const KEPT: TimeDelta = TimeDelta::days(30);
/// How much longer it stays than its deletion can be taken back: longer than anybody waits for a lock, and than clocks of
/// replicas differ.
const MARGIN: TimeDelta = TimeDelta::minutes(10);
/// How many courses are purged by one statement, so that none holds a lock for long.
const BATCH: i64 = 100;
/// How many of their enrolments, before them.
const ENROLLMENTS: i64 = 1_000;

impl Courses {
    /// Deletes the version of a course that the etag names.
    ///
    /// # Errors
    /// [`Error::CourseNotFound`], [`Error::CourseHidden`], [`Error::SlugChanged`],
    /// [`Error::InstructorRequiredToDelete`], [`Error::StepUpNeeded`], [`Error::EtagRequired`],
    /// [`Error::EtagMismatch`].
    pub async fn delete(&self, call: &Call, slug: &str, etag: &str) -> Result<(), Error> {
        let refusal = Error::InstructorRequiredToDelete;
        let (course, caller) = self.taught(call, slug, refusal).await?;
        if etag.is_empty() {
            return Err(Error::EtagRequired);
        }
        let now = self.clock.now();
        let rule = |course: &mut Course| {
            still_teaches(course, caller, Error::InstructorRequiredToDelete)?;
            if !course.is_version(etag) {
                return Err(Error::EtagMismatch);
            }
            course.deleted_at = Some(now);
            Ok(())
        };
        settled(self.store.change(course.id, None, now, rule).await?).map(|_| ())
    }

    /// Takes the deletion of a course back. The etag is that of the version that was deleted; of a course that is not
    /// deleted nothing is changed, so that it does not count there.
    ///
    /// # Errors
    /// [`Error::CourseNotFound`], [`Error::CourseHidden`], [`Error::SlugChanged`],
    /// [`Error::InstructorRequiredToUndelete`], [`Error::StepUpNeeded`], [`Error::EtagRequired`],
    /// [`Error::EtagMismatch`].
    pub async fn undelete(&self, call: &Call, slug: &str, etag: &str) -> Result<Course, Error> {
        let refusal = Error::InstructorRequiredToUndelete;
        let (course, caller) = self.taught_or_deleted(call, slug, refusal).await?;
        if etag.is_empty() {
            return Err(Error::EtagRequired);
        }
        let now = self.clock.now();
        let rule = |course: &mut Course| {
            if course.instructor(caller.user_id).is_none() {
                return Err(Error::CourseHidden);
            }
            // It is being purged, or about to be.
            if course
                .deleted_at
                .is_some_and(|deleted_at| deleted_at < now - KEPT)
            {
                return Err(Error::CourseNotFound);
            }
            if course.deleted_at.is_some() && !course.is_version(etag) {
                return Err(Error::EtagMismatch);
            }
            course.deleted_at = None;
            Ok(())
        };
        settled(self.store.change(course.id, None, now, rule).await?)
    }

    /// Removes the courses for good that were deleted long enough ago; says how many.
    ///
    /// # Errors
    /// [`Error::Store`]. What was done stays done.
    pub async fn purge_deleted(&self) -> Result<u64, Error> {
        let before = self.clock.now() - KEPT - MARGIN;
        while self.store.purge_enrollments(before, ENROLLMENTS).await? > 0 {}
        let mut purged = 0;
        loop {
            let batch = self.store.purge_deleted(before, BATCH).await?;
            purged += batch;
            if batch < BATCH.unsigned_abs() {
                return Ok(purged);
            }
        }
    }
}

//! What is kept for a while only: the answers of calls that act once, and deleted courses.

use std::time::Duration;

use service_runtime::{causes::causes, lifecycle::Tasks};

use super::{Courses, Error};

/// How often they are looked for.
const EVERY: Duration = Duration::from_secs(600);
/// How many are removed by one statement, so that none holds a lock for long.
const BATCH: i64 = 1_000;

/// Forgets what is old until the tasks are asked to stop.
pub async fn run(courses: Courses, tasks: Tasks) {
    while tasks.sleep(EVERY).await {
        if let Err(error) = courses.forget_old_answers().await {
            tracing::warn!(error = causes(&error), "old answers could not be forgotten");
        }
        match courses.purge_deleted().await {
            Ok(0) => {}
            Ok(purged) => tracing::info!(purged, "deleted courses are gone for good"),
            Err(error) => tracing::warn!(error = causes(&error), "deleted courses could not be purged"),
        }
    }
}

impl Courses {
    /// Forgets the answers that are kept no longer; says how many.
    ///
    /// # Errors
    /// [`Error::Store`]. What was done stays done.
    pub async fn forget_old_answers(&self) -> Result<u64, Error> {
        let mut forgotten = 0;
        loop {
            let batch = self.store.forget_old_answers(self.clock.now(), BATCH).await?;
            forgotten += batch;
            if batch < BATCH.unsigned_abs() {
                return Ok(forgotten);
            }
        }
    }
}

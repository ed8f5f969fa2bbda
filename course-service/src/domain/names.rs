//! The names of instructors follow those that auth-service knows: every minute, and whatever fails is tried
//! again the minute after.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use auth_client::authorize::PublicUser;
use service_runtime::{
    causes::causes,
    grpc::context::{KnownCaller, RequestContext, new_request_id},
    lifecycle::Tasks,
};

use super::{Courses, Error};
use crate::model::{course::Course, instructor::Person};

/// How often names are looked up.
const EVERY: Duration = Duration::from_secs(60);
/// How long one look-up may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many people are looked up at once, and how many courses are read at once.
const BATCH: i64 = 500;

/// Refreshes names until the tasks are asked to stop.
pub async fn run(courses: Courses, tasks: Tasks) {
    while tasks.sleep(EVERY).await {
        match courses.refresh_names().await {
            Ok(0) => {}
            Ok(changed) => tracing::info!(changed, "names of instructors have changed"),
            Err(error) => {
                tracing::warn!(
                    error = causes(&error),
                    "names of instructors could not be refreshed"
                );
            }
        }
    }
}

impl From<PublicUser> for Person {
    fn from(user: PublicUser) -> Self {
        Self {
            id: user.id,
            username: user.username,
            first_name: user.first_name,
            last_name: user.last_name,
        }
    }
}

impl Courses {
    /// Brings the names in all courses up to date; says how many people have other names now. Only courses of
    /// those are written.
    ///
    /// # Errors
    /// [`Error::Auth`], [`Error::Store`]. What was done stays done.
    pub async fn refresh_names(&self) -> Result<usize, Error> {
        let mut changed = 0;
        let mut after = None;
        loop {
            let known = self.store.people(after, BATCH).await?;
            let Some(last) = known.last() else { break };
            after = Some(last.person.id);
            let ids: Vec<_> = known.iter().map(|one| one.person.id).collect();
            for user in self.auth.users(&self.own_context(), &ids).await? {
                let person = Person::from(user);
                let Some(old) = known.iter().find(|old| old.person.id == person.id) else {
                    continue;
                };
                if old.person != person {
                    let doubts = self.store.expect_names(&person).await?;
                    self.rename(&person, doubts).await?;
                    changed += 1;
                } else if old.doubts > 0 {
                    self.rename(&person, old.doubts).await?;
                }
            }
        }
        self.store.forget_former_instructors().await?;
        Ok(changed)
    }

    /// Gives a person these names in every course. If this ends half-way, or other names are written meanwhile,
    /// the doubts stay and the next round sees them.
    async fn rename(&self, person: &Person, doubts: i64) -> Result<(), Error> {
        let mut after = None;
        loop {
            let ids = self.store.taught_by(person.id, after, BATCH).await?;
            let Some(last) = ids.last() else { break };
            after = Some(*last);
            for id in ids {
                let rule = |course: &mut Course| {
                    let found = course
                        .instructors
                        .iter_mut()
                        .find(|instructor| instructor.person.id == person.id);
                    if let Some(instructor) = found {
                        instructor.person.clone_from(person);
                    }
                    Ok::<(), Infallible>(())
                };
                self.store.change(id, None, self.clock.now(), rule).await?;
            }
        }
        Ok(self.store.settle_names(person.id, doubts).await?)
    }

    fn own_context(&self) -> RequestContext {
        RequestContext {
            request_id: new_request_id(&self.entropy).into(),
            method: "names of instructors".into(),
            deadline: Instant::now() + PATIENCE,
            traceparent: None,
            peer: None,
            caller: KnownCaller::default(),
        }
    }
}

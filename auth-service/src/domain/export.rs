//! Everything that is held about a person, for that person: all of it, or nothing.

use chrono::{DateTime, Utc};
use service_runtime::{clock::Clock, grpc::context::RequestContext};

use crate::{
    course_client::CourseClient,
    domain::{error::Error, event::Events, session::Caller, throttle::Throttle},
    model::{event::Actor, event_kind::EventKind, export::CoursesPart, user::User},
    store::{Store, export::Held},
};

/// How long a list is at most.
const LONGEST_LIST: usize = 1000;

/// The rules about reading one's own data.
#[derive(Clone)]
pub struct Exports {
    /// Where accounts are kept.
    pub store: Store,
    /// When it is.
    pub clock: Clock,
    /// Who tells the trail.
    pub events: Events,
    /// Who counts copies.
    pub throttle: Throttle,
    /// Who holds a part.
    pub courses: CourseClient,
}

/// Everything that is held about a person.
#[derive(Debug)]
pub struct Export {
    /// When it was read.
    pub exported_at: DateTime<Utc>,
    /// The account.
    pub user: User,
    /// What else auth-service holds.
    pub held: Held,
    /// What course-service holds.
    pub courses: CoursesPart,
    /// The names of the lists that are longer than what is told of them.
    pub cut: Vec<&'static str>,
}

impl Exports {
    /// Reads what is held about the caller, and tells the trail so.
    ///
    /// # Errors
    /// [`Error::Throttled`], [`Error::CoursesUnavailable`].
    pub async fn export(
        &self,
        caller: &Caller,
        by: &Actor,
        context: &RequestContext,
    ) -> Result<Export, Error> {
        let (id, now) = (caller.user.id, self.clock.now());
        self.throttle.export(id).await?.or_refuse()?;
        let courses = self.courses.held(context, id).await.map_err(|error| {
            tracing::warn!(request_id = &*context.request_id, %error, "an export waits for course-service");
            Error::CoursesUnavailable
        })?;
        // One more than is told shows that there are more.
        let most = i64::try_from(LONGEST_LIST).unwrap_or(i64::MAX).saturating_add(1);
        let mut held = self.store.held(id, most).await?;
        let mut cut = Vec::new();
        shorten("sessions", &mut held.sessions, &mut cut);
        shorten("links", &mut held.links, &mut cut);
        shorten("mails", &mut held.mails, &mut cut);
        shorten("events", &mut held.events, &mut cut);
        if courses.has_more {
            cut.push("courses_taught");
        }
        if courses.has_more_enrollments {
            cut.push("enrollments");
        }
        let event = self.events.event(EventKind::DataExported, by, Some(id), "")?;
        self.store.tell_of_export(&event).await?;
        Ok(Export {
            exported_at: now,
            user: caller.user.clone(),
            held,
            courses,
            cut,
        })
    }
}

fn shorten<T>(name: &'static str, list: &mut Vec<T>, cut: &mut Vec<&'static str>) {
    if list.len() > LONGEST_LIST {
        list.truncate(LONGEST_LIST);
        cut.push(name);
    }
}

//! Accounts as staff sees and changes them, and as other services may ask for them.

use service_runtime::{clock::Clock, page_token::PageTokens};
use uuid::Uuid;

use crate::{
    domain::{
        error::Error,
        event::Events,
        factor::FactorError,
        page::{next_page, page},
        profile::{ProfileChange, not_changed},
        session::Caller,
    },
    model::{
        event::Actor,
        event_kind::EventKind,
        id,
        session::EndReason,
        user::{User, UserOrder},
        username::Username,
    },
    store::{
        Store,
        user::{Effects, UserCursor},
    },
};

/// The longest search, in characters.
const LONGEST_SEARCH: usize = 200;
/// How many users may be asked for at once.
const MOST_USERS: usize = 500;

/// The rules about accounts as staff sees them.
#[derive(Clone)]
pub struct Users {
    /// Where accounts are kept.
    pub store: Store,
    /// When it is.
    pub clock: Clock,
    /// Who makes page tokens.
    pub pages: PageTokens,
    /// Who tells the trail.
    pub events: Events,
}

/// What staff may change about a user: `None` leaves it as it is.
#[derive(Debug, Default)]
pub struct UserChange {
    /// The profile.
    pub profile: ProfileChange,
    /// Whether the account may log in.
    pub is_active: Option<bool>,
    /// Whether the account administers the site.
    pub is_staff: Option<bool>,
}

/// Who changes a user, as far as it decides whether they may let somebody administer the site.
#[derive(Debug, Clone, Copy)]
pub enum Granter<'a> {
    /// An operator at the command line, who proves nothing here.
    Operator,
    /// Staff, who prove their second factor if they have one.
    Staff(&'a Caller),
}

/// Which users to list.
#[derive(Debug)]
pub struct UserQuery<'a> {
    /// What address or names contain.
    pub search: &'a str,
    /// Their order.
    pub order_by: &'a str,
    /// How many.
    pub page_size: i32,
    /// From where.
    pub page_token: &'a str,
}

impl Users {
    /// A page of users, and the token of the next page.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub async fn list(&self, query: UserQuery<'_>) -> Result<(Vec<User>, String), Error> {
        if query.search.chars().count() > LONGEST_SEARCH {
            return Err(Error::field(
                "search",
                format!("A search has at most {LONGEST_SEARCH} characters."),
            ));
        }
        if query.search.contains('\0') {
            return Err(Error::field(
                "search",
                "A search must not contain control characters.",
            ));
        }
        let order = UserOrder::parse(query.order_by)
            .ok_or_else(|| Error::field("order_by", "Users are ordered by date_joined or username."))?;
        let scope = ("users", query.search, order);
        let (size, after) = page(&self.pages, &scope, query.page_size, query.page_token)?;
        let mut users = self
            .store
            .list_users(query.search, order, after.as_ref(), size + 1)
            .await?;
        let next = next_page(&self.pages, &scope, &mut users, size, |last| UserCursor {
            date_joined: last.date_joined,
            username_key: Username::parse(&last.username)
                .map(|it| it.key().to_owned())
                .unwrap_or_default(),
            id: last.id,
        });
        Ok((users, next))
    }

    /// One user.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn get(&self, id: &str) -> Result<User, Error> {
        let id = id::parse(id).ok_or(Error::NotFound("user"))?;
        self.store.user(id).await?.ok_or(Error::NotFound("user"))
    }

    /// The user with an address, or with an id.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn find(&self, address_or_id: &str) -> Result<User, Error> {
        match Username::parse(address_or_id) {
            Ok(username) => {
                let found = self.store.user_by_username(username.key()).await?;
                found.ok_or(Error::NotFound("user"))
            }
            Err(_) => self.get(address_or_id).await,
        }
    }

    /// Changes a user. Taking `is_active` away ends their sessions; giving it stands for a proved address.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::EtagMismatch`], [`Error::LastStaffUser`]; [`FactorError::NotFresh`] for letting
    /// somebody administer the site.
    pub async fn update(
        &self,
        granter: Granter<'_>,
        by: &Actor,
        id: &str,
        change: UserChange,
        revision: Option<i64>,
    ) -> Result<User, Error> {
        let id = id::parse(id).ok_or(Error::NotFound("user"))?;
        let now = self.clock.now();
        let changed = self.store.change_user(id, revision, now, |user| {
            let mut effects = Effects::default();
            change.profile.apply(&mut user.profile);
            let (was_staff, was_active) = (user.is_staff, user.is_active);
            match change.is_active {
                Some(false) if user.is_active => effects.end_sessions = Some(EndReason::Deactivated),
                // Otherwise the clean-up would take the account for one that nobody wanted.
                Some(true) => user.verified_at = user.verified_at.or(Some(now)),
                _ => {}
            }
            user.is_staff = change.is_staff.unwrap_or(was_staff);
            user.is_active = change.is_active.unwrap_or(was_active);
            // Rights that rest until an account is active are given again by whoever activates it.
            let is_granted = user.is_staff && (!was_staff || (user.is_active && !was_active));
            if let Granter::Staff(caller) = granter
                && is_granted
                && caller.lacks_fresh_factor(now)
            {
                return Err(FactorError::NotFresh.into());
            }
            for (happened, kind) in [
                (is_granted, EventKind::StaffGranted),
                (was_staff && !user.is_staff, EventKind::StaffRevoked),
                (!was_active && user.is_active, EventKind::UserActivated),
                (was_active && !user.is_active, EventKind::UserDeactivated),
            ] {
                if happened {
                    effects.events.push(self.events.event(kind, by, Some(id), "")?);
                }
            }
            Ok::<_, Error>(effects)
        });
        changed.await.map_err(not_changed)
    }

    /// Up to 500 users by their ids, in the order of the ids; who does not exist is left out.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub async fn by_id(&self, ids: &[String]) -> Result<Vec<User>, Error> {
        if ids.len() > MOST_USERS {
            return Err(Error::field(
                "user_ids",
                format!("At most {MOST_USERS} users can be asked for at once."),
            ));
        }
        let parsed: Option<Vec<Uuid>> = ids.iter().map(|id| id::parse(id)).collect();
        let ids = parsed.ok_or_else(|| Error::field("user_ids", "An id is a UUID."))?;
        Ok(self.store.users_by_id(&ids).await?)
    }
}

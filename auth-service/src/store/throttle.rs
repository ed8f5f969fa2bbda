//! Throttles: an attempt is counted in its lanes, and told what they let in, by one statement. Its rows are locked while
//! it counts, so attempts at the same moment, wherever they arrive, find each other's.

use chrono::{DateTime, Utc};
use service_runtime::on;
use sqlx::{PgConnection, Postgres, QueryBuilder, Sqlite, SqliteConnection};

use crate::{
    model::throttle::{Found, LIMITS, LOGIN, LOGIN_STRANGERS, Lane, Weight},
    store::{Error, Store},
};

impl Store {
    /// Counts an attempt in each of its lanes that lets it in; says what each of them said, in their order.
    ///
    /// Whoever passes lanes in another order might wait for whoever waits for them: pass those of an account and a
    /// network first, then those of the account, then those of the network.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attempt(&self, lanes: &[Lane], now: DateTime<Utc>) -> Result<Vec<Found>, Error> {
        let found = on!(&self.writes, |pool| pool
            .acquire()
            .await?
            .attempt(lanes, now)
            .await);
        Ok(found?)
    }

    /// Removes up to `limit` lanes of each kind in which nothing was owed at `before`; says how many at most of a kind.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn remove_old_throttles(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
        let mut most = 0;
        // A kind at a time: attempts lock their rows in the order of kinds, and one that waits for us must not hold
        // what we wait for.
        for kind in LIMITS.map(|limit| limit.kind) {
            let removed = on!(&self.writes, |pool| {
                sqlx::query(
                    "DELETE FROM throttles WHERE paid_at < $2 AND (kind, account, network) IN (SELECT kind, \
                     account, network FROM throttles WHERE kind = $1 AND paid_at < $2 ORDER BY paid_at LIMIT $3)",
                )
                .bind(kind)
                .bind(before.timestamp_micros())
                .bind(limit)
                .execute(pool)
                .await
                .map(|done| done.rows_affected())
            });
            most = removed?.max(most);
        }
        Ok(most)
    }
}

/// By when a lane's debt must be worked off for another attempt to be let in.
fn bound(lane: &Lane, now: i64) -> i64 {
    now + i64::from(lane.limit.burst.saturating_sub(1)) * lane.limit.step()
}

/// The kind of a lane, when it was first used, and by when it was worked off.
type CountedRow = (String, i64, i64);

fn found(lane: &Lane, rows: &[CountedRow], now: i64) -> Result<Found, sqlx::Error> {
    let row = rows.iter().find(|(kind, ..)| kind == lane.limit.kind);
    let (_, since, was) = row.ok_or(sqlx::Error::RowNotFound)?;
    Ok(Found {
        let_in: *was <= bound(lane, now),
        since: *since,
        was: *was,
    })
}

/// What a connection offers for throttles.
pub trait ThrottleTable {
    /// What [`Store::attempt`] does, within a running transaction.
    fn attempt(
        &mut self,
        lanes: &[Lane],
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<Vec<Found>, sqlx::Error>> + Send;

    /// Counts an attempt in one lane; says whether that lets it in.
    fn lets_in(
        &mut self,
        lane: &Lane,
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<bool, sqlx::Error>> + Send
    where
        Self: Send,
    {
        async move {
            let found = self.attempt(std::slice::from_ref(lane), now).await?;
            Ok(found.iter().all(|lane| lane.let_in))
        }
    }

    /// Forgives an account, under each of its names, what was counted against its logins.
    fn forgive_logins(
        &mut self,
        accounts: &[Vec<u8>],
        now: DateTime<Utc>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// By when a lane is worked off, before this attempt. What no lane can owe was written by a clock that was ahead: then it
/// owes what it owed by that clock, which was as far before `bound` as this one is.
macro_rules! owed {
    () => {
        "CASE WHEN throttles.paid_at <= excluded.most THEN throttles.paid_at \
         WHEN throttles.paid_at - throttles.bound < excluded.most - excluded.bound \
         THEN throttles.paid_at - throttles.bound + excluded.bound ELSE excluded.most END"
    };
}

macro_rules! throttle_table_for {
    ($connection:ty, $database:ty) => {
        impl ThrottleTable for $connection {
            async fn attempt(
                &mut self,
                lanes: &[Lane],
                now: DateTime<Utc>,
            ) -> Result<Vec<Found>, sqlx::Error> {
                let now = now.timestamp_micros();
                let mut insert = QueryBuilder::<$database>::new(
                    "INSERT INTO throttles (kind, account, network, since, was, paid_at, bound, most) ",
                );
                insert.push_values(lanes, |mut row, lane| {
                    let (step, bound) = (lane.limit.step(), bound(lane, now));
                    row.push_bind(lane.limit.kind);
                    row.push_bind(lane.account.clone());
                    row.push_bind(lane.network.clone());
                    row.push_bind(now).push_bind(now);
                    match (lane.weight, lanes.first()) {
                        (Weight::Nothing, _) => row.push_bind(now),
                        (Weight::Forgives, _) => row.push_bind(now - i64::from(lane.limit.burst) * step),
                        (Weight::OneIfFirstIsClear, Some(first)) => row
                            .push("CASE WHEN EXISTS (SELECT 1 FROM throttles WHERE kind = ")
                            .push_bind_unseparated(first.limit.kind)
                            .push_unseparated(" AND account = ")
                            .push_bind_unseparated(first.account.clone())
                            .push_unseparated(" AND network = ")
                            .push_bind_unseparated(first.network.clone())
                            .push_unseparated(" AND paid_at > ")
                            .push_bind_unseparated(now)
                            .push_unseparated(") THEN ")
                            .push_bind_unseparated(now)
                            .push_unseparated(" ELSE ")
                            .push_bind_unseparated(now + step)
                            .push_unseparated(" END"),
                        (Weight::One | Weight::OneIfFirstIsClear, _) => row.push_bind(now + step),
                    };
                    row.push_bind(bound).push_bind(bound + step);
                });
                insert.push(concat!(
                    " ON CONFLICT (kind, account, network) DO UPDATE SET \
                     since = CASE WHEN throttles.since > excluded.since THEN excluded.since ELSE throttles.since END, \
                     was = ",
                    owed!(),
                    ", paid_at = CASE WHEN ",
                    owed!(),
                    " > excluded.bound THEN ",
                    owed!(),
                    " WHEN ",
                    owed!(),
                    " > excluded.since THEN ",
                    owed!(),
                    " + excluded.paid_at - excluded.since ELSE excluded.paid_at END, \
                     bound = excluded.bound, most = excluded.most \
                     RETURNING kind, since, was"
                ));
                let rows: Vec<CountedRow> = insert.build_query_as().fetch_all(self).await?;
                lanes.iter().map(|lane| found(lane, &rows, now)).collect()
            }

            async fn forgive_logins(
                &mut self,
                accounts: &[Vec<u8>],
                now: DateTime<Utc>,
            ) -> Result<(), sqlx::Error> {
                for account in accounts {
                    // In the order in which attempts lock them.
                    for kind in [LOGIN.kind, LOGIN_STRANGERS.kind] {
                        sqlx::query("DELETE FROM throttles WHERE kind = $1 AND account = $2 AND paid_at > $3")
                            .bind(kind)
                            .bind(account)
                            .bind(now.timestamp_micros())
                            .execute(&mut *self)
                            .await?;
                    }
                }
                Ok(())
            }
        }
    };
}

throttle_table_for!(PgConnection, Postgres);
throttle_table_for!(SqliteConnection, Sqlite);

//! Lists of courses: one statement per page, whatever the filter; the last page costs what the first costs.

use chrono::{DateTime, Utc};
use service_runtime::{database::Database, on};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::{
    Error, Store,
    row::{CourseRow, columns},
};
use crate::model::{
    course::Course,
    listing::{Cursor, Filter, Order, OrderBy, Page},
    search,
};

#[derive(FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    course: CourseRow,
    relevance: i64,
}

/// A value of a statement.
enum Value {
    Text(String),
    Bytes(Vec<u8>),
    Number(i64),
    Id(Uuid),
    Time(DateTime<Utc>),
}

/// A statement as it grows: its text, made of constants alone, and the values of its placeholders.
#[derive(Default)]
struct Statement {
    text: String,
    values: Vec<Value>,
}

impl Statement {
    fn push(&mut self, text: &'static str) {
        self.text.push_str(text);
    }

    fn bind(&mut self, value: Value) {
        self.values.push(value);
        self.text.push_str(&format!("${}", self.values.len()));
    }

    /// Values in a row, separated by commas.
    fn bind_row(&mut self, values: impl IntoIterator<Item = Value>) {
        for (place, value) in values.into_iter().enumerate() {
            if place > 0 {
                self.push(", ");
            }
            self.bind(value);
        }
    }

    /// 1 for a course with all the words in its title, else 0.
    fn relevance(&mut self, words: &[String]) {
        if words.is_empty() {
            return self.push("CAST(0 AS BIGINT)");
        }
        self.push("CAST(CASE WHEN ");
        for (place, word) in words.iter().enumerate() {
            if place > 0 {
                self.push(" AND ");
            }
            self.push("search_text LIKE ");
            self.bind(Value::Text(format!("%{}%\n%", escape(word))));
            self.push(" ESCAPE '\\'");
        }
        self.push(" THEN 1 ELSE 0 END AS BIGINT)");
    }

    fn filter(&mut self, filter: &Filter) {
        self.push(" WHERE deleted_at IS NULL");
        if filter.published_only {
            self.push(" AND state = 'published'");
        }
        match filter.is_free {
            Some(true) => self.push(" AND price = 0"),
            Some(false) => self.push(" AND price > 0"),
            None => {}
        }
        if let Some(user_id) = filter.instructor {
            self.push(" AND id IN (SELECT t.course_id FROM course_instructors t WHERE t.user_id = ");
            self.bind(Value::Id(user_id));
            self.push(")");
        }
        for word in &filter.words {
            self.push(" AND search_text LIKE ");
            self.bind(Value::Text(format!("%{}%", escape(word))));
            self.push(" ESCAPE '\\'");
        }
    }

    /// Only what comes after the cursor.
    fn after(&mut self, cursor: Cursor, descending: bool, words: &[String]) {
        let (columns, values) = match cursor {
            Cursor::CreatedAt(time, id) => ("created_at, id)", vec![Value::Time(time), Value::Id(id)]),
            Cursor::Title(title, id) => (
                "title_order, id)",
                vec![Value::Bytes(title.into_bytes()), Value::Id(id)],
            ),
            Cursor::Price(price, id) => ("price, id)", vec![Value::Number(price), Value::Id(id)]),
            Cursor::Relevance(relevance, time, id) => (
                ", created_at, id)",
                vec![Value::Number(relevance), Value::Time(time), Value::Id(id)],
            ),
        };
        self.push(" AND (");
        if columns.starts_with(',') {
            self.relevance(words);
        }
        self.push(columns);
        self.push(if descending { " < (" } else { " > (" });
        self.bind_row(values);
        self.push(")");
    }

    fn order(&mut self, order: Order) {
        self.push(match (order.by, order.descending) {
            (OrderBy::CreatedAt, false) => " ORDER BY created_at, id",
            (OrderBy::CreatedAt, true) => " ORDER BY created_at DESC, id DESC",
            (OrderBy::Title, false) => " ORDER BY title_order, id",
            (OrderBy::Title, true) => " ORDER BY title_order DESC, id DESC",
            (OrderBy::Price, false) => " ORDER BY price, id",
            (OrderBy::Price, true) => " ORDER BY price DESC, id DESC",
            (OrderBy::Relevance, false) => " ORDER BY relevance, created_at, id",
            (OrderBy::Relevance, true) => " ORDER BY relevance DESC, created_at DESC, id DESC",
        });
    }

    async fn rows(&self, database: Database) -> Result<Vec<ListedRow>, sqlx::Error> {
        on!(&database, |pool| {
            // The text is made of the constants above; what callers sent is bound.
            let mut query = sqlx::query_as(AssertSqlSafe(self.text.clone()));
            for value in &self.values {
                query = match value {
                    Value::Text(text) => query.bind(text),
                    Value::Bytes(bytes) => query.bind(bytes),
                    Value::Number(number) => query.bind(number),
                    Value::Id(id) => query.bind(id),
                    Value::Time(time) => query.bind(time),
                };
            }
            query.fetch_all(pool).await
        })
    }
}

impl Store {
    /// A page of up to `size` courses.
    ///
    /// # Errors
    /// When the database does not answer; [`Error::TooManySearches`].
    pub async fn courses(
        &self,
        filter: &Filter,
        order: Order,
        after: Option<Cursor>,
        size: i64,
    ) -> Result<Page, Error> {
        let mut statement = Statement::default();
        statement.push(concat!("SELECT ", columns!(), ", "));
        statement.relevance(&filter.words);
        statement.push(" AS relevance FROM courses");
        statement.filter(filter);
        if let Some(cursor) = after {
            statement.after(cursor, order.descending, &filter.words);
        }
        statement.order(order);
        statement.push(" LIMIT ");
        // One more than asked for says whether there is a next page.
        statement.bind(Value::Number(size + 1));
        let is_search = !filter.words.is_empty();
        let lists = if is_search { &self.searches } else { &self.lists };
        match lists.read(|database| statement.rows(database)).await {
            Ok(rows) => page(rows, order, size),
            Err(error) if is_search => Err(self.search_refused(error).await),
            Err(error) => Err(error.into()),
        }
    }
}

fn page(rows: Vec<ListedRow>, order: Order, size: i64) -> Result<Page, Error> {
    let size = usize::try_from(size).unwrap_or(0);
    let has_next = rows.len() > size;
    let mut courses = Vec::with_capacity(size);
    let mut last_relevance = 0;
    for row in rows.into_iter().take(size) {
        last_relevance = row.relevance;
        courses.push(Course::try_from(row.course)?);
    }
    let next = courses
        .last()
        .filter(|_| has_next)
        .map(|last| cursor(last, order.by, last_relevance));
    Ok(Page { courses, next })
}

/// The place of a course in an order.
fn cursor(course: &Course, by: OrderBy, relevance: i64) -> Cursor {
    match by {
        OrderBy::CreatedAt => Cursor::CreatedAt(course.created_at, course.id),
        OrderBy::Title => Cursor::Title(search::title_order(course), course.id),
        OrderBy::Price => Cursor::Price(course.price.minor(), course.id),
        OrderBy::Relevance => Cursor::Relevance(relevance, course.created_at, course.id),
    }
}

/// A word as it stands in a LIKE pattern, so that `%` and `_` mean themselves.
fn escape(word: &str) -> String {
    let mut escaped = String::with_capacity(word.len());
    for letter in word.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_of_a_search_mean_themselves() {
        assert_eq!(escape(r"100%_\a"), r"100\%\_\\a");
    }
}

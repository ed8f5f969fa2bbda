//! A search through every column of every table of a database, by what the database itself says it has: a table that is
//! added later is searched too.

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};

/// The rows that hold one of these texts in any case, also as the bytes of a binary column, each with the table that it
/// stands in.
///
/// # Panics
///
/// If the database cannot be read.
pub async fn holding(database_url: &str, texts: &[&str]) -> Vec<String> {
    let all = match database_url.starts_with("sqlite:") {
        true => of_sqlite(database_url).await,
        false => of_postgres(database_url).await,
    };
    let wanted: Vec<String> = texts
        .iter()
        .flat_map(|text| [text.to_lowercase(), hex(text)])
        .collect();
    let holds = |row: &String| {
        let row = row.to_lowercase();
        wanted.iter().any(|text| row.contains(text.as_str()))
    };
    all.into_iter().filter(holds).collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

async fn of_postgres(url: &str) -> Vec<String> {
    let mut database = PgConnection::connect(url).await.expect("the database answers");
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_schema::text, table_name::text FROM information_schema.tables \
         WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&mut database)
    .await
    .expect("the tables are listed");
    let mut found = Vec::new();
    for (schema, table) in tables {
        let statement = format!("SELECT row::text FROM \"{schema}\".\"{table}\" AS row");
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(statement))
            .fetch_all(&mut database)
            .await
            .expect("a table is read");
        found.extend(rows.into_iter().map(|row| format!("{schema}.{table}: {row}")));
    }
    found
}

async fn of_sqlite(url: &str) -> Vec<String> {
    let mut database = SqliteConnection::connect(url)
        .await
        .expect("the database answers");
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns \
         WHERE tables.type = 'table'",
    )
    .fetch_all(&mut database)
    .await
    .expect("the columns are listed");
    let mut found = Vec::new();
    for (table, column) in columns {
        let statement = format!("SELECT quote(\"{column}\") FROM \"{table}\"");
        let values: Vec<String> = sqlx::query_scalar(AssertSqlSafe(statement))
            .fetch_all(&mut database)
            .await
            .expect("a column is read");
        found.extend(
            values
                .into_iter()
                .map(|value| format!("{table}.{column}: {value}")),
        );
    }
    found
}

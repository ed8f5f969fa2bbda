//! Where a service's database is.

use super::{Reader, text};
use crate::secret::LiveSecret;

/// The database of a service: the variable that is its own, else `DATABASE_URL`, else `file` under `DATA_DIR`.
pub fn database_url(reader: &mut Reader<'_>, own: &str, file: &str) -> Option<LiveSecret> {
    // The address itself may hold a password: no fault repeats it.
    let own = reader.read_secret(own, |url| {
        let known = is_postgres(url) || url.starts_with("sqlite:");
        if known {
            Ok(url.to_owned())
        } else {
            Err("begins with neither postgres:// nor sqlite:".to_owned())
        }
    });
    let shared = reader.read_secret("DATABASE_URL", |url| {
        let sentence =
            "must begin with postgres://; a SQLite file is one service's: set that service's own variable";
        if is_postgres(url) {
            Ok(url.to_owned())
        } else {
            Err(sentence.to_owned())
        }
    });
    let folder = reader.read("DATA_DIR", text)?;
    let folder = folder.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
    let embedded = || LiveSecret::new(format!("sqlite:{folder}/{file}"), None);
    Some(own?.or(shared?).unwrap_or_else(embedded))
}

/// The read replica of a service, if it has one: the variable that is its own, else `READ_DATABASE_URL`. `primary`
/// is the database that it is a replica of, if that could be read.
pub fn read_database_url(
    reader: &mut Reader<'_>,
    own: &str,
    primary: Option<&LiveSecret>,
) -> Option<Option<LiveSecret>> {
    let mut read = |name: &str| {
        let url = reader.read_secret(name, |url| {
            if is_postgres(url) {
                Ok(url.to_owned())
            } else {
                Err("must begin with postgres://".to_owned())
            }
        })?;
        if url.is_some() && primary.is_some_and(|primary| !is_postgres(primary.expose())) {
            reader.fault(
                name,
                "names a replica of a PostgreSQL database: set DATABASE_URL to that one",
            );
            return None;
        }
        Some(url)
    };
    let (own, shared) = (read(own), read("READ_DATABASE_URL"));
    Some(own?.or(shared?))
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

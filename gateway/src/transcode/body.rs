//! Reading a body: the right media type, not too large, not too slow.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time,
};
use tonic::Code;

use crate::problem::Problem;

/// The largest body, in bytes.
const LARGEST_BODY: usize = 256 * 1024;

/// How much of every body is taken without asking whether there is room, in bytes; most bodies are smaller.
const ALWAYS_ROOM: usize = 16 * 1024;

/// How much of all bodies that are arriving may go beyond that at once, in KiB. Without this, whoever sends bodies and
/// never ends them would fill the memory.
static ROOM: Semaphore = Semaphore::const_new(32 * 1024);

/// How long a body may take to arrive.
const LONGEST_ARRIVAL: Duration = Duration::from_secs(15);

/// How much of a body that is too large is read and dropped, and for how long.
const MOST_DROPPED: usize = 4 * 1024 * 1024;
const LONGEST_DROPPING: Duration = Duration::from_secs(1);

/// Reads a JSON body. One that is empty needs no media type.
///
/// # Errors
/// 408, 413, 415, 429 when too many are large, or 400 when it ends early.
pub async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let is_json = is_plain(headers) && is_json(headers);
    // What names another type is refused before it is read; what names none may still turn out empty.
    if !is_json && headers.contains_key(header::CONTENT_TYPE) {
        return Err(unsupported());
    }
    let bytes = collect(body).await?;
    match is_json || bytes.is_empty() {
        true => Ok(bytes),
        false => Err(unsupported()),
    }
}

/// Reads a body of any type.
///
/// # Errors
/// 408, 413, 429 when too many are large, or 400 when it ends early.
pub async fn collect(mut body: Body) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > LARGEST_BODY as u64 {
        return Err(too_large(body).await);
    }
    match time::timeout(LONGEST_ARRIVAL, gather(&mut body)).await {
        Ok(Ok(whole)) => Ok(whole),
        Ok(Err(NotWhole::TooLarge)) => Err(too_large(body).await),
        Ok(Err(NotWhole::NoRoom)) => Err(Problem::overloaded()),
        Ok(Err(NotWhole::BrokenOff)) => Err(Problem::bad_request(
            "BODY_INCOMPLETE",
            "The body did not arrive as announced.",
        )),
        Err(_elapsed) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            Code::DeadlineExceeded,
            "BODY_TIMEOUT",
            "The body took too long to arrive.",
        )),
    }
}

/// Why there is no whole body.
enum NotWhole {
    BrokenOff,
    TooLarge,
    NoRoom,
}

/// The whole body.
async fn gather(body: &mut Body) -> Result<Bytes, NotWhole> {
    let mut whole = BytesMut::new();
    let mut taken: Vec<SemaphorePermit<'_>> = Vec::new();
    let mut room = ALWAYS_ROOM;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_broken_off| NotWhole::BrokenOff)?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let length = whole.len() + data.len();
        if length > LARGEST_BODY {
            return Err(NotWhole::TooLarge);
        }
        while length > room {
            taken.push(ROOM.try_acquire_many(64).map_err(|_full| NotWhole::NoRoom)?);
            room += 64 * 1024;
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// The refusal of what is too large. The rest is read and dropped for a moment: a connection closed on a
/// client that is still sending is reset, and the client never sees why.
async fn too_large(mut body: Body) -> Problem {
    let draining = async {
        let mut dropped = 0;
        while let Some(Ok(frame)) = body.frame().await
            && dropped < MOST_DROPPED
        {
            dropped += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    let _in_time = time::timeout(LONGEST_DROPPING, draining).await;
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        Code::InvalidArgument,
        "BODY_TOO_LARGE",
        "The body must not be larger than 256 KiB.",
    )
}

/// Whether the body is as it is, not compressed.
fn is_plain(headers: &HeaderMap) -> bool {
    let encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings
        .into_iter()
        .all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Whether the media type is `application/json`, in UTF-8 if it says so.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return false;
    };
    let mut parts = value.to_str().unwrap_or_default().split(';').map(str::trim);
    let names_json = parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    let in_utf8 = |part: &str| match part.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("charset") => {
            value.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    names_json && parts.all(in_utf8)
}

fn unsupported() -> Problem {
    Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::InvalidArgument,
        "UNSUPPORTED_MEDIA_TYPE",
        "The body must be application/json in UTF-8, not compressed.",
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn json_is_one_media_type_in_one_encoding() {
        let of = |value: &'static str| {
            is_json(&HeaderMap::from_iter([(
                header::CONTENT_TYPE,
                HeaderValue::from_static(value),
            )]))
        };
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
        ] {
            assert!(of(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json; charset=latin1",
            "application/x-www-form-urlencoded",
            "application/problem+json",
        ] {
            assert!(!of(bad), "{bad}");
        }
    }
}

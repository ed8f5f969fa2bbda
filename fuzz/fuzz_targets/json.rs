//! Bodies: what is read is what another reader reads, and a key that stands twice is told wherever it stands.

#![no_main]

use fuzz::object::Object;
use gateway::transcode::json::object;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let read = object(body);
    if body.is_empty() {
        assert!(read.unwrap().members.is_empty());
        return;
    }
    let other = serde_json::from_slice::<Value>(body).ok();
    match (read, other) {
        (Ok(read), Some(other)) => {
            assert_eq!(Value::Object(read.members.clone()), other);
            let text = std::str::from_utf8(body).expect("JSON is UTF-8").trim_start();
            let written = Object::read(text.as_bytes()).expect("an object");
            let is_twice = written.0.iter().any(|(name, _)| written.only(name).is_none());
            assert!(!is_twice || !read.twice.is_empty(), "{text}");
            let again = Value::Object(read.members).to_string();
            assert!(object(again.as_bytes()).unwrap().twice.is_empty());
        }
        (Ok(read), None) => panic!("only we read {read:?}"),
        (Err(_), Some(other)) => assert!(!other.is_object(), "only we do not read {other}"),
        (Err(_), None) => {}
    }
});

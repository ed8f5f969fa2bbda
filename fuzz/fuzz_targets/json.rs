//! Bodies: what is read is what another reader reads, and a key that stands twice is told wherever it stands.

#![no_main]

use fuzz::json::Json;
use gateway::transcode::json::object;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    let read = object(body);
    if body.is_empty() {
        assert!(read.unwrap().members.is_empty());
        return;
    }
    match (read, Json::read(body)) {
        (Ok(read), Some(other)) => {
            assert_eq!(!read.twice.is_empty(), other.has_twice(), "{other:?}");
            assert_eq!(Value::Object(read.members.clone()), other.value());
            let again = Value::Object(read.members).to_string();
            assert!(object(again.as_bytes()).unwrap().twice.is_empty());
        }
        (Ok(read), None) => panic!("only we read {read:?}"),
        (Err(_), Some(Json::Object(other))) => panic!("only we do not read {other:?}"),
        (Err(_), _) => {}
    }
});

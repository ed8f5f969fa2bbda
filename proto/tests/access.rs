//! A method that does not say whom it is for stops the build.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where something is not as it should be"
)]

#[path = "../build/access.rs"]
mod access;

use prost_reflect::DescriptorPool;

/// The contract of one service with these options in its one method.
fn pool(options: &str) -> DescriptorPool {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "syntax = \"proto3\"; package onlineedu.test.v1; import \"onlineedu/access/v1/access.proto\"; \
         message Nothing {{}} \
         service Test {{ rpc Do(Nothing) returns (Nothing) {{ {options} }} }}"
    );
    std::fs::write(folder.path().join("test.proto"), text).unwrap();
    let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let mut compiler = protox::Compiler::new([folder.path(), contract.as_ref()]).unwrap();
    compiler.include_imports(true).open_file("test.proto").unwrap();
    DescriptorPool::decode(compiler.encode_file_descriptor_set().as_slice()).unwrap()
}

#[test]
fn a_method_without_an_audience_is_refused_by_its_name() {
    for options in [
        "",
        "option (onlineedu.access.v1.audience) = AUDIENCE_UNSPECIFIED;",
    ] {
        let refused = access::table(&pool(options)).unwrap_err().to_string();
        assert!(refused.contains("onlineedu.test.v1.Test.Do"), "{refused}");
        assert!(refused.contains("onlineedu.access.v1.audience"), "{refused}");
    }
    let table = access::table(&pool("option (onlineedu.access.v1.audience) = AUDIENCE_STAFF;")).unwrap();
    assert!(
        table.contains("(\"/onlineedu.test.v1.Test/Do\", 4, 0, false, \"\")"),
        "{table}"
    );
}

#[test]
fn a_method_that_contradicts_itself_is_refused_by_its_name() {
    for (audience, other) in [
        ("ANYONE", "second_factor_max_age) = 300"),
        ("SERVICE", "second_factor_max_age) = 300"),
        ("USER", "staff_refusal) = \"No.\""),
    ] {
        let options = format!(
            "option (onlineedu.access.v1.audience) = AUDIENCE_{audience}; option (onlineedu.access.v1.{other};"
        );
        let refused = access::table(&pool(&options)).unwrap_err().to_string();
        assert!(refused.contains("onlineedu.test.v1.Test.Do"), "{refused}");
    }
}

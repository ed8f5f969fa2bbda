//! Compiles the contract with protox (no `protoc`): messages and services for tonic, the JSON shape of
//! every message, the REST route table, and the descriptor set that reflection and OpenAPI are made from.

#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "the way a build script is spoken to and answers"
)]

mod access;
mod debug;
mod json;
mod routes;

use std::{env, error::Error, fs, path::PathBuf};

use prost_reflect::DescriptorPool;

const FILES: [&str; 8] = [
    "onlineedu/auth/v1/account.proto",
    "onlineedu/auth/v1/factor.proto",
    "onlineedu/auth/v1/session.proto",
    "onlineedu/auth/v1/token.proto",
    "onlineedu/auth/v1/user.proto",
    "onlineedu/course/v1/course.proto",
    "onlineedu/course/v1/enrollment.proto",
    "onlineedu/course/v1/person.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=google");
    println!("cargo:rerun-if-changed=onlineedu");
    println!("cargo:rerun-if-changed=build");
    let out = PathBuf::from(env::var("OUT_DIR")?);

    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true);
    for file in FILES {
        compiler.open_file(file)?;
    }
    let encoded = compiler.encode_file_descriptor_set();
    fs::write(out.join("descriptor.bin"), &encoded)?;
    let pool = DescriptorPool::decode(encoded.as_slice())?;

    let mut config = tonic_prost_build::configure();
    config = json::annotate(config, &pool);
    config = debug::withhold(config, &pool);
    config.compile_fds(compiler.file_descriptor_set())?;
    fs::write(out.join("policies.rs"), access::table(&pool)?)?;
    fs::write(out.join("debug.rs"), debug::implementations(&pool))?;
    fs::write(out.join("words.rs"), json::words(&pool))?;
    fs::write(
        out.join("routes.rs"),
        routes::table(&pool)? + &routes::texts(&pool),
    )?;
    Ok(())
}

/// The Rust path of a message or enum of this contract: `onlineedu.auth.v1.User` → `crate::auth::v1::User`.
fn rust_path(full_name: &str) -> String {
    format!(
        "crate::{}",
        full_name.trim_start_matches("onlineedu.").replace('.', "::")
    )
}

//! The tokens and signatures of Project Wycheproof, where they are present: the folder that `WYCHEPROOF_DIR` names,
//! or `../shared/wycheproof` beside the workspace. They are not part of the workspace, so where they are absent that
//! is said and nothing is tested.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::Value;

use crate::forge::{Forge, encode};

fn folder() -> PathBuf {
    #[allow(
        clippy::disallowed_methods,
        reason = "where a test finds its data is no setting of the product"
    )]
    let named = std::env::var("WYCHEPROOF_DIR").ok();
    named.map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/wycheproof"),
        PathBuf::from,
    )
}

/// The test groups of a file; `None` where it is absent, which is said.
fn groups(file: &str) -> Option<Vec<Value>> {
    let path = folder().join(file);
    let Ok(text) = fs::read_to_string(&path) else {
        // Straight to the stream: the test harness would swallow what `eprintln!` writes.
        let _ = writeln!(
            std::io::stderr().lock(),
            "Wycheproof's {file} is not here; set WYCHEPROOF_DIR to test with it"
        );
        return None;
    };
    let mut file: Value = serde_json::from_str(&text).expect("Wycheproof's files are JSON");
    let groups = file["testGroups"].take();
    Some(serde_json::from_value(groups).expect("a list of groups"))
}

/// Offers every token of a file as it stands; says how many there were.
fn refuse_all(file: &str) -> Option<usize> {
    let forge = Forge::new();
    let mut offered = 0;
    for group in groups(file)? {
        for test in group["tests"].as_array().expect("a list of tests") {
            let token = ["jws", "jwe"].into_iter().find_map(|name| test.get(name));
            let token = match token.expect("every test has a token") {
                Value::String(compact) => compact.clone(),
                json => json.to_string(),
            };
            assert!(!forge.accepts(&token), "{file} {}: {token}", test["tcId"]);
            offered += 1;
        }
    }
    Some(offered)
}

#[test]
fn every_token_of_others_is_refused() {
    for (file, count) in [
        ("json_web_signature_test.json", 401),
        ("json_web_encryption_test.json", 139),
        ("json_web_crypto_test.json", 83),
        ("json_web_key_test.json", 26),
    ] {
        if let Some(offered) = refuse_all(file) {
            assert!(offered >= count, "{offered} tokens in {file}");
        }
    }
}

/// The primitive under the tokens: what Wycheproof calls valid verifies, and nothing else does.
#[test]
fn ed25519_signatures_are_judged_as_wycheproof_does() {
    let Some(groups) = groups("ed25519_test.json") else {
        return;
    };
    let (mut valid, mut invalid) = (0, 0);
    for group in groups {
        let key = bytes(&group["publicKey"]["pk"]);
        for test in group["tests"].as_array().unwrap() {
            let (message, signature) = (bytes(&test["msg"]), bytes(&test["sig"]));
            let verified = crypto::verify(
                &encode(signature),
                &message,
                &DecodingKey::from_ed_der(&key),
                Algorithm::EdDSA,
            );
            let expected = test["result"] == "valid";
            assert_eq!(verified.unwrap_or(false), expected, "{}", test["tcId"]);
            *if expected { &mut valid } else { &mut invalid } += 1;
        }
    }
    assert!(valid >= 88 && invalid >= 63, "{valid} valid, {invalid} invalid");
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().expect("hexadecimal text").as_bytes();
    hex.chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

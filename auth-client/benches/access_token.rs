//! How long an access token takes to sign and to verify, and whether a bad one costs more than a good one.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::{hint::black_box, time::Duration};

use auth_client::access_token::{AccessToken, Signer, Verifier};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use chrono::DateTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use uuid::Uuid;

const ISSUER: &str = "https://edu.test";
const KID: &str = "0195e7a0-0000-7000-8000-000000000001";
const LIFE: Duration = Duration::from_secs(900);

fn access_token(criterion: &mut Criterion) {
    let pair = Ed25519KeyPair::generate().unwrap();
    let signer = Signer::new(ISSUER, KID, pair.to_pkcs8().unwrap().as_ref());
    let verifier = Verifier::new(ISSUER, LIFE, [(KID, pair.public_key().as_ref())]);
    let now = DateTime::from_timestamp(1_772_366_400, 0).unwrap();
    let claims = AccessToken {
        id: Uuid::from_u128(1),
        user_id: Uuid::from_u128(2),
        session_id: Uuid::from_u128(3),
        issued_at: now,
        expires_at: now + LIFE,
        auth_time: now,
        factors: vec!["pwd".to_owned()],
    };
    let good = signer.sign(&claims).unwrap();
    // The signature of another token: as long and as well formed as the right one.
    let other = AccessToken {
        id: Uuid::from_u128(4),
        ..claims.clone()
    };
    let other = signer.sign(&other).unwrap();
    let (message, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    let bad = format!("{message}.{signature}");
    assert!(verifier.verify(&good, now).is_ok());
    assert!(verifier.verify(&bad, now).is_err());

    let mut group = criterion.benchmark_group("access_token");
    group.throughput(Throughput::Elements(1));
    group.bench_function("sign", |bencher| bencher.iter(|| signer.sign(black_box(&claims))));
    group.bench_function("verify_good", |bencher| {
        bencher.iter(|| verifier.verify(black_box(&good), now));
    });
    group.bench_function("verify_bad_signature", |bencher| {
        bencher.iter(|| verifier.verify(black_box(&bad), now));
    });
    group.finish();
}

criterion_group!(benches, access_token);
criterion_main!(benches);

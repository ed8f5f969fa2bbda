//! Access tokens that nobody issued: correctly signed and wrong in one thing, changed by a byte, or made for other
//! purposes by other people. None is accepted.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test should stop where its ground is missing"
)]

mod claims;
mod forge;
mod header;
mod mutations;
mod structure;
mod wycheproof;

use forge::Forge;

/// The number of cases of each class.
const COUNTS: [(&str, usize); 10] = [
    ("J1 structure", 10),
    ("J2 signature", 7),
    ("J3 algorithm", 9),
    ("J4 key injection", 6),
    ("J5 header semantics", 6),
    ("J6 purpose", 2),
    ("J7 audience", 8),
    ("J8 issuer", 5),
    ("J9 time", 14),
    ("J10 JSON", 13),
];

#[test]
fn none_of_the_eighty_hostile_tokens_is_accepted() {
    let forge = Forge::new();
    let classes = [
        structure::structure(&forge),
        structure::signature(&forge),
        header::algorithm(&forge),
        header::key_injection(&forge),
        header::semantics(&forge),
        header::purpose(&forge),
        claims::audience(&forge),
        claims::issuer(&forge),
        claims::time(&forge),
        claims::json(&forge),
    ];
    let mut offered = 0;
    for ((class, count), cases) in COUNTS.into_iter().zip(classes) {
        assert_eq!(cases.len(), count, "{class}");
        for (name, token) in cases {
            assert!(!forge.accepts(&token), "{class}: {name} was accepted");
            offered += 1;
        }
    }
    assert_eq!(offered, 80);
}

/// Otherwise everything above would prove nothing.
#[test]
fn the_good_token_is_accepted_however_it_was_put_together() {
    let forge = Forge::new();
    assert!(forge.accepts(&forge.good()));
    assert!(forge.accepts(&forge.signed(forge.header(), forge.claims())));
    let issued = forge.issued();
    assert!(forge.accepts(&issued), "what the signer makes");
}

//! J7 to J10: claims of other audiences, issuers and times, and JSON that readers disagree about.

use crate::forge::{Cases, Forge, ISSUER, LIFE, NOW, SUBJECT};

pub fn audience(forge: &Forge) -> Cases {
    let with = |by: &str| forge.signed(forge.header(), forge.claims_with(r#""aud":"onlineedu","#, by));
    vec![
        ("missing", with("")),
        ("a number", with(r#""aud":1,"#)),
        ("an object", with(r#""aud":{"onlineedu":1},"#)),
        ("another", with(r#""aud":"other","#)),
        ("a list with it", with(r#""aud":["other","onlineedu"],"#)),
        ("a list without it", with(r#""aud":["other"],"#)),
        ("an empty list", with(r#""aud":[],"#)),
        ("another case", with(r#""aud":"OnlineEdu","#)),
    ]
}

pub fn issuer(forge: &Forge) -> Cases {
    let own = format!(r#""iss":"{ISSUER}","#);
    let with = |by: &str| forge.signed(forge.header(), forge.claims_with(&own, by));
    vec![
        ("missing", with("")),
        ("another", with(r#""iss":"https://evil.test","#)),
        ("a number", with(r#""iss":1,"#)),
        ("a list with it", with(&format!(r#""iss":["{ISSUER}"],"#))),
        ("a slash after it", with(&format!(r#""iss":"{ISSUER}/","#))),
    ]
}

/// The issuer never writes `nbf`, so that its absence, which the corpus lists, is the good token here; a null takes
/// the place of that case. All else about a token with another `exp` is as it should be: it began in time.
pub fn time(forge: &Forge) -> Cases {
    let own = format!(r#""exp":{}"#, NOW + LIFE);
    let begun = format!(r#""iat":{NOW}"#);
    let signed = |claims: String| forge.signed(forge.header(), claims);
    let expires = |by: &str| signed(forge.claims_with(&own, by));
    let ended = |seconds: i64| {
        let earlier = forge
            .claims()
            .replace(&NOW.to_string(), &(NOW - LIFE + 1).to_string());
        signed(crate::forge::replaced(
            &earlier,
            &own,
            &format!(r#""exp":{}"#, NOW - seconds),
        ))
    };
    let begins = |by: &str| signed(forge.claims_with(&own, &format!("{own},{by}")));
    vec![
        ("ended half a minute ago", ended(30)),
        ("ended a minute ago", ended(61)),
        ("ends now", ended(0)),
        ("no end", signed(forge.claims_with(&format!("{own},"), ""))),
        ("a float", expires(&format!("{own}.0"))),
        ("a text", expires(&format!(r#""exp":"{}""#, NOW + LIFE))),
        ("before the epoch", expires(r#""exp":-1"#)),
        ("beyond floats", expires(r#""exp":1e308"#)),
        ("the largest number", expires(r#""exp":18446744073709551615"#)),
        ("one larger", expires(r#""exp":18446744073709551616"#)),
        ("begins in an hour", begins(&format!(r#""nbf":{}"#, NOW + 3600))),
        ("a text to begin", begins(&format!(r#""nbf":"{NOW}""#))),
        ("null to begin", begins(r#""nbf":null"#)),
        ("made in an hour", {
            let later = forge.claims_with(&begun, &format!(r#""iat":{}"#, NOW + 3600));
            signed(crate::forge::replaced(
                &later,
                &own,
                &format!(r#""exp":{}"#, NOW + 3600 + LIFE),
            ))
        }),
    ]
}

pub fn json(forge: &Forge) -> Cases {
    let good = forge.claims();
    let signed = |claims: String| forge.signed(forge.header(), claims);
    let sub = format!(r#""sub":"{SUBJECT}","#);
    let instead = |by: &str| signed(forge.claims_with(&sub, by));
    let added = |more: &str| signed(format!("{},{more}}}", good.strip_suffix('}').unwrap()));
    let bytes = |by: &[u8]| {
        let (before, after) = good.split_once(&sub).unwrap();
        forge.signed(forge.header(), [before.as_bytes(), by, after.as_bytes()].concat())
    };
    let with_invalid = |text: &str| {
        let (before, after) = text.split_once('?').unwrap();
        bytes(&[before.as_bytes(), &[0xff], after.as_bytes()].concat())
    };
    let nested = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let spacious = format!("{{{}{}", " ".repeat(1024 * 1024), &good[1..]);
    vec![
        ("no subject", instead("")),
        ("exp twice", added(&format!(r#""exp":{}"#, NOW + LIFE))),
        ("aud twice", added(r#""aud":"onlineedu""#)),
        ("role twice", added(r#""role":"user","role":"admin""#)),
        ("a NUL", instead(&format!(r#""sub":"{SUBJECT}\u0000","#))),
        (
            "half a surrogate pair",
            instead(&format!(r#""sub":"{SUBJECT}\ud800","#)),
        ),
        ("garbage after it", signed(format!("{good}x"))),
        ("a byte order mark", signed(format!("\u{feff}{good}"))),
        ("two hundred levels", added(&format!(r#""role":{nested}"#))),
        ("an array", signed(format!("[{good}]"))),
        (
            "no UTF-8 where it counts",
            with_invalid(&format!(r#""sub":"{SUBJECT}?","#)),
        ),
        (
            "no UTF-8 where it does not",
            with_invalid(&format!(r#"{sub}"note":"?","#)),
        ),
        ("a mebibyte", signed(spacious)),
    ]
}

/// What the corpus does not list: the other claims, each missing, null, of another type or another spelling.
#[test]
fn every_claim_is_there_and_written_one_way() {
    let forge = Forge::new();
    let claims = forge.claims();
    let value: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&claims).unwrap();
    assert_eq!(value.len(), 9);
    for name in value.keys() {
        let mut cases = vec![
            serde_json::json!(null),
            serde_json::json!({}),
            serde_json::json!(true),
        ];
        if value[name].is_string() {
            cases.extend([
                serde_json::json!(""),
                serde_json::json!(["x"]),
                serde_json::json!(1),
            ]);
            let text = value[name].as_str().unwrap();
            if text != text.to_uppercase() {
                cases.push(serde_json::json!(text.to_uppercase()));
            }
            cases.push(serde_json::json!(format!(" {text}")));
            cases.push(serde_json::json!(text.replace('-', "")).take_if_changed(text));
        } else {
            cases.push(serde_json::json!("x"));
            cases.push(serde_json::json!(1.5));
        }
        for case in cases {
            let mut changed = value.clone();
            changed.insert(name.clone(), case.clone());
            let token = forge.signed(forge.header(), serde_json::to_vec(&changed).unwrap());
            assert!(!forge.accepts(&token), "{name}: {case}");
        }
        let mut without = value.clone();
        without.remove(name);
        let token = forge.signed(forge.header(), serde_json::to_vec(&without).unwrap());
        assert!(!forge.accepts(&token), "no {name}");
    }
    let token = forge.signed(forge.header(), serde_json::to_vec(&value).unwrap());
    assert!(forge.accepts(&token), "the order of the claims is free");
}

trait TakeIfChanged {
    fn take_if_changed(self, from: &str) -> Self;
}

impl TakeIfChanged for serde_json::Value {
    /// Itself, or a null where the change changed nothing.
    fn take_if_changed(self, from: &str) -> Self {
        if self == from { Self::Null } else { self }
    }
}

/// A token may not live longer than the issuer lets it, nor be of the future.
#[test]
fn times_are_bounded_on_both_sides() {
    let forge = Forge::new();
    let at = |iat: i64, exp: i64, auth_time: i64| {
        let claims = forge
            .claims()
            .replace(&format!(r#""iat":{NOW}"#), &format!(r#""iat":{iat}"#))
            .replace(&format!(r#""exp":{}"#, NOW + LIFE), &format!(r#""exp":{exp}"#))
            .replace(
                &format!(r#""auth_time":{NOW}"#),
                &format!(r#""auth_time":{auth_time}"#),
            );
        forge.accepts(&forge.signed(forge.header(), claims))
    };
    assert!(at(NOW, NOW + 1, NOW));
    assert!(
        at(NOW - LIFE + 1, NOW + 1, 0),
        "the last second, of a person who logged in long ago"
    );
    assert!(at(NOW + 5, NOW + 5 + LIFE, NOW), "a clock that is a little ahead");
    assert!(!at(NOW + 6, NOW + 6 + LIFE, NOW));
    assert!(!at(NOW, NOW + LIFE + 1, NOW));
    assert!(!at(NOW - LIFE, NOW, NOW - LIFE));
    assert!(!at(NOW, NOW + LIFE, NOW + 6), "proved before it was issued");
    assert!(!at(i64::MIN, i64::MAX, 0));
    assert!(!at(i64::MAX, i64::MIN, 0));
}

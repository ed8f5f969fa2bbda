//! Usernames: exactly the addresses that the grammar of SMTP (RFC 5321) has without its quotes, comments and literals, that
//! are not too long, and whose domain can be a name of the internet. Whatever is accepted can be written to.

#![no_main]

use auth_service::model::username::Username;
use lettre::Address;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let trimmed = text.trim();
    let username = Username::parse(text);
    assert_eq!(username.is_ok(), is_address(trimmed), "{text:?}");
    let Ok(username) = username else { return };

    assert_eq!(username.as_str(), trimmed);
    assert_eq!(username.key(), trimmed.to_lowercase());
    assert_eq!(Username::parse(username.as_str()).as_ref(), Ok(&username));
    let key = Username::parse(username.key()).expect("the key is an address too");
    assert_eq!(key.key(), username.key());
    let address: Address = username.as_str().parse().expect("mail can be sent to it");
    assert_eq!(address.to_string(), username.as_str());
});

fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let labels: Vec<&str> = domain.split('.').collect();
    let is_number = |label: &&str| label.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 254
        && local.len() <= 64
        && local.split('.').all(atom)
        && labels.len() >= 2
        && labels.iter().copied().all(label)
        && !labels.last().is_some_and(is_number)
}

//! Changes to a good text, so that most of it stays good: what is far from good is refused at the first look.

use arbitrary::Arbitrary;

/// Some changes, made one after the other.
#[derive(Debug, Arbitrary)]
pub struct Edits<'a>(Vec<Edit<'a>>);

#[derive(Debug, Arbitrary)]
struct Edit<'a> {
    at: u16,
    cut: u8,
    put: Put<'a>,
}

#[derive(Debug, Arbitrary)]
enum Put<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// Something that the format or a reader of it has a meaning for.
    Word(u8),
}

const WORDS: &[&str] = &[
    ".",
    "..",
    "=",
    "==",
    "+",
    "/",
    "-",
    "_",
    "\0",
    "\n",
    " ",
    "\u{202e}",
    "é",
    "\\u0061",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "null",
    "true",
    "-1",
    "0",
    "-0",
    "1e3",
    "1.0",
    "9223372036854775807",
    "9223372036854775808",
    "\"crit\":[]",
    "\"alg\":\"none\"",
    "\"alg\":\"EdDSA\"",
    "\"kid\":\"\"",
    "\"nbf\":0",
    "\"nbf\":null",
    "\"exp\":0",
    "\"aud\":[\"onlineedu\"]",
    "\"amr\":[]",
    "\"sub\":null",
    "oer_",
    "oem_",
    "at+jwt",
];

impl Edits<'_> {
    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of a text, changed.
    pub fn bytes(&self, text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        for edit in self.0.iter().take(8) {
            let at = usize::from(edit.at) % (bytes.len() + 1);
            let end = bytes.len().min(at + usize::from(edit.cut));
            let put: &[u8] = match edit.put {
                Put::Nothing => &[],
                Put::Bytes(put) => put,
                Put::Word(word) => WORDS[usize::from(word) % WORDS.len()].as_bytes(),
            };
            bytes.splice(at..end, put.iter().copied());
        }
        bytes
    }

    /// The text, changed.
    pub fn text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.bytes(text)).into_owned()
    }
}

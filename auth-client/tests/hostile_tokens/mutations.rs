//! A good token changed by chance: whatever is not the token itself is refused, and nothing panics.

use std::thread;

use crate::forge::Forge;

/// How many changed tokens are offered.
const MUTATIONS: u64 = 240_000;

/// Numbers of chance that are the same in every run (splitmix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap()
    }

    /// A letter that may stand in a token, or any byte that may stand in a text.
    fn letter(&mut self) -> char {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
        match self.below(8) {
            0 => char::from(u8::try_from(self.below(256)).unwrap()),
            _ => char::from(LETTERS[self.below(LETTERS.len())]),
        }
    }
}

fn mutate(token: &mut Vec<char>, chance: &mut Chance) {
    for _ in 0..=chance.below(3) {
        if token.is_empty() {
            return;
        }
        let at = chance.below(token.len());
        let letter = chance.letter();
        match chance.below(5) {
            0 => token.insert(at, letter),
            1 => drop(token.remove(at)),
            2 => {
                let other = chance.below(token.len());
                token.swap(at, other);
            }
            3 => token.truncate(at.max(1)),
            _ => token[at] = letter,
        }
    }
}

#[test]
fn no_changed_token_is_accepted() {
    let forge = Forge::new();
    let token = forge.issued();
    let good: Vec<char> = token.chars().collect();
    let threads = 4;
    let (offered, unchanged) = thread::scope(|scope| {
        let work = (0..threads).map(|seed| {
            let (forge, good, token) = (&forge, &good, &token);
            scope.spawn(move || {
                let mut chance = Chance(seed);
                let (mut offered, mut unchanged) = (0, 0);
                while offered < MUTATIONS / threads {
                    let mut changed = good.clone();
                    mutate(&mut changed, &mut chance);
                    let changed: String = changed.into_iter().collect();
                    if changed == *token {
                        unchanged += 1;
                        continue;
                    }
                    assert!(!forge.accepts(&changed), "{changed}");
                    offered += 1;
                }
                (offered, unchanged)
            })
        });
        let work: Vec<_> = work.collect();
        work.into_iter()
            .map(|thread| thread.join().unwrap())
            .fold((0, 0), |sum: (u64, u64), one| (sum.0 + one.0, sum.1 + one.1))
    });
    assert!(offered >= 200_000, "{offered}");
    assert!(unchanged < offered / 10, "chance changes something: {unchanged}");
    assert!(forge.accepts(&token));
}

/// Every single bit of the bytes behind the letters.
#[test]
fn no_bit_can_be_flipped() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let forge = Forge::new();
    let token = forge.issued();
    let parts: Vec<Vec<u8>> = token
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap())
        .collect();
    let mut flipped = 0;
    for (place, part) in parts.iter().enumerate() {
        for bit in 0..part.len() * 8 {
            let mut changed = parts.clone();
            changed[place][bit / 8] ^= 1 << (bit % 8);
            let texts: Vec<_> = changed.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
            assert!(!forge.accepts(&texts.join(".")), "bit {bit} of part {place}");
            flipped += 1;
        }
    }
    assert!(flipped > 2000, "{flipped}");
}

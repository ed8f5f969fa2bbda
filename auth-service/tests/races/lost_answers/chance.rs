//! Chance that is the same in every run with the same seed.

/// Numbers (splitmix64).
pub struct Chance(u64);

impl Chance {
    /// The numbers of one of those who play.
    pub fn new(seed: u64, player: usize) -> Self {
        Self(seed ^ (player as u64).rotate_right(8))
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % limit as u64).unwrap()
    }

    /// Whether what happens once in `times` happens now.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

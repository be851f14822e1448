//! Random numbers that a seed decides, the same on every machine (SplitMix64).

use std::ops::Range;

#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// One of a range that is not empty.
    pub(crate) fn among(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// A place in a list that is not empty.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        self.among(0..len as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.among(0..n) == 0
    }

    /// A generator of its own, so that who draws from it does not change what others draw.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// The bits of a version 4 UUID.
    pub(crate) fn uuid(&mut self) -> String {
        let bits = u128::from(self.next()) << 64 | u128::from(self.next());
        uuid::Builder::from_random_bytes(bits.to_be_bytes())
            .into_uuid()
            .to_string()
    }
}

//! `rand` as mawk has it: the C library's `random` with a table of 31 words.

const DEGREE: usize = 31;
const SEPARATION: usize = 3;
/// How many numbers are thrown away after a seed.
const DISCARDED: usize = 10 * DEGREE;
const LARGEST: f64 = 2_147_483_647.0;

#[derive(Debug)]
pub(crate) struct Random {
    table: [u32; DEGREE],
    at: usize,
}

impl Random {
    pub(crate) fn new(seed: u32) -> Self {
        let mut word = i64::from(seed.max(1).cast_signed());
        let mut table = [0; DEGREE];
        for place in &mut table {
            *place = u32::try_from(word & 0xffff_ffff).unwrap_or(0);
            // The minimal standard generator of Park and Miller, without overflow in 32 bits.
            let signed = i64::from(place.cast_signed());
            word = 16_807 * (signed % 127_773) - 2_836 * (signed / 127_773);
            if word < 0 {
                word += 2_147_483_647;
            }
        }
        let mut random = Self { table, at: 0 };
        for _ in 0..DISCARDED {
            random.next();
        }
        random
    }

    /// A number from 0 to 1.
    pub(crate) fn next(&mut self) -> f64 {
        let front = (self.at + SEPARATION) % DEGREE;
        let sum = self.table[front].wrapping_add(self.table[self.at]);
        self.table[front] = sum;
        self.at = (self.at + 1) % DEGREE;
        f64::from(sum >> 1) / LARGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_c_library() {
        // The first of random(3) after srandom(42) and after srandom(1).
        assert_eq!((Random::new(42).next() * LARGEST).round(), 71_876_166.0);
        assert_eq!((Random::new(1).next() * LARGEST).round(), 1_804_289_383.0);
    }
}

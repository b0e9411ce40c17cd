//! Credentials as text, for the way through execve(2).

use core::sync::atomic::Ordering::Relaxed;

use super::{Credentials, MAX_GROUPS, SAME};

/// Room for [`Credentials::encode`].
pub const ENCODED_LEN: usize = (8 + 8 + 1 + MAX_GROUPS) * 8;

/// Which bit of the word with the umask.
const NO_NEW_PRIVS: u32 = 16;

const fn halves(value: u64) -> [u32; 2] {
    let bytes = value.to_le_bytes();
    [
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
        u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    ]
}

const fn hex(digit: u32) -> u8 {
    let digit = (digit & 15) as u8;
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}

const fn unhex(digit: u8) -> u32 {
    match digit {
        b'0'..=b'9' => (digit - b'0') as u32,
        b'a'..=b'f' => (digit - b'a' + 10) as u32,
        _ => 0,
    }
}

impl Credentials {
    /// Writes everything as text, for the way through execve(2); the length.
    pub fn encode(&self, out: &mut [u8]) -> usize {
        let mut at = 0;
        let mut word = |value: u32| {
            for shift in (0..8).rev() {
                if let Some(byte) = out.get_mut(at) {
                    *byte = hex((value >> (shift * 4)) & 15);
                    at += 1;
                }
            }
        };
        for id in self.user.0.iter().chain(&self.group.0) {
            word(id.load(Relaxed));
        }
        for set in self.caps() {
            let [low, high] = halves(set);
            word(low);
            word(high);
        }
        word(self.umask.load(Relaxed) | self.no_new_privs.load(Relaxed) << NO_NEW_PRIVS);
        for group in self.groups() {
            word(group);
        }
        at
    }

    /// Reads what [`Credentials::encode`] wrote.
    pub fn decode(&self, text: &[u8]) {
        let mut words = text
            .chunks_exact(8)
            .map(|digits| digits.iter().fold(0u32, |value, &digit| (value << 4) | unhex(digit)));
        for id in self.user.0.iter().chain(&self.group.0) {
            id.store(words.next().unwrap_or(SAME), Relaxed);
        }
        for set in &self.caps {
            let low = words.next().unwrap_or(0);
            let high = words.next().unwrap_or(0);
            set.store(u64::from(low) | (u64::from(high) << 32), Relaxed);
        }
        let flags = words.next().unwrap_or(0);
        self.umask.store(flags & 0o777, Relaxed);
        self.no_new_privs.store(flags >> NO_NEW_PRIVS & 1, Relaxed);
        self.store_groups(words);
    }
}

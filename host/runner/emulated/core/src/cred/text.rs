//! Credentials as text, for the way through execve(2).

use core::sync::atomic::Ordering::Relaxed;

use super::{Credentials, MAX_GROUPS, SAME};

/// Room for [`Credentials::encode`].
pub const ENCODED_LEN: usize = (8 + 8 + 1 + MAX_GROUPS) * 8;

/// Which bit of the word with the umask.
const NO_NEW_PRIVS: u32 = 16;

/// The low and the high half.
pub(crate) const fn halves(value: u64) -> [u32; 2] {
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
    /// Everything as numbers: ids, capabilities, umask and `no_new_privs`, groups.
    pub(crate) fn words(&self) -> impl Iterator<Item = u32> {
        let ids = self.user.0.iter().chain(&self.group.0).map(|id| id.load(Relaxed));
        let flags = self.umask.load(Relaxed) | self.no_new_privs.load(Relaxed) << NO_NEW_PRIVS;
        ids.chain(self.caps().into_iter().flat_map(halves)).chain([flags]).chain(self.groups())
    }

    /// Becomes what [`Credentials::words`] were of.
    pub(crate) fn set_words(&self, mut words: impl Iterator<Item = u32>) {
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

    /// Writes everything as text, for the way through execve(2); the length.
    pub fn encode(&self, out: &mut [u8]) -> usize {
        let mut at = 0;
        for word in self.words() {
            for shift in (0..8).rev() {
                if let Some(byte) = out.get_mut(at) {
                    *byte = hex((word >> (shift * 4)) & 15);
                    at += 1;
                }
            }
        }
        at
    }

    /// Reads what [`Credentials::encode`] wrote.
    pub fn decode(&self, text: &[u8]) {
        self.set_words(words_of(text));
    }
}

/// The words of a text of [`Credentials::encode`].
pub(crate) fn words_of(text: &[u8]) -> impl Iterator<Item = u32> {
    text.chunks_exact(8)
        .map(|digits| digits.iter().fold(0u32, |value, &digit| (value << 4) | unhex(digit)))
}

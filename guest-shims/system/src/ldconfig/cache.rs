//! The file `ld.so.cache`, in glibc's form since 2.32.

use std::{cmp::Ordering, collections::HashMap};

/// A library that the loader finds by its name.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) path: Vec<u8>,
    pub(super) flags: u32,
}

const MAGIC: &[u8; 20] = b"glibc-ld.so.cache1.1";
const EXTENSION_MAGIC: u32 = 0xeaa4_2174;
const HEAD: usize = 48;
const ENTRY: usize = 24;
const LITTLE_ENDIAN: u8 = 2;

/// Orders names with the numbers in them compared as numbers.
pub(super) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let (mut left, mut right) = (left, right);
    while let Some(&a) = left.first() {
        let b = right.first().copied().unwrap_or(0);
        match (a.is_ascii_digit(), b.is_ascii_digit()) {
            (true, true) => {
                let (x, y) = (take_number(&mut left), take_number(&mut right));
                if x != y {
                    return x.cmp(&y);
                }
            }
            (true, false) => return Ordering::Greater,
            (false, true) => return Ordering::Less,
            _ if a != b => return a.cmp(&b),
            _ => (left, right) = (&left[1..], &right[1..]),
        }
    }
    if right.is_empty() { Ordering::Equal } else { Ordering::Less }
}

fn take_number(text: &mut &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = text[..digits]
        .iter()
        .fold(0_u64, |value, digit| value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
    *text = &text[digits..];
    value
}

/// Where each text lies among all, a text that ends another one within that.
fn place(texts: &[&[u8]]) -> (Vec<u8>, HashMap<Vec<u8>, usize>) {
    let mut order: Vec<Vec<u8>> =
        texts.iter().map(|text| text.iter().rev().copied().collect()).collect();
    order.sort_unstable_by(|a: &Vec<u8>, b| b.cmp(a));
    order.dedup();
    let (mut all, mut places) = (Vec::new(), HashMap::new());
    let mut before: Option<(Vec<u8>, usize)> = None;
    for reversed in order {
        let text: Vec<u8> = reversed.iter().rev().copied().collect();
        let at = match &before {
            Some((longer, at)) if longer.starts_with(&reversed) => {
                at + longer.len() - reversed.len()
            }
            _ => {
                all.extend_from_slice(&text);
                all.push(0);
                all.len() - text.len() - 1
            }
        };
        before = Some((reversed, at));
        places.insert(text, at);
    }
    (all, places)
}

/// The file's contents; `generator` is what the image's ldconfig calls itself.
pub(super) fn write(mut entries: Vec<Entry>, generator: &[u8]) -> Vec<u8> {
    entries.sort_by(|a, b| compare(&b.name, &a.name).then(b.flags.cmp(&a.flags)));
    let texts: Vec<&[u8]> =
        entries.iter().flat_map(|entry| [&entry.name[..], &entry.path]).collect();
    let (strings, places) = place(&texts);
    let word = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let begin = HEAD + ENTRY * entries.len();
    let extension = (begin + strings.len()).next_multiple_of(4);
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(&word(entries.len()));
    file.extend_from_slice(&word(strings.len()));
    file.extend_from_slice(&[LITTLE_ENDIAN, 0, 0, 0]);
    file.extend_from_slice(&word(extension));
    file.resize(HEAD, 0);
    for entry in &entries {
        let at = |text: &Vec<u8>| begin + places.get(text).copied().unwrap_or(0);
        file.extend_from_slice(&entry.flags.to_le_bytes());
        file.extend_from_slice(&word(at(&entry.name)));
        file.extend_from_slice(&word(at(&entry.path)));
        // The version of the system and the processor's features, which are not asked for.
        file.extend_from_slice(&[0; 12]);
    }
    file.extend_from_slice(&strings);
    file.resize(extension, 0);
    file.extend_from_slice(&EXTENSION_MAGIC.to_le_bytes());
    // One section, of kind 0: who made the cache.
    for number in [1, 0, 0, extension + 24, generator.len()] {
        file.extend_from_slice(&word(number));
    }
    file.extend_from_slice(generator);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_by_their_numbers() {
        for (left, right, expected) in [
            ("libz.so.1", "libz.so", Ordering::Greater),
            ("libz.so.9", "libz.so.10", Ordering::Less),
            ("libz3.so", "libzstd.so", Ordering::Greater),
            ("liba.so", "liba.so", Ordering::Equal),
        ] {
            assert_eq!(compare(left.as_bytes(), right.as_bytes()), expected, "{left} {right}");
        }
    }

    #[test]
    fn a_text_that_ends_another_lies_within_it() {
        let (all, places) = place(&[b"libx.so", b"/lib/libx.so", b"libx.so"]);
        assert_eq!(all, b"/lib/libx.so\0");
        assert_eq!(places[&b"libx.so"[..]], 5);
    }
}

//! Sparse files in tar: which ranges of a file have data.
//!
//! Source: GNU tar manual, "Storing Sparse Files".

use super::format::{self, BLOCK};
use super::pax;

/// The most data ranges of one file: each takes memory, and a map is cheap to send.
const MAX_EXTENTS: usize = 1 << 18;

/// A range of a file that has data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// The data ranges of a file, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) extents: Vec<Extent>,
    /// The file's size with its holes.
    pub(crate) size: u64,
}

const MALFORMED: &str = "malformed sparse map";

impl Map {
    /// Adds a range; empty ones only mark a hole at the end.
    pub(crate) fn push(&mut self, offset: u64, length: u64) -> Result<(), &'static str> {
        if length == 0 {
            return Ok(());
        }
        if self.extents.len() >= MAX_EXTENTS {
            return Err("sparse map with too many ranges");
        }
        self.extents.push(Extent { offset, length });
        Ok(())
    }

    /// From numbers as PAX has them: offset, length, offset, length …
    pub(crate) fn from_pairs(numbers: &[u64], size: u64) -> Result<Self, &'static str> {
        if !numbers.len().is_multiple_of(2) {
            return Err(MALFORMED);
        }
        let mut map = Self { extents: Vec::new(), size };
        for pair in numbers.chunks_exact(2) {
            map.push(pair[0], pair[1])?;
        }
        Ok(map)
    }

    /// Checks order and bounds, and that the ranges have `stored` bytes together.
    pub(crate) fn checked(self, stored: u64) -> Result<Self, &'static str> {
        let mut end = 0_u64;
        let mut sum = 0_u64;
        for extent in &self.extents {
            let next = extent.offset.checked_add(extent.length).ok_or(MALFORMED)?;
            if extent.offset < end || next > self.size {
                return Err(MALFORMED);
            }
            end = next;
            // No overflow: the ranges do not overlap and end at a u64.
            sum += extent.length;
        }
        if sum == stored { Ok(self) } else { Err(MALFORMED) }
    }
}

/// The ranges in an old GNU header; `true` if a block with more follows.
pub(crate) fn gnu_header(block: &[u8; BLOCK], map: &mut Map) -> Result<bool, &'static str> {
    let real_size = format::number(&block[483..495]).and_then(|n| u64::try_from(n).ok());
    map.size = real_size.ok_or(MALFORMED)?;
    gnu_extents(&block[386..482], map)?;
    Ok(block[482] != 0)
}

/// The ranges in a block that extends an old GNU header; `true` if another follows.
pub(crate) fn gnu_extension(block: &[u8; BLOCK], map: &mut Map) -> Result<bool, &'static str> {
    gnu_extents(&block[..504], map)?;
    Ok(block[504] != 0)
}

fn gnu_extents(fields: &[u8], map: &mut Map) -> Result<(), &'static str> {
    for field in fields.chunks_exact(24) {
        if field[0] == 0 {
            break;
        }
        let number = |bytes| format::number(bytes).and_then(|n| u64::try_from(n).ok());
        let offset = number(&field[..12]).ok_or(MALFORMED)?;
        let length = number(&field[12..]).ok_or(MALFORMED)?;
        map.push(offset, length)?;
    }
    Ok(())
}

/// Version 1.0's map, which stands before the data: a count, then offsets and lengths, a line each.
#[derive(Debug, Default)]
pub(crate) struct MapText {
    line: Vec<u8>,
    numbers: Vec<u64>,
}

impl MapText {
    /// Takes another block; `true` when the map is complete.
    pub(crate) fn feed(&mut self, block: &[u8; BLOCK]) -> Result<bool, &'static str> {
        for byte in block {
            if self.is_complete() {
                return Ok(true);
            }
            if *byte != b'\n' {
                // Numbers of 64 bits have 20 digits at most.
                if self.line.len() >= 20 {
                    return Err(MALFORMED);
                }
                self.line.push(*byte);
                continue;
            }
            let number = pax::decimal(&self.line).ok_or(MALFORMED)?;
            if self.numbers.is_empty() && number > MAX_EXTENTS as u64 {
                return Err("sparse map with too many ranges");
            }
            self.numbers.push(number);
            self.line.clear();
        }
        Ok(self.is_complete())
    }

    fn is_complete(&self) -> bool {
        let count = self.numbers.first().copied();
        count.is_some_and(|count| self.numbers.len() as u64 == count * 2 + 1)
    }

    /// The map of a file of `size` bytes.
    pub(crate) fn finish(self, size: u64) -> Result<Map, &'static str> {
        Map::from_pairs(self.numbers.get(1..).unwrap_or_default(), size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_checked() {
        for (pairs, size, stored, fine) in [
            (&[][..], 0, 0, true),
            (&[0, 1, 2, 1], 3, 2, true),
            (&[0, 1, 5, 0], 5, 1, true),
            (&[0, 1, 2, 1], 3, 3, false),
            (&[0, 2, 1, 1], 3, 3, false),
            (&[2, 1, 0, 1], 3, 2, false),
            (&[0, 4], 3, 4, false),
            (&[u64::MAX, 2], u64::MAX, 2, false),
        ] {
            let map = Map::from_pairs(pairs, size).unwrap();
            assert_eq!(map.checked(stored).is_ok(), fine, "{pairs:?}");
        }
        assert!(Map::from_pairs(&[1], 3).is_err());
    }

    #[test]
    fn map_texts() {
        let block = |text: &str| {
            let mut block = [0; BLOCK];
            block[..text.len()].copy_from_slice(text.as_bytes());
            block
        };
        let mut text = MapText::default();
        assert!(text.feed(&block("2\n0\n5\n10\n1\n")).unwrap());
        let map = text.finish(11).unwrap().checked(6).unwrap();
        assert_eq!(map.extents[1], Extent { offset: 10, length: 1 });
        for hostile in ["99999999\n", "x\n", "111111111111111111111\n", "\n"] {
            assert!(MapText::default().feed(&block(hostile)).is_err(), "{hostile}");
        }
    }
}

//! The data of one file, holes filled in.

use std::io::{self, Read};

use super::LayerReader;
use crate::layer::sparse::Map;
use crate::layer::stream::ENDS_IN_FILE;

/// The data of a file in a layer; ends where the file does.
#[derive(Debug)]
pub struct Data<'a, R> {
    reader: &'a mut LayerReader<R>,
}

/// Where in a file with holes the reading is.
#[derive(Debug)]
pub(super) struct SparseState {
    map: Map,
    /// The range that is next or current.
    next: usize,
    position: u64,
}

impl<'a, R: Read> Data<'a, R> {
    pub(super) fn new(reader: &'a mut LayerReader<R>) -> Self {
        Self { reader }
    }

    /// Whether the file has holes.
    pub fn is_sparse(&self) -> bool {
        self.reader.sparse.is_some()
    }

    /// Passes over the hole at the current position, if there is one, and gives its length in
    /// bytes: who writes the file can leave a hole there too. Without it holes read as zeros.
    pub fn skip_hole(&mut self) -> u64 {
        let Some(sparse) = &mut self.reader.sparse else { return 0 };
        let hole = sparse.hole();
        sparse.position += hole;
        hole
    }
}

impl<R: Read> Read for Data<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let reader = &mut *self.reader;
        let mut wanted = reader.stored;
        if let Some(sparse) = &mut reader.sparse {
            let hole = sparse.hole();
            if hole > 0 {
                let count = clamp(buffer.len(), hole);
                buffer[..count].fill(0);
                sparse.position += count as u64;
                return Ok(count);
            }
            wanted = sparse.extent_left();
        }
        let count = clamp(buffer.len(), wanted);
        if count == 0 {
            return Ok(0);
        }
        let count = reader.stream.inner.read(&mut buffer[..count])?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, ENDS_IN_FILE));
        }
        reader.stream.offset += count as u64;
        reader.stored -= count as u64;
        if let Some(sparse) = &mut reader.sparse {
            sparse.position += count as u64;
            if sparse.extent_left() == 0 {
                sparse.next += 1;
            }
        }
        Ok(count)
    }
}

impl SparseState {
    pub(super) fn new(map: Map) -> Self {
        Self { map, next: 0, position: 0 }
    }

    /// How long the hole at the current position is.
    fn hole(&self) -> u64 {
        let end = self.map.extents.get(self.next).map_or(self.map.size, |extent| extent.offset);
        end.saturating_sub(self.position)
    }

    /// How much of the current range is left.
    fn extent_left(&self) -> u64 {
        let end = self.map.extents.get(self.next).map_or(0, |e| e.offset + e.length);
        end.saturating_sub(self.position)
    }
}

fn clamp(length: usize, limit: u64) -> usize {
    usize::try_from(limit).map_or(length, |limit| length.min(limit))
}

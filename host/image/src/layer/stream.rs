//! The blocks of a tar stream, read with an eye on where it ends.

use std::io::{self, BufRead, BufReader, Read};

use super::format::{self, BLOCK, Block};
use super::pax::MAX_SPECIAL;
use super::read::ReadError;

/// How much is read from the stream at once.
const READ_SIZE: usize = 64 << 10;

pub(crate) const ENDS_IN_FILE: &str = "the layer ends inside a file's data";
const ENDS_IN_HEADER: &str = "the layer ends inside a header";

/// The stream, with a count of what was read.
#[derive(Debug)]
pub(crate) struct Stream<R> {
    pub(crate) inner: BufReader<R>,
    /// In bytes.
    pub(crate) offset: u64,
}

impl<R: Read> Stream<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner: BufReader::with_capacity(READ_SIZE, inner), offset: 0 }
    }

    fn failed(&self, source: io::Error) -> ReadError {
        ReadError::Io { offset: self.offset, source }
    }

    fn ended(&self, problem: &'static str) -> ReadError {
        self.failed(io::Error::new(io::ErrorKind::UnexpectedEof, problem))
    }

    pub(crate) fn block(&mut self) -> Result<Block, ReadError> {
        let mut block = [0; BLOCK];
        self.inner.read_exact(&mut block).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => self.ended(ENDS_IN_HEADER),
            _ => self.failed(source),
        })?;
        self.offset += BLOCK as u64;
        Ok(block)
    }

    /// The next header; `None` after two blocks of zeros, or where the stream ends cleanly.
    pub(crate) fn header(&mut self) -> Result<Option<Block>, ReadError> {
        if self.at_end()? {
            return Ok(None);
        }
        let block = self.block()?;
        if block != [0; BLOCK] {
            return Ok(Some(block));
        }
        if self.at_end()? || self.block()? == [0; BLOCK] {
            return Ok(None);
        }
        let problem = "a block of zeros between entries";
        Err(ReadError::Malformed { offset: self.offset, problem })
    }

    fn at_end(&mut self) -> Result<bool, ReadError> {
        match self.inner.fill_buf() {
            Ok(buffer) => Ok(buffer.is_empty()),
            Err(source) => Err(self.failed(source)),
        }
    }

    /// The body of a special header.
    pub(crate) fn special(&mut self, size: u64) -> Result<Vec<u8>, ReadError> {
        if size > MAX_SPECIAL {
            let problem = "PAX header or long name of more than a mebibyte";
            return Err(ReadError::Malformed { offset: self.offset, problem });
        }
        let mut body = Vec::new();
        let count = (&mut self.inner)
            .take(size)
            .read_to_end(&mut body)
            .map_err(|source| ReadError::Io { offset: self.offset, source })?;
        self.offset += count as u64;
        if count as u64 != size {
            return Err(self.ended(ENDS_IN_HEADER));
        }
        self.skip_padding(format::padding(size))?;
        Ok(body)
    }

    /// The stream may end here: `umoci insert` leaves out the last fill and the end of the archive,
    /// and Go reads such layers.
    pub(crate) fn skip_padding(&mut self, count: u64) -> Result<(), ReadError> {
        match self.skip(count) {
            Err(ReadError::Io { source, .. }) if source.kind() == io::ErrorKind::UnexpectedEof => {
                Ok(())
            }
            result => result,
        }
    }

    pub(crate) fn skip(&mut self, count: u64) -> Result<(), ReadError> {
        let skipped = io::copy(&mut (&mut self.inner).take(count), &mut io::sink())
            .map_err(|source| ReadError::Io { offset: self.offset, source })?;
        self.offset += skipped;
        if skipped == count { Ok(()) } else { Err(self.ended(ENDS_IN_FILE)) }
    }
}

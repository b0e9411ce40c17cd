//! The zip format: the directory at the end of the file, and the entries that it tells of.
//!
//! Facts are from PKWARE's APPNOTE 6.3 and Info-ZIP's description of the extra field `UT`.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
};

use shim::time::days_from_civil;

const END: &[u8; 4] = b"PK\x05\x06";
const END_64: &[u8; 4] = b"PK\x06\x06";
const LOCATOR_64: &[u8; 4] = b"PK\x06\x07";
const CENTRAL: &[u8; 4] = b"PK\x01\x02";
const LOCAL: &[u8; 4] = b"PK\x03\x04";

/// The end record with the longest comment, in bytes.
const LONGEST_END: u64 = 22 + 65_535;
/// The largest directory that is read, in bytes: a hostile archive must not take all memory.
const MAX_DIRECTORY: u64 = 64 << 20;

/// An entry of the directory.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) size: u64,
    /// Seconds since 1970, from the extra field where there is one.
    pub(crate) mtime: Option<i64>,
    /// The time in DOS's form, of no time zone, as if it were UTC's.
    pub(crate) dos: i64,
    /// The Unix mode, when the archive was made on Unix.
    pub(crate) mode: Option<u32>,
    /// DOS's read-only bit.
    pub(crate) read_only: bool,
    pub(crate) method: u16,
    flags: u16,
    crc: u32,
    packed: u64,
    offset: u64,
}

impl Entry {
    pub(crate) fn is_dir(&self) -> bool {
        self.name.ends_with(b"/")
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.flags & 1 == 1
    }
}

/// An archive, its directory read.
#[derive(Debug)]
pub(crate) struct Archive {
    file: File,
    pub(crate) entries: Vec<Entry>,
    /// Something stands before it, such as a program that unpacks it.
    pub(crate) begins_late: bool,
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Takes little-endian numbers off the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or_else(|| broken("the directory is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self, count: usize) -> io::Result<u64> {
        Ok(self.bytes(count)?.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    fn short(&mut self) -> io::Result<u16> {
        Ok(u16::try_from(self.number(2)?).unwrap_or(0))
    }

    fn long(&mut self) -> io::Result<u32> {
        Ok(u32::try_from(self.number(4)?).unwrap_or(0))
    }
}

impl Archive {
    pub(crate) fn open(mut file: File) -> io::Result<Self> {
        let length = file.seek(SeekFrom::End(0))?;
        let tail_length = length.min(LONGEST_END);
        let tail = read_at(&mut file, length - tail_length, tail_length)?;
        let at = tail
            .windows(4)
            .rposition(|window| window == END)
            .ok_or_else(|| broken("End-of-central-directory signature not found"))?;
        let mut fields = Fields(&tail[at + 4..]);
        fields.bytes(6)?;
        let mut count = fields.number(2)?;
        let mut size = fields.number(4)?;
        let mut offset = fields.number(4)?;
        let mut end = length - tail_length + u64::try_from(at).unwrap_or(0);
        let full = count == 0xffff || size == 0xffff_ffff || offset == 0xffff_ffff;
        if full && at >= 20 && tail[at - 20..].starts_with(LOCATOR_64) {
            let mut fields = Fields(&tail[at - 12..]);
            end = fields.number(8)?;
            let record = read_at(&mut file, end, 56)?;
            if !record.starts_with(END_64) {
                return Err(broken("no end record of 64 bits"));
            }
            let mut fields = Fields(&record[32..]);
            (count, size, offset) = (fields.number(8)?, fields.number(8)?, fields.number(8)?);
        }
        if size > MAX_DIRECTORY || size > end {
            return Err(broken("the directory is too large"));
        }
        // What stands before the archive moves everything.
        let shift = (end - size).checked_sub(offset).ok_or_else(|| broken("a wrong offset"))?;
        let directory = read_at(&mut file, end - size, size)?;
        let mut fields = Fields(&directory);
        let mut entries = Vec::new();
        for _ in 0..count {
            let mut entry = entry(&mut fields)?;
            entry.offset = entry.offset.checked_add(shift).ok_or_else(|| broken("an offset"))?;
            entries.push(entry);
        }
        Ok(Self { file, entries, begins_late: shift > 0 })
    }

    /// The contents of an entry, expanded; reading checks them at the end.
    pub(crate) fn contents<'a>(&'a mut self, entry: &Entry) -> io::Result<Contents<'a>> {
        let head = read_at(&mut self.file, entry.offset, 30)?;
        if !head.starts_with(LOCAL) {
            return Err(broken("an entry is not where the directory says"));
        }
        let mut fields = Fields(&head[26..]);
        let skip = 30 + fields.number(2)? + fields.number(2)?;
        self.file.seek(SeekFrom::Start(entry.offset + skip))?;
        let packed = BufReader::new((&mut self.file).take(entry.packed));
        let inner: Box<dyn Read + 'a> = match entry.method {
            0 => Box::new(packed),
            8 => Box::new(flate2::bufread::DeflateDecoder::new(packed)),
            12 => Box::new(bzip2::bufread::BzDecoder::new(packed)),
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        let crc = flate2::Crc::new();
        Ok(Contents { inner: inner.take(entry.size), crc, expected: (entry.crc, entry.size) })
    }
}

/// The contents of an entry.
pub(crate) struct Contents<'a> {
    inner: io::Take<Box<dyn Read + 'a>>,
    crc: flate2::Crc,
    /// Checksum and size as the directory has them.
    expected: (u32, u64),
}

impl Read for Contents<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buffer)?;
        self.crc.update(&buffer[..len]);
        if len == 0 && !buffer.is_empty() {
            let (crc, size) = self.expected;
            if self.crc.sum() != crc || self.inner.limit() != 0 && size > 0 {
                return Err(broken("bad CRC"));
            }
        }
        Ok(len)
    }
}

fn read_at(file: &mut File, at: u64, length: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(at))?;
    let mut bytes = Vec::new();
    let read = file.take(length).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read < length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

fn entry(fields: &mut Fields) -> io::Result<Entry> {
    if fields.bytes(4)? != CENTRAL {
        return Err(broken("an entry of the directory is damaged"));
    }
    let made_by = fields.short()?;
    fields.bytes(2)?;
    let (flags, method) = (fields.short()?, fields.short()?);
    let (time, date) = (i64::from(fields.short()?), i64::from(fields.short()?));
    let crc = fields.long()?;
    let (mut packed, mut size) = (fields.number(4)?, fields.number(4)?);
    let lengths = [fields.short()?, fields.short()?, fields.short()?].map(usize::from);
    fields.bytes(4)?;
    let attributes = fields.long()?;
    let mut offset = fields.number(4)?;
    let name = fields.bytes(lengths[0])?.to_vec();
    let extra = fields.bytes(lengths[1])?;
    fields.bytes(lengths[2])?;
    let mut mtime = None;
    let mut extra = Fields(extra);
    while extra.0.len() >= 4 {
        let (kind, length) = (extra.short()?, usize::from(extra.short()?));
        let Ok(body) = extra.bytes(length) else { break };
        let mut body = Fields(body);
        match kind {
            // The sizes that did not fit, in this order.
            1 => {
                for value in [&mut size, &mut packed, &mut offset] {
                    if *value == 0xffff_ffff {
                        *value = body.number(8)?;
                    }
                }
            }
            0x5455 if length >= 5 => {
                let known = body.number(1)?;
                if known & 1 == 1 {
                    mtime = body.long().ok().map(|time| i64::from(time.cast_signed()));
                }
            }
            _ => {}
        }
    }
    let days = days_from_civil(1980 + (date >> 9), (date >> 5) & 15, date & 31);
    let dos = days * 86_400 + (time >> 11) * 3600 + ((time >> 5) & 63) * 60 + 2 * (time & 31);
    let mode = (made_by >> 8 == 3).then_some(attributes >> 16);
    let read_only = attributes & 1 == 1;
    Ok(Entry { name, size, mtime, dos, mode, read_only, method, flags, crc, packed, offset })
}

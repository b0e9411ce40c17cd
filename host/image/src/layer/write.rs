//! Writing a layer: a tar stream whose bytes depend on the entries alone.
//!
//! The stream is what BuildKit (containerd's diff writer on Go's `archive/tar`, `FormatPAX`)
//! writes for the same entries: ustar headers, a PAX header in front only where something does
//! not fit, names of directories with a slash at the end, no user and group names, no times but
//! the modification time. Source: POSIX.1-2017 `pax`.

use std::io::{self, Read, Write};

use super::format::{self, BLOCK, Block};
use super::pax::{MAX_SPECIAL, Records};
use super::read::{MAX_FILE_SIZE, MAX_TOTAL_SIZE};
use super::{Entry, Kind, MAX_PATH, Mtime, windows};

/// How much is copied at once.
const COPY_SIZE: usize = 64 << 10;

/// Why a layer cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The stream failed.
    #[error("write layer entry `{path}`: {source}")]
    Io {
        /// The entry's path, made printable.
        path: String,
        /// The reason.
        source: io::Error,
    },
    /// The entry's data failed.
    #[error("read the data of `{path}`: {source}")]
    Data {
        /// The entry's path, made printable.
        path: String,
        /// The reason.
        source: io::Error,
    },
    /// The data ended before the size that the entry tells.
    #[error("`{path}` has {got} bytes instead of {wanted}: it changed while it was read")]
    Short {
        /// The entry's path, made printable.
        path: String,
        /// The size told, in bytes.
        wanted: u64,
        /// The size found, in bytes.
        got: u64,
    },
    /// Tar has no way to write it.
    #[error("`{path}` cannot be written into a layer: {problem}")]
    Unsupported {
        /// The entry's path, made printable.
        path: String,
        /// What does not fit.
        problem: &'static str,
    },
}

/// A layer being written.
#[derive(Debug)]
pub struct LayerWriter<W> {
    inner: W,
    nanoseconds: bool,
    windows: bool,
    /// Bytes of all files so far.
    total_size: u64,
    buffer: Vec<u8>,
}

impl<W: Write> LayerWriter<W> {
    /// Writes to `inner`, times in whole seconds (rounded down) as BuildKit does.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            nanoseconds: false,
            windows: false,
            total_size: 0,
            buffer: vec![0; COPY_SIZE],
        }
    }

    /// Whether nanoseconds are kept; each time with some then costs a PAX header.
    #[must_use]
    pub fn nanoseconds(mut self, keep: bool) -> Self {
        self.nanoseconds = keep;
        self
    }

    /// Gives the layer the form of Windows images, whose own directories get `time`.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn windows(mut self, time: Mtime) -> Result<Self, WriteError> {
        self.windows = true;
        for entry in windows::top(time) {
            self.put(&entry, &mut io::empty())?;
        }
        Ok(self)
    }

    /// Writes `entry`, and for a file as many bytes of `data` as its size tells.
    ///
    /// # Errors
    /// [`WriteError`]; the stream is of no use after one.
    pub fn append(&mut self, entry: &Entry, data: &mut dyn Read) -> Result<(), WriteError> {
        if !self.windows {
            return self.put(entry, data);
        }
        windows::to_layer(entry).map_or(Ok(()), |entry| self.put(&entry, data))
    }

    fn put(&mut self, entry: &Entry, data: &mut dyn Read) -> Result<(), WriteError> {
        let unsupported = |problem| WriteError::Unsupported { path: printable(entry), problem };
        // A step may make a sparse file of exabytes, which nobody would live to see written.
        self.total_size = self.total_size.saturating_add(entry.size());
        if entry.size() > MAX_FILE_SIZE || self.total_size > MAX_TOTAL_SIZE {
            return Err(unsupported("with it the layer is larger than one that is read back"));
        }
        let header = Header::of(entry, self.nanoseconds, self.windows).map_err(unsupported)?;
        self.header(&header).map_err(|source| WriteError::Io { path: printable(entry), source })?;
        self.data(entry, data)
    }

    /// Ends the archive; gives the inner writer.
    ///
    /// # Errors
    /// Those of the stream.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&[0; 2 * BLOCK])?;
        Ok(self.inner)
    }

    fn header(&mut self, header: &Header) -> io::Result<()> {
        if !header.records.is_empty() {
            let body = header.records.to_bytes();
            let length = body.len() as u64;
            self.inner.write_all(&pax_block(&header.name, length))?;
            self.inner.write_all(&body)?;
            self.pad(length)?;
        }
        self.inner.write_all(&header.block)
    }

    fn data(&mut self, entry: &Entry, data: &mut dyn Read) -> Result<(), WriteError> {
        let wanted = entry.size();
        let mut left = wanted;
        while left > 0 {
            let count = usize::try_from(left).map_or(COPY_SIZE, |left| left.min(COPY_SIZE));
            let count = match data.read(&mut self.buffer[..count]) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(WriteError::Data { path: printable(entry), source }),
            };
            if count == 0 {
                let got = wanted - left;
                return Err(WriteError::Short { path: printable(entry), wanted, got });
            }
            self.inner
                .write_all(&self.buffer[..count])
                .map_err(|source| WriteError::Io { path: printable(entry), source })?;
            left -= count as u64;
        }
        self.pad(wanted).map_err(|source| WriteError::Io { path: printable(entry), source })
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let count = usize::try_from(format::padding(size)).expect("less than a block");
        self.inner.write_all(&[0; BLOCK][..count])
    }
}

/// An entry as tar has it.
struct Header {
    block: Block,
    records: Records,
    name: Vec<u8>,
}

impl Header {
    fn of(entry: &Entry, nanoseconds: bool, is_windows: bool) -> Result<Self, &'static str> {
        let name = name_of(entry)?;
        let mut block: Block = [0; BLOCK];
        let mut records = Records::default();

        put_text(&mut block[format::NAME], &mut records, "path", &name);
        let mut device = (0, 0);
        block[format::TYPE] = match &entry.kind {
            Kind::File { .. } => b'0',
            Kind::HardLink { target } => {
                put_text(&mut block[format::LINK], &mut records, "linkpath", checked(target)?);
                b'1'
            }
            Kind::Symlink { target } => {
                put_text(&mut block[format::LINK], &mut records, "linkpath", checked(target)?);
                b'2'
            }
            Kind::Char { major, minor } => {
                device = (*major, *minor);
                b'3'
            }
            Kind::Block { major, minor } => {
                device = (*major, *minor);
                b'4'
            }
            Kind::Dir => b'5',
            Kind::Fifo => b'6',
        };
        let mut mode = entry.mode & 0o7777;
        if is_windows {
            let (bits, extra) = windows::extras(entry);
            mode |= bits;
            for (key, value) in extra {
                records.set(key, value.as_bytes());
            }
        }
        format::put_octal(&mut block[format::MODE], u64::from(mode));
        put_number(&mut block[format::UID], &mut records, "uid", u64::from(entry.uid));
        put_number(&mut block[format::GID], &mut records, "gid", u64::from(entry.gid));
        put_number(&mut block[format::SIZE], &mut records, "size", entry.size());
        put_time(&mut block[format::MTIME], &mut records, entry, nanoseconds);
        block[format::MAGIC].copy_from_slice(b"ustar\x0000");
        for (field, number) in [(format::DEV_MAJOR, device.0), (format::DEV_MINOR, device.1)] {
            let number = u64::from(number);
            if !format::fits_octal(field.len(), number) {
                return Err("the device number is too large for tar");
            }
            format::put_octal(&mut block[field], number);
        }
        for (xattr, value) in &entry.xattrs {
            if !records.set_xattr(xattr, value) {
                return Err("an extended attribute has `=` or NUL in its name");
            }
        }
        if records.to_bytes().len() as u64 > MAX_SPECIAL {
            return Err("its extended attributes exceed a mebibyte");
        }
        format::put_checksum(&mut block);
        Ok(Self { block, records, name })
    }
}

/// The name in the stream: directories end with a slash, the root is `./`.
fn name_of(entry: &Entry) -> Result<Vec<u8>, &'static str> {
    let mut name = checked_path(&entry.path)?.to_vec();
    if entry.kind == Kind::Dir {
        if name.is_empty() {
            name.push(b'.');
        }
        name.push(b'/');
    }
    if name.is_empty() { Err("only a directory can be the root") } else { Ok(name) }
}

/// What the reader would refuse or change must not be written.
fn checked_path(path: &[u8]) -> Result<&[u8], &'static str> {
    let strange = |component: &[u8]| matches!(component, b"" | b"." | b"..");
    if !path.is_empty() && path.split(|b| *b == b'/').any(strange) {
        return Err("its path is not relative to the root in normal form");
    }
    if path.is_empty() { Ok(path) } else { checked(path) }
}

fn checked(text: &[u8]) -> Result<&[u8], &'static str> {
    match text.len() {
        0 => Err("the target of its link is empty"),
        length if length > MAX_PATH => Err("its path or target is longer than 4095 bytes"),
        _ if text.contains(&0) => Err("its path or target has a NUL"),
        _ => Ok(text),
    }
}

/// A text field; what is too long or not ASCII goes into a record too.
fn put_text(field: &mut [u8], records: &mut Records, key: &str, text: &[u8]) {
    if text.len() > field.len() || !text.is_ascii() {
        records.set(key, text);
    }
    let ascii: Vec<u8> = text.iter().copied().filter(u8::is_ascii).collect();
    let count = ascii.len().min(field.len());
    field[..count].copy_from_slice(&ascii[..count]);
    // A name cut after a slash would be taken for a directory's by old tars.
    if ascii.len() > field.len() && field.ends_with(b"/") {
        let kept = field.iter().rposition(|b| *b != b'/').map_or(0, |last| last + 1);
        field[kept..].fill(0);
    }
}

/// A numeric field; what is too large goes into a record instead.
fn put_number(field: &mut [u8], records: &mut Records, key: &str, number: u64) {
    if !format::fits_octal(field.len(), number) {
        records.set(key, number.to_string().as_bytes());
    }
    format::put_octal(field, number);
}

fn put_time(field: &mut [u8], records: &mut Records, entry: &Entry, nanoseconds: bool) {
    let mut time = entry.mtime;
    if !nanoseconds {
        time.nanos = 0;
    }
    let secs = u64::try_from(time.secs).ok().filter(|secs| format::fits_octal(field.len(), *secs));
    if secs.is_none() || time.nanos != 0 {
        records.set_time(time);
    }
    format::put_octal(field, secs.unwrap_or(0));
}

/// The header in front of PAX records of `size` bytes.
fn pax_block(name: &[u8], size: u64) -> Block {
    let mut block: Block = [0; BLOCK];
    let mut name = pax_name(name);
    name.truncate(format::NAME.len());
    while name.last() == Some(&b'/') {
        name.pop();
    }
    block[..name.len()].copy_from_slice(&name);
    for field in [format::MODE, format::UID, format::GID, format::MTIME] {
        format::put_octal(&mut block[field], 0);
    }
    format::put_octal(&mut block[format::SIZE], size);
    block[format::TYPE] = b'x';
    block[format::MAGIC].copy_from_slice(b"ustar\x0000");
    format::put_checksum(&mut block);
    block
}

/// `a/b/` gives `a/b/PaxHeaders.0`, `a/b` gives `a/PaxHeaders.0/b`: Go's names.
fn pax_name(name: &[u8]) -> Vec<u8> {
    let slash = name.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
    let (directory, file) = name.split_at(slash);
    let parts = directory.split(|b| *b == b'/').chain([&b"PaxHeaders.0"[..], file]);
    let kept: Vec<&[u8]> = parts.filter(|part| !matches!(*part, b"" | b".")).collect();
    kept.join(&b'/').into_iter().filter(u8::is_ascii).collect()
}

fn printable(entry: &Entry) -> String {
    entry.path[..entry.path.len().min(400)].escape_ascii().to_string()
}

#[cfg(test)]
mod tests;

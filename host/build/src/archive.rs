//! Tar archives, plain or compressed: told by their first bytes, unpacked into a root file system.

mod xz;

use std::io::{BufReader, ErrorKind, Read};

use kiln_image::layer::Kind;
use kiln_image::layer::read::{LayerReader, ReadError};
use kiln_rootfs::changes::ChangeSet;
use kiln_rootfs::unpack::{Limits, add_archive, unpack_archive};
use kiln_rootfs::{Rootfs, RootfsError};

/// A tar header; the first one tells a plain archive.
const BLOCK: usize = 512;
/// Where the checksum is in a header, eight bytes (pax(1), "ustar Interchange Format").
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// A stream whose first bytes have been looked at.
pub(crate) struct Sniffed<R> {
    format: Format,
    stream: std::io::Chain<std::io::Cursor<Vec<u8>>, R>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Gzip,
    Bzip2,
    Xz,
    Zstd,
    Tar,
    Other,
}

impl<R: Read> Sniffed<R> {
    /// Reads the beginning of a stream.
    ///
    /// # Errors
    /// As read(2).
    pub(crate) fn new(mut stream: R) -> std::io::Result<Self> {
        let mut start = Vec::with_capacity(BLOCK);
        stream.by_ref().take(BLOCK as u64).read_to_end(&mut start)?;
        let format = match start.as_slice() {
            [0x1f, 0x8b, ..] => Format::Gzip,
            [b'B', b'Z', b'h', ..] => Format::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Xz,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Format::Zstd,
            block if is_tar_header(block) => Format::Tar,
            _ => Format::Other,
        };
        Ok(Self { format, stream: std::io::Cursor::new(start).chain(stream) })
    }

    /// Whether it starts like an archive, or like something compressed.
    pub(crate) fn is_archive(&self) -> bool {
        self.format != Format::Other
    }

    /// The stream as it is.
    pub(crate) fn plain(self) -> impl Read {
        self.stream
    }

    /// The stream, decompressed when it is compressed.
    ///
    /// # Errors
    /// What the decoder says of its own memory.
    pub(crate) fn decompressed<'a>(self) -> std::io::Result<Box<dyn Read + 'a>>
    where
        R: 'a,
    {
        let whole = BufReader::new(self.stream);
        Ok(match self.format {
            Format::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
            Format::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(whole)),
            Format::Xz => Box::new(lzma_rust2::XzReader::new(xz::Bounded::new(whole), true)),
            Format::Zstd => Box::new(zstd::Decoder::with_buffer(whole)?),
            Format::Tar | Format::Other => Box::new(whole),
        })
    }
}

/// Whether a block is a tar header, by its checksum; a block of zeros is the end of an empty one.
fn is_tar_header(block: &[u8]) -> bool {
    if block.len() < BLOCK {
        return false;
    }
    let written = &block[CHECKSUM];
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    if sum == 0 {
        return true;
    }
    let digits: String = written
        .iter()
        .map(|byte| char::from(*byte))
        .skip_while(|c| *c == ' ')
        .take_while(|c| c.is_digit(8))
        .collect();
    let own: u64 = written.iter().map(|byte| u64::from(*byte)).sum();
    let blanks = CHECKSUM.len() as u64 * u64::from(b' ');
    u64::from_str_radix(&digits, 8).is_ok_and(|expected| expected == sum - own + blanks)
}

/// Whether a decompressed stream is a tar archive with something in it. A first entry that must not
/// be unpacked makes it one too: to copy such an archive as it is would hide that it was refused.
pub(crate) fn has_entries(tar: impl Read) -> bool {
    match LayerReader::new(tar).next_entry() {
        Ok(entry) => entry.is_some(),
        Err(ReadError::Refused { .. } | ReadError::Limit { .. }) => true,
        Err(ReadError::Io { source, .. }) if source.kind() == ErrorKind::OutOfMemory => true,
        Err(ReadError::Io { .. } | ReadError::Malformed { .. }) => false,
    }
}

/// The time of the newest file of a decompressed archive, seconds since 1970.
///
/// # Errors
/// What is wrong with the archive.
pub(crate) fn newest_file(tar: impl Read) -> Result<Option<i64>, ReadError> {
    let mut reader = LayerReader::new(tar);
    let mut newest = None;
    while let Some(entry) = reader.next_entry()? {
        if matches!(entry.kind, Kind::File { .. }) {
            newest = newest.max(Some(entry.mtime.secs));
        }
    }
    Ok(newest)
}

/// Unpacks a decompressed archive into an empty root file system: whatever it says about paths and
/// links, nothing lands outside.
///
/// # Errors
/// What is wrong with the archive, or the system call that failed.
pub(crate) fn unpack(rootfs: &Rootfs, tar: &mut dyn Read) -> Result<(), RootfsError> {
    unpack_archive(rootfs, tar, &Limits::default()).map(|_| ())
}

/// Unpacks a decompressed archive over the files of a directory, as ADD does.
///
/// # Errors
/// As [`unpack`].
pub(crate) fn add(
    rootfs: &Rootfs,
    directory: &[u8],
    tar: &mut dyn Read,
    owner: Option<(u32, u32)>,
    changes: &mut ChangeSet,
) -> Result<(), RootfsError> {
    add_archive(rootfs, directory, tar, &Limits::default(), owner, changes).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar(name: &str) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        header.set_mtime(7);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &b"hi"[..]).unwrap();
        builder.into_inner().unwrap()
    }

    fn is_archive(bytes: &[u8]) -> bool {
        Sniffed::new(bytes).unwrap().is_archive()
    }

    #[test]
    fn formats_are_told_by_their_first_bytes() {
        let plain = tar("a");
        assert!(is_archive(&plain) && is_archive(&[0; 1024]));
        assert!(is_archive(b"\x1f\x8b\x08") && is_archive(b"BZh9"));
        assert!(!is_archive(b"") && !is_archive(b"FROM scratch\n"));
        assert!(!is_archive(&[b'a'; 2000]));
        assert_eq!(newest_file(plain.as_slice()).unwrap(), Some(7));
        assert!(has_entries(plain.as_slice()) && !has_entries(&b"FROM x"[..]));
        let mut whole = Vec::new();
        let zstd = zstd::encode_all(plain.as_slice(), 1).unwrap();
        Sniffed::new(zstd.as_slice())
            .unwrap()
            .decompressed()
            .unwrap()
            .read_to_end(&mut whole)
            .unwrap();
        assert_eq!(whole, plain);
    }

    #[test]
    fn an_archive_whose_first_entry_is_refused_is_still_one() {
        for name in ["../../evil", &"n".repeat(300)] {
            let mut builder = tar::Builder::new(Vec::new());
            let mut header = tar::Header::new_gnu();
            header.set_size(2);
            header.set_mode(0o644);
            if name.len() < 100 {
                // The builder itself would refuse to write this name.
                header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
                header.set_cksum();
                builder.append(&header, &b"hi"[..]).unwrap();
            } else {
                builder.append_data(&mut header, name, &b"hi"[..]).unwrap();
            }
            let tar = builder.into_inner().unwrap();
            assert!(has_entries(tar.as_slice()), "{name}");
            let dir = tempfile::tempdir().unwrap();
            let rootfs = Rootfs::create(dir.path()).unwrap();
            unpack(&rootfs, &mut tar.as_slice()).unwrap_err();
        }
    }

    #[test]
    fn names_of_layers_mean_nothing_in_archives() {
        let dir = tempfile::tempdir().unwrap();
        let rootfs = Rootfs::create(dir.path()).unwrap();
        unpack(&rootfs, &mut tar("sub/.wh.name").as_slice()).unwrap();
        assert!(rootfs.metadata(b"sub/.wh.name", false).is_ok());
    }
}

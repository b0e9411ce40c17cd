//! What a shared library says of itself.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

/// A shared library.
#[derive(Clone, Debug)]
pub(super) struct Library {
    /// The flags of its kind in the cache.
    pub(super) flags: u32,
    pub(super) soname: Option<Vec<u8>>,
}

/// The largest table that is read, in bytes: a hostile file must not take all memory.
const MAX_TABLE: u64 = 1 << 20;

/// The longest name.
const MAX_NAME: usize = 4096;

const LOAD: u64 = 1;
const DYNAMIC: u64 = 2;
const SHARED: u64 = 3;
const TAG_STRINGS: u64 = 5;
const TAG_SONAME: u64 = 14;

struct Elf {
    file: File,
    wide: bool,
}

impl Elf {
    fn at(&mut self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::new();
        (&mut self.file).take(length.min(MAX_TABLE)).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

fn number(bytes: &[u8], at: usize, width: usize) -> u64 {
    let field = bytes.get(at..at + width).unwrap_or_default();
    field.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// Reads a file; nothing when it is no shared library, `Err` with its kind when it is of a kind that
/// is not known here.
pub(super) fn read(file: File) -> io::Result<Result<Option<Library>, String>> {
    let mut elf = Elf { file, wide: false };
    let head = elf.at(0, 64)?;
    if head.len() < 52 || !head.starts_with(b"\x7fELF") {
        return Ok(Ok(None));
    }
    elf.wide = head[4] == 2;
    let machine = number(&head, 18, 2);
    // Which ABI of the C library: x86-64 and its 32-bit programs, or ARM of 64 bits.
    let flags = match (head[4], head[5], machine) {
        (2, 1, 62) => 0x0303,
        (1, 1, 3) => 0x0003,
        (2, 1, 183) => 0x0a03,
        _ => return Ok(Err(format!("a library for machine {machine}"))),
    };
    if number(&head, 16, 2) != SHARED {
        return Ok(Ok(None));
    }
    let wide = elf.wide;
    let word = if wide { 8 } else { 4 };
    let (table, size, count) = if wide {
        (number(&head, 32, 8), number(&head, 54, 2), number(&head, 56, 2))
    } else {
        (number(&head, 28, 4), number(&head, 42, 2), number(&head, 44, 2))
    };
    let headers = elf.at(table, size * count)?;
    let (mut loads, mut dynamic) = (Vec::new(), None);
    for header in headers.chunks_exact(usize::try_from(size.max(32)).unwrap_or(56)) {
        let (offset, address, length) = if wide {
            (number(header, 8, 8), number(header, 16, 8), number(header, 32, 8))
        } else {
            (number(header, 4, 4), number(header, 8, 4), number(header, 16, 4))
        };
        match number(header, 0, 4) {
            LOAD => loads.push((address, length, offset)),
            DYNAMIC => dynamic = Some((offset, length)),
            _ => {}
        }
    }
    let Some((offset, length)) = dynamic else { return Ok(Ok(None)) };
    let entries = elf.at(offset, length)?;
    let (mut strings, mut name) = (None, None);
    for entry in entries.chunks_exact(2 * word) {
        let value = number(entry, word, word);
        match number(entry, 0, word) {
            0 => break,
            TAG_STRINGS => strings = Some(value),
            TAG_SONAME => name = Some(value),
            _ => {}
        }
    }
    let place = strings.zip(name).and_then(|(strings, name)| {
        let load = loads
            .iter()
            .find(|(address, length, _)| strings >= *address && strings - address < *length);
        load.and_then(|(address, _, offset)| (strings - address + offset).checked_add(name))
    });
    let soname = match place {
        Some(place) => {
            let text = elf.at(place, MAX_NAME as u64)?;
            let end = text.iter().position(|&byte| byte == 0).unwrap_or(0);
            Some(text[..end].to_vec()).filter(|name| !name.is_empty())
        }
        None => None,
    };
    Ok(Ok(Some(Library { flags, soname })))
}

//! ELF headers of a program: what is to be mapped where.

/// Most program headers looked at; real programs have about a dozen, and the first page holds 72.
pub const MAX_SEGMENTS: usize = 64;
/// How much of a file must be read to see its headers.
pub const HEADERS: usize = 4096;

const PAGE: u64 = 4096;
/// `PT_LOAD`
const LOAD: u32 = 1;
/// `PT_INTERP`
const INTERP: u32 = 3;
/// `PT_GNU_STACK`
const STACK: u32 = 0x6474_e551;
/// The machine that programs must be for.
#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;
/// The machine of the 32-bit programs that run here too.
#[cfg(target_arch = "x86_64")]
const NARROW_MACHINE: Option<u16> = Some(3);
#[cfg(target_arch = "aarch64")]
const NARROW_MACHINE: Option<u16> = None;
/// Where 32-bit programs must end: above lie their stack and what the loader keeps for them.
const NARROW_END: u64 = 0xf000_0000;

/// A part of the file to be mapped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Address, before the bias.
    pub address: u64,
    /// Offset in the file, congruent with the address modulo the page size.
    pub offset: u64,
    /// Bytes from the file.
    pub file_size: u64,
    /// Bytes in memory; what goes beyond the file's is zero.
    pub memory_size: u64,
    /// `PROT_READ` 1, `PROT_WRITE` 2, `PROT_EXEC` 4.
    pub protection: u32,
}

/// Where the fields of the headers lie: those of ELF64, those of ELF32.
struct Layout {
    is_narrow: bool,
    table: usize,
    entry_size: usize,
    count: usize,
    entry_len: usize,
    flags: usize,
    /// Offset, address, size in the file, size in memory, alignment.
    fields: [usize; 5],
}

const WIDE: Layout = Layout {
    is_narrow: false,
    table: 32,
    entry_size: 54,
    count: 56,
    entry_len: 56,
    flags: 4,
    fields: [8, 16, 32, 40, 48],
};
const NARROW: Layout = Layout {
    is_narrow: true,
    table: 28,
    entry_size: 42,
    count: 44,
    entry_len: 32,
    flags: 24,
    fields: [4, 8, 16, 20, 28],
};

impl Layout {
    fn of(file: &[u8]) -> Option<&'static Self> {
        let machine = half(file, 18);
        match file.get(..6)? {
            b"\x7fELF\x02\x01" if machine == Some(MACHINE) => Some(&WIDE),
            b"\x7fELF\x01\x01" if machine.is_some() && machine == NARROW_MACHINE => Some(&NARROW),
            _ => None,
        }
    }

    /// A word of this class.
    fn word(&self, bytes: &[u8], at: usize) -> Option<u64> {
        if self.is_narrow { long(bytes, at).map(u64::from) } else { word(bytes, at) }
    }
}

/// A program's headers.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Whether it is a 32-bit program.
    pub is_narrow: bool,
    /// Whether its stack is to be executable: it says so, or is older than the saying.
    pub executable_stack: bool,
    /// Entry point, before the bias.
    pub entry: u64,
    /// Whether it may be loaded anywhere.
    pub relocatable: bool,
    /// Address of the program headers in memory, before the bias; 0 = not mapped.
    pub headers: u64,
    /// Number of program headers.
    pub header_count: u64,
    /// Offset and length of the interpreter's path in the file.
    pub interpreter: Option<(u64, usize)>,
    segments: [Segment; MAX_SEGMENTS],
    count: usize,
    /// Lowest and highest page boundary of what is mapped.
    pub span: (u64, u64),
    /// Largest alignment asked for.
    pub alignment: u64,
}

impl Program {
    /// What to map, in order.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        self.segments.get(..self.count).unwrap_or(&[])
    }

    /// Whether a file's first bytes are those of a program that does not run here: for another machine.
    #[must_use]
    pub fn is_foreign(file: &[u8]) -> bool {
        let is_program = file.starts_with(b"\x7fELF") && matches!(half(file, 16), Some(2 | 3));
        is_program && Layout::of(file).is_none()
    }

    /// Reads the headers from a file's first [`HEADERS`] bytes; `None`: not a program for us.
    #[must_use]
    pub fn parse(file: &[u8]) -> Option<Self> {
        let layout = Layout::of(file)?;
        let kind = half(file, 16)?;
        if !(kind == 2 || kind == 3) {
            return None;
        }
        let table = usize::try_from(layout.word(file, layout.table)?).ok()?;
        let count = usize::from(half(file, layout.count)?);
        let length = layout.entry_len;
        if usize::from(half(file, layout.entry_size)?) != length || count > MAX_SEGMENTS {
            return None;
        }
        let mut program = Self {
            is_narrow: layout.is_narrow,
            executable_stack: true,
            entry: layout.word(file, 24)?,
            relocatable: kind == 3,
            headers: 0,
            header_count: count as u64,
            interpreter: None,
            segments: [Segment::default(); MAX_SEGMENTS],
            count: 0,
            span: (u64::MAX, 0),
            alignment: PAGE,
        };
        for index in 0..count {
            let header = file.get(table.checked_add(index * length)?..)?.get(..length)?;
            let [offset, _, size, ..] = layout.fields;
            match long(header, 0)? {
                LOAD => program.add(layout, header, table as u64)?,
                INTERP => {
                    let length = usize::try_from(layout.word(header, size)?).ok()?;
                    program.interpreter = Some((layout.word(header, offset)?, length));
                }
                STACK => program.executable_stack = long(header, layout.flags)? & 1 != 0,
                _ => {}
            }
        }
        (program.count > 0).then_some(program)
    }

    fn add(&mut self, layout: &Layout, header: &[u8], table: u64) -> Option<()> {
        let flags = long(header, layout.flags)?;
        let [offset, address, file_size, memory_size, alignment] = layout.fields;
        let segment = Segment {
            offset: layout.word(header, offset)?,
            address: layout.word(header, address)?,
            file_size: layout.word(header, file_size)?,
            memory_size: layout.word(header, memory_size)?,
            protection: ((flags & 4) >> 2) | (flags & 2) | ((flags & 1) << 2),
        };
        let alignment = layout.word(header, alignment)?;
        let end = segment.address.checked_add(segment.memory_size)?;
        // Above the user half, or not mappable: the kernel would refuse too.
        let sound = segment.file_size <= segment.memory_size
            && end < if layout.is_narrow { NARROW_END } else { 1 << 47 }
            && segment.offset.checked_add(segment.file_size)? < 1 << 62
            && segment.address % PAGE == segment.offset % PAGE;
        if !sound {
            return None;
        }
        if alignment.is_power_of_two() && alignment <= 1 << 30 {
            self.alignment = self.alignment.max(alignment);
        }
        let low = segment.address & !(PAGE - 1);
        let high = end.checked_add(PAGE - 1)? & !(PAGE - 1);
        self.span = (self.span.0.min(low), self.span.1.max(high));
        let holds_table =
            segment.offset <= table && table < segment.offset.checked_add(segment.file_size)?;
        if holds_table {
            self.headers = segment.address + (table - segment.offset);
        }
        *self.segments.get_mut(self.count)? = segment;
        self.count += 1;
        Some(())
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_program_parses() {
        use std::io::Read as _;
        let mut head = vec![0; HEADERS];
        std::fs::File::open("/proc/self/exe").unwrap().read_exact(&mut head).unwrap();
        let program = Program::parse(&head).unwrap();
        assert!(program.segments().len() >= 2);
        assert!(program.headers > 0 || !program.relocatable);
        assert!(program.span.0 < program.span.1);
        for cut in 0..usize::try_from(program.headers).unwrap() + 56 {
            assert!(Program::parse(&head[..cut]).is_none(), "{cut}");
        }
    }

    #[test]
    fn programs_of_other_machines_are_told_apart() {
        let mut head = [0; 64];
        head[..6].copy_from_slice(b"\x7fELF\x01\x01");
        // A 32-bit one for ARM, one for i386.
        (head[16], head[18]) = (2, 40);
        assert!(Program::is_foreign(&head));
        head[18] = 3;
        assert!(!Program::is_foreign(&head));
        (head[4], head[18]) = (2, 62);
        assert!(!Program::is_foreign(&head));
        head[18] = 183;
        assert!(Program::is_foreign(&head));
        assert!(!Program::is_foreign(b"\x7fELF garbage"));
        assert!(!Program::is_foreign(b"#!/bin/sh"));
    }

    #[test]
    fn hostile_headers_are_refused() {
        use std::io::Read as _;
        let mut head = vec![0; HEADERS];
        std::fs::File::open("/proc/self/exe").unwrap().read_exact(&mut head).unwrap();
        // Any single byte of the tables may be anything: no panic, at worst a refusal.
        for at in 16..900 {
            let mut bad = head.clone();
            bad[at] = 0xff;
            if let Some(program) = Program::parse(&bad) {
                assert!(program.span.1 < 1 << 48);
            }
        }
    }
}

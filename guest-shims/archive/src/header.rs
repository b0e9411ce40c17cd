//! The entries of a tar archive: ustar, GNU's long names, PAX.

use std::io::{self, Read};

use shim::sys::Time;

/// An entry's description.
#[derive(Clone, Debug, Default)]
pub(crate) struct Header {
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) user: Vec<u8>,
    pub(crate) group: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) mtime: Time,
    pub(crate) kind: u8,
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

/// The size of a block.
pub(crate) const BLOCK: usize = 512;

/// The longest extended header, in bytes: a hostile archive must not take all memory.
const MAX_EXTENDED: u64 = 1 << 20;

/// Reads archives entry by entry.
pub(crate) struct Reader {
    input: Box<dyn Read>,
    /// What is left of the entry's contents, and of its padding.
    rest: u64,
    padding: u64,
    global: Vec<(Vec<u8>, Vec<u8>)>,
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl Reader {
    pub(crate) fn new(input: Box<dyn Read>) -> Self {
        Self { input, rest: 0, padding: 0, global: Vec::new() }
    }

    /// The next entry; nothing at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Header>> {
        let (mut name, mut link, mut extended) = (None, None, Vec::new());
        loop {
            self.skip()?;
            let Some(block) = self.block()? else { return Ok(None) };
            let mut header = decode(&block)?;
            match header.kind {
                b'L' => name = Some(self.text(&header)?),
                b'K' => link = Some(self.text(&header)?),
                b'x' => extended = records(&self.contents(&header)?)?,
                b'g' => {
                    let records = records(&self.contents(&header)?)?;
                    self.global.extend(records);
                }
                _ => {
                    if let Some(name) = name {
                        header.name = name;
                    }
                    if let Some(link) = link {
                        header.link = link;
                    }
                    for (key, value) in self.global.iter().chain(&extended) {
                        apply(&mut header, key, value)?;
                    }
                    // Only files have contents, whatever the size of others says.
                    let has_contents = matches!(header.kind, b'0' | 0 | b'7');
                    self.rest = if has_contents { header.size } else { 0 };
                    self.padding = padding(self.rest);
                    return Ok(Some(header));
                }
            }
        }
    }

    /// A block; nothing for the two blocks of zeros at the end, or at the end of the input.
    fn block(&mut self) -> io::Result<Option<[u8; BLOCK]>> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.input.read(&mut block[filled..])? {
                0 if filled == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                len => filled += len,
            }
        }
        Ok(block.iter().any(|&byte| byte != 0).then_some(block))
    }

    fn contents(&mut self, header: &Header) -> io::Result<Vec<u8>> {
        if header.size > MAX_EXTENDED {
            return Err(broken("an extended header is too long"));
        }
        let mut contents = vec![0; usize::try_from(header.size).unwrap_or(0)];
        self.input.read_exact(&mut contents)?;
        self.padding = padding(header.size);
        Ok(contents)
    }

    fn text(&mut self, header: &Header) -> io::Result<Vec<u8>> {
        let mut text = self.contents(header)?;
        if let Some(end) = text.iter().position(|&byte| byte == 0) {
            text.truncate(end);
        }
        Ok(text)
    }

    /// Skips what is left of the entry.
    fn skip(&mut self) -> io::Result<()> {
        let left = self.rest + self.padding;
        let skipped = io::copy(&mut (&mut self.input).take(left), &mut io::sink())?;
        if skipped < left {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (self.rest, self.padding) = (0, 0);
        Ok(())
    }
}

impl Read for Reader {
    /// Reads the contents of the entry.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = (&mut self.input).take(self.rest).read(buffer)?;
        if len == 0 && self.rest > 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.rest -= len as u64;
        Ok(len)
    }
}

fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// A number: octal digits, or GNU's binary form.
fn number(field: &[u8]) -> io::Result<u64> {
    if field[0] & 0x80 != 0 {
        let mut value = u64::from(field[0] & 0x3f);
        for &byte in &field[1..] {
            value = value.checked_mul(256).ok_or_else(|| broken("a number is too big"))?
                + u64::from(byte);
        }
        return Ok(value);
    }
    let text: Vec<u8> = field.iter().copied().filter(|byte| !matches!(byte, b' ' | 0)).collect();
    if text.is_empty() {
        return Ok(0);
    }
    let text = str::from_utf8(&text).map_err(|_| broken("a number is not octal"))?;
    u64::from_str_radix(text, 8).map_err(|_| broken("a number is not octal"))
}

fn text(field: &[u8]) -> Vec<u8> {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    field[..end].to_vec()
}

fn decode(block: &[u8; BLOCK]) -> io::Result<Header> {
    let sum: u64 = block
        .iter()
        .enumerate()
        .map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { u64::from(byte) })
        .sum();
    if number(&block[148..156])? != sum {
        return Err(broken("this does not look like a tar archive"));
    }
    let small = |field: &[u8]| number(field).map(|value| u32::try_from(value).unwrap_or(u32::MAX));
    let mut name = text(&block[..100]);
    let is_ustar = &block[257..263] == b"ustar\0";
    let prefix = text(&block[345..500]);
    if is_ustar && !prefix.is_empty() {
        name = [prefix.as_slice(), b"/", &name].concat();
    }
    let devices = block[329] != 0;
    Ok(Header {
        name,
        link: text(&block[157..257]),
        mode: small(&block[100..108])? & 0o7777,
        uid: small(&block[108..116])?,
        gid: small(&block[116..124])?,
        user: text(&block[265..297]),
        group: text(&block[297..329]),
        size: number(&block[124..136])?,
        mtime: Time { secs: i64::try_from(number(&block[136..148])?).unwrap_or(0), nanos: 0 },
        kind: block[156],
        major: if devices { small(&block[329..337])? } else { 0 },
        minor: if devices { small(&block[337..345])? } else { 0 },
    })
}

/// The records of a PAX header: `LENGTH KEY=VALUE\n`.
fn records(text: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let bad = || broken("a PAX record is broken");
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let space = rest.iter().position(|&byte| byte == b' ').ok_or_else(bad)?;
        let len = shim::number::decimal(&rest[..space])
            .and_then(|len| usize::try_from(len).ok())
            .ok_or_else(bad)?;
        let record = rest
            .get(space + 1..len)
            .and_then(|record| record.strip_suffix(b"\n"))
            .ok_or_else(bad)?;
        let equals = record.iter().position(|&byte| byte == b'=').ok_or_else(bad)?;
        found.push((record[..equals].to_vec(), record[equals + 1..].to_vec()));
        rest = &rest[len..];
    }
    Ok(found)
}

fn apply(header: &mut Header, key: &[u8], value: &[u8]) -> io::Result<()> {
    let decimal = || shim::number::decimal(value).ok_or_else(|| broken("a PAX number is broken"));
    match key {
        b"path" => header.name = value.to_vec(),
        b"linkpath" => header.link = value.to_vec(),
        b"uname" => header.user = value.to_vec(),
        b"gname" => header.group = value.to_vec(),
        b"size" => header.size = decimal()?,
        b"uid" => header.uid = u32::try_from(decimal()?).unwrap_or(u32::MAX),
        b"gid" => header.gid = u32::try_from(decimal()?).unwrap_or(u32::MAX),
        b"mtime" => {
            let text = str::from_utf8(value).unwrap_or_default();
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let secs = whole.parse().map_err(|_| broken("a PAX time is broken"))?;
            let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
            header.mtime = Time { secs, nanos: digits.parse().unwrap_or(0) };
        }
        _ if key.starts_with(b"GNU.sparse.") => return Err(io::ErrorKind::Unsupported.into()),
        _ => {}
    }
    Ok(())
}

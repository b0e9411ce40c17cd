//! The 512-byte tar header: where its fields are, and how numbers stand in them.
//!
//! Source: POSIX.1-2017 `pax`, section "ustar Interchange Format"; GNU tar manual, "Basic Tar
//! Format"; Go's `archive/tar` for what real layers contain.

use std::ops::Range;

/// The unit of a tar stream, in bytes.
pub(crate) const BLOCK: usize = 512;

/// One header.
pub(crate) type Block = [u8; BLOCK];

pub(crate) const NAME: Range<usize> = 0..100;
pub(crate) const MODE: Range<usize> = 100..108;
pub(crate) const UID: Range<usize> = 108..116;
pub(crate) const GID: Range<usize> = 116..124;
pub(crate) const SIZE: Range<usize> = 124..136;
pub(crate) const MTIME: Range<usize> = 136..148;
pub(crate) const CHECKSUM: Range<usize> = 148..156;
pub(crate) const TYPE: usize = 156;
pub(crate) const LINK: Range<usize> = 157..257;
pub(crate) const MAGIC: Range<usize> = 257..265;
pub(crate) const DEV_MAJOR: Range<usize> = 329..337;
pub(crate) const DEV_MINOR: Range<usize> = 337..345;
pub(crate) const PREFIX: Range<usize> = 345..500;
/// star's shorter prefix; its times lie behind it.
pub(crate) const STAR_PREFIX: Range<usize> = 345..476;
pub(crate) const STAR_TRAILER: Range<usize> = 508..512;

/// Which dialect a header is in; it decides where the path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// No magic: names of 100 bytes.
    V7,
    /// POSIX: also PAX.
    Ustar,
    /// Schilling's star.
    Star,
    /// GNU tar.
    Gnu,
}

impl Dialect {
    pub(crate) fn of(block: &Block) -> Self {
        match &block[MAGIC] {
            b"ustar  \0" => Self::Gnu,
            magic if magic.starts_with(b"ustar\0") => {
                if block[STAR_TRAILER] == *b"tar\0" {
                    Self::Star
                } else {
                    Self::Ustar
                }
            }
            _ => Self::V7,
        }
    }
}

/// The bytes of a text field up to its NUL.
pub(crate) fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    &field[..end]
}

/// A number: octal digits, or binary when the first bit is set (GNU, star). `None` if malformed.
pub(crate) fn number(field: &[u8]) -> Option<i64> {
    let first = *field.first()?;
    if first & 0x80 == 0 {
        return octal(field);
    }
    // Two's complement over the field, less its top bit, which is the mark.
    let negative = first & 0x40 != 0;
    let mut value = if negative { -1_i64 } else { 0 };
    for (index, byte) in field.iter().enumerate() {
        let byte = match (index, negative) {
            (0, true) => byte | 0x80,
            (0, false) => byte & 0x7f,
            _ => *byte,
        };
        value = value.checked_mul(256)?.checked_add(i64::from(byte))?;
    }
    // The loop shifted the sign's -1 along with the digits; that is what two's complement is.
    Some(value)
}

fn octal(field: &[u8]) -> Option<i64> {
    // Old tars fill with blanks on either side and end with a blank, a NUL or nothing.
    let digits = text(field).trim_ascii();
    let mut value = 0_i64;
    for digit in digits {
        if !(b'0'..=b'7').contains(digit) {
            return None;
        }
        value = value.checked_mul(8)?.checked_add(i64::from(digit - b'0'))?;
    }
    Some(value)
}

/// Whether `value` fits into an octal field of `width` bytes, one of which is a NUL.
pub(crate) fn fits_octal(width: usize, value: u64) -> bool {
    let bits = (width - 1) * 3;
    bits >= 64 || value < 1 << bits
}

/// Writes `value` in octal, padded with zeros, ended by a NUL; zero if it does not fit, as the
/// PAX record that carries it prevails.
pub(crate) fn put_octal(field: &mut [u8], value: u64) {
    let mut rest = if fits_octal(field.len(), value) { value } else { 0 };
    let (last, digits) = field.split_last_mut().expect("header fields are not empty");
    *last = 0;
    for digit in digits.iter_mut().rev() {
        // The mask leaves three bits.
        *digit = b'0' + u8::try_from(rest & 7).expect("three bits fit a byte");
        rest >>= 3;
    }
}

/// Whether the checksum is right; old tars summed signed bytes.
pub(crate) fn checksum_is_right(block: &Block) -> bool {
    let Some(told) = octal(&block[CHECKSUM]) else { return false };
    let mut unsigned = 0_i64;
    let mut signed = 0_i64;
    for (index, byte) in block.iter().enumerate() {
        let byte = if CHECKSUM.contains(&index) { b' ' } else { *byte };
        unsigned += i64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    told == unsigned || told == signed
}

/// Writes the checksum: six octal digits, a NUL, a blank.
pub(crate) fn put_checksum(block: &mut Block) {
    block[CHECKSUM].fill(b' ');
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    put_octal(&mut block[CHECKSUM.start..CHECKSUM.end - 1], sum);
}

/// How many bytes fill `size` up to whole blocks.
pub(crate) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (field, wanted) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"644\0\0\0\0\0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"77777777", Some(0o77_777_777)),
            (b"0000648\0", None),
            (b"-000644\0", None),
            (b"\x80\0\0\0\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff", Some(-1)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", Some(i64::MAX)),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"\xff\xff\xff\xff\x80\0\0\0\0\0\0\0", Some(i64::MIN)),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ] {
            assert_eq!(number(field), wanted, "{field:?}");
        }
    }

    #[test]
    fn octal_fields() {
        let mut field = [b'x'; 8];
        put_octal(&mut field, 0o644);
        assert_eq!(&field, b"0000644\0");
        assert!(fits_octal(8, 0o7_777_777) && !fits_octal(8, 0o10_000_000));
        put_octal(&mut field, 0o10_000_000);
        assert_eq!(&field, b"0000000\0");
        assert!(fits_octal(12, 8_589_934_591) && !fits_octal(12, 8_589_934_592));
    }

    #[test]
    fn checksums() {
        let mut block = [0; BLOCK];
        block[0] = 0xff;
        assert!(!checksum_is_right(&block));
        put_checksum(&mut block);
        assert!(checksum_is_right(&block));
        // As signed bytes 0xff is -1, 256 less.
        put_octal(&mut block[148..155], 255 + 8 * 32 - 256);
        assert!(checksum_is_right(&block));
        block[1] = 1;
        assert!(!checksum_is_right(&block));
    }

    #[test]
    fn paddings() {
        for (size, wanted) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511), (u64::MAX, 1)] {
            assert_eq!(padding(size), wanted);
        }
    }
}

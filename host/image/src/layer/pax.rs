//! PAX records: what does not fit a tar header, as `length key=value` lines.
//!
//! Source: POSIX.1-2017 `pax`, section "pax Extended Header"; star(5) for SCHILY.xattr;
//! libarchive's tar(5) for LIBARCHIVE.xattr; GNU tar manual, "Storing Sparse Files".

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::Mtime;

/// The largest PAX header or GNU long name that is read, in bytes, as Go's `archive/tar` has it:
/// a header may announce gigabytes, all of which would have to be in memory.
pub(crate) const MAX_SPECIAL: u64 = 1 << 20;

/// libarchive leaves the padding out, others do not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

const SCHILY_XATTR: &[u8] = b"SCHILY.xattr.";
const LIBARCHIVE_XATTR: &[u8] = b"LIBARCHIVE.xattr.";

/// What the records before an entry say about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pax {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<u64>,
    pub(crate) gid: Option<u64>,
    pub(crate) mtime: Option<Mtime>,
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) sparse: PaxSparse,
}

/// GNU tar's sparse files in PAX, versions 0.0, 0.1 and 1.0.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PaxSparse {
    pub(crate) major: Option<u64>,
    pub(crate) minor: Option<u64>,
    pub(crate) name: Option<Vec<u8>>,
    /// The file's size with its holes: `GNU.sparse.realsize` or `GNU.sparse.size`.
    pub(crate) real_size: Option<u64>,
    /// Versions 0.x: offset, length, offset, length …
    pub(crate) map: Option<Vec<u64>>,
}

/// Reads the body of a PAX header.
pub(crate) fn parse(mut body: &[u8]) -> Result<Pax, &'static str> {
    let mut pax = Pax::default();
    let mut libarchive = BTreeMap::new();
    while !body.is_empty() {
        let (key, value, rest) = next_record(body).ok_or("malformed PAX record")?;
        body = rest;
        if let Some(name) = key.strip_prefix(SCHILY_XATTR) {
            set_xattr(&mut pax.xattrs, name.to_vec(), value.to_vec())?;
        } else if let Some(name) = key.strip_prefix(LIBARCHIVE_XATTR) {
            let name = percent_decoded(name);
            let value = BASE64.decode(value).map_err(|_| "malformed PAX xattr value")?;
            set_xattr(&mut libarchive, name, value)?;
        } else {
            known(&mut pax, key, value)?;
        }
    }
    for (name, value) in libarchive {
        pax.xattrs.entry(name).or_insert(value);
    }
    Ok(pax)
}

/// A record of the standard or of GNU's sparse files; others (times of access, user names, ACLs)
/// have no place in an image and are passed over.
fn known(pax: &mut Pax, key: &[u8], value: &[u8]) -> Result<(), &'static str> {
    match key {
        b"path" => pax.path = name(value)?,
        b"linkpath" => pax.link = name(value)?,
        b"size" => pax.size = number(value, "malformed PAX size")?,
        b"uid" => pax.uid = number(value, "malformed PAX uid")?,
        b"gid" => pax.gid = number(value, "malformed PAX gid")?,
        b"mtime" if value.is_empty() => pax.mtime = None,
        b"mtime" => pax.mtime = Some(time(value).ok_or("malformed PAX mtime")?),
        b"GNU.sparse.major" => pax.sparse.major = number(value, MALFORMED_SPARSE)?,
        b"GNU.sparse.minor" => pax.sparse.minor = number(value, MALFORMED_SPARSE)?,
        b"GNU.sparse.name" => pax.sparse.name = name(value)?,
        b"GNU.sparse.realsize" | b"GNU.sparse.size" => {
            pax.sparse.real_size = number(value, MALFORMED_SPARSE)?;
        }
        b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
            let map = pax.sparse.map.get_or_insert_default();
            // An offset and its length take turns.
            if map.len().is_multiple_of(2) != (key == b"GNU.sparse.offset") {
                return Err(MALFORMED_SPARSE);
            }
            map.push(number(value, MALFORMED_SPARSE)?.ok_or(MALFORMED_SPARSE)?);
        }
        b"GNU.sparse.map" => {
            let numbers = value.split(|b| *b == b',').map(|n| decimal(n).ok_or(MALFORMED_SPARSE));
            pax.sparse.map =
                if value.is_empty() { None } else { Some(numbers.collect::<Result<_, _>>()?) };
        }
        _ => {}
    }
    Ok(())
}

const MALFORMED_SPARSE: &str = "malformed PAX sparse map";

/// `(key, value, rest)`.
fn next_record(body: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = body.iter().take(20).position(|b| *b == b' ')?;
    let length = usize::try_from(decimal(&body[..blank])?).ok()?;
    // The length counts itself, the blank, the `=` and the newline.
    if length > body.len() || length < blank + 3 {
        return None;
    }
    let (record, rest) = body.split_at(length);
    let record = record[blank + 1..].strip_suffix(b"\n")?;
    let equals = record.iter().position(|b| *b == b'=')?;
    let (key, value) = (&record[..equals], &record[equals + 1..]);
    if key.is_empty() || key.contains(&0) {
        return None;
    }
    Some((key, value, rest))
}

/// An empty value takes an earlier record back.
fn set_xattr(
    xattrs: &mut BTreeMap<Vec<u8>, Vec<u8>>,
    name: Vec<u8>,
    value: Vec<u8>,
) -> Result<(), &'static str> {
    if name.is_empty() || name.contains(&0) {
        return Err("malformed PAX xattr name");
    }
    xattrs.insert(name, value);
    Ok(())
}

fn name(value: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
    if value.contains(&0) {
        return Err("NUL in a PAX path");
    }
    Ok((!value.is_empty()).then(|| value.to_vec()))
}

fn number(value: &[u8], problem: &'static str) -> Result<Option<u64>, &'static str> {
    if value.is_empty() {
        return Ok(None);
    }
    decimal(value).map(Some).ok_or(problem)
}

/// Digits alone: no sign, no blanks.
pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// `-1.5` is half a second before the last second of 1969.
fn time(value: &[u8]) -> Option<Mtime> {
    let (negative, value) = match value.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, value),
    };
    let point = value.iter().position(|b| *b == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&value[..at], &value[at + 1..]),
        None => (value, &[][..]),
    };
    let secs = i64::try_from(decimal(whole)?).ok()?;
    let mut nanos = 0;
    for index in 0..9 {
        let digit = fraction.get(index).copied().unwrap_or(b'0');
        nanos = nanos * 10 + u32::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(match (negative, nanos) {
        (false, _) => Mtime { secs, nanos },
        (true, 0) => Mtime { secs: -secs, nanos },
        (true, _) => Mtime { secs: -secs - 1, nanos: 1_000_000_000 - nanos },
    })
}

/// As PAX writes a time; the fraction without trailing zeros.
fn time_text(time: Mtime) -> String {
    let text = match (time.secs, time.nanos) {
        (secs, 0) => return secs.to_string(),
        (secs, nanos) if secs < 0 => {
            format!("-{}.{:09}", (secs + 1).unsigned_abs(), 1_000_000_000 - nanos)
        }
        (secs, nanos) => format!("{secs}.{nanos:09}"),
    };
    text.trim_end_matches('0').to_owned()
}

fn percent_decoded(name: &[u8]) -> Vec<u8> {
    let hex = |digit: Option<&u8>| digit.and_then(|d| char::from(*d).to_digit(16));
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, hex(tail.first()), hex(tail.get(1))) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = &tail[2..];
            }
            _ => decoded.push(*first),
        }
    }
    decoded
}

/// Collects the records of one entry; they come out sorted by key, as Go writes them.
#[derive(Debug, Default)]
pub(crate) struct Records(BTreeMap<Vec<u8>, Vec<u8>>);

impl Records {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn set(&mut self, key: &str, value: &[u8]) {
        self.0.insert(key.as_bytes().to_vec(), value.to_vec());
    }

    pub(crate) fn set_time(&mut self, time: Mtime) {
        self.set("mtime", time_text(time).as_bytes());
    }

    /// An extended attribute; `false` if PAX has no way to write its name.
    #[must_use]
    pub(crate) fn set_xattr(&mut self, name: &[u8], value: &[u8]) -> bool {
        if name.is_empty() || name.iter().any(|b| matches!(b, b'=' | 0)) {
            return false;
        }
        self.0.insert([SCHILY_XATTR, name].concat(), value.to_vec());
        true
    }

    /// The body of the PAX header.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for (key, value) in &self.0 {
            // The length counts its own digits.
            let fixed = key.len() + value.len() + 3;
            let mut length = fixed + fixed.to_string().len();
            length = fixed + length.to_string().len();
            body.extend_from_slice(length.to_string().as_bytes());
            body.push(b' ');
            body.extend_from_slice(key);
            body.push(b'=');
            body.extend_from_slice(value);
            body.push(b'\n');
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for length in (0..120).chain(980..1010) {
            let mut records = Records::default();
            records.set("path", &vec![b'p'; length + 1]);
            assert!(records.set_xattr(b"user.x", &vec![b'\n'; length]));
            records.set("uid", b"4000000000");
            records.set_time(Mtime { secs: -2, nanos: 500_000_000 });
            let pax = parse(&records.to_bytes()).unwrap();
            assert_eq!(pax.path.unwrap().len(), length + 1);
            assert_eq!(pax.xattrs[&b"user.x"[..]], vec![b'\n'; length]);
            assert_eq!(pax.uid, Some(4_000_000_000));
            assert_eq!(pax.mtime, Some(Mtime { secs: -2, nanos: 500_000_000 }));
        }
    }

    #[test]
    fn lengths_count_their_own_digits() {
        let mut records = Records::default();
        records.set("path", &[b'a'; 89]);
        assert!(records.to_bytes().starts_with(b"98 path="));
        records.set("path", &[b'a'; 90]);
        assert!(records.to_bytes().starts_with(b"99 path="));
        records.set("path", &[b'a'; 91]);
        assert!(records.to_bytes().starts_with(b"101 path="));
    }

    #[test]
    fn refuses_malformed_records() {
        for body in [
            &b"x"[..],
            b"6 a=b",
            b"7 a=b\n",
            b"5 a=b\n",
            b"+6 a=b\n",
            b"99999999999999999999 a=b\n",
            b"18446744073709551615 a=b\n",
            b"5 =b\n",
            b"4 a\n",
            b"9 path=\0\n",
            b"10 size=-1\n",
            b"11 uid=1e3\n",
            b"13 mtime=1.x\n",
            b"7 a\0=b\n",
            b"0 \n",
            b" a=b\n",
        ] {
            assert!(parse(body).is_err(), "{:?}", String::from_utf8_lossy(body));
        }
        assert_eq!(parse(b"").unwrap(), Pax::default());
        assert_eq!(parse(b"8 path=\n").unwrap().path, None);
    }

    #[test]
    fn times() {
        for (text, secs, nanos) in [
            ("1", 1, 0),
            ("1.5", 1, 500_000_000),
            ("1.123456789", 1, 123_456_789),
            ("1.1234567899", 1, 123_456_789),
            ("0.000000001", 0, 1),
            ("-1", -1, 0),
            ("-1.5", -2, 500_000_000),
            ("-0.5", -1, 500_000_000),
        ] {
            assert_eq!(time(text.as_bytes()), Some(Mtime { secs, nanos }), "{text}");
            if !text.ends_with("99") {
                assert_eq!(time_text(Mtime { secs, nanos }), text);
            }
        }
        assert_eq!(time(b"9223372036854775808"), None);
    }

    #[test]
    fn xattrs_of_libarchive() {
        let mut body = Vec::new();
        for line in ["LIBARCHIVE.xattr.user.a%3Db=aGk", "LIBARCHIVE.xattr.user.c=aGk="] {
            body.extend_from_slice(format!("{} {line}\n", line.len() + 4).as_bytes());
        }
        let pax = parse(&body).unwrap();
        assert_eq!(pax.xattrs[&b"user.a=b"[..]], b"hi");
        assert_eq!(pax.xattrs[&b"user.c"[..]], b"hi");
    }
}

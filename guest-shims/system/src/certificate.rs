//! Certificates and revocation lists in PEM, and the hash by which OpenSSL finds them.

use sha1::{Digest, Sha1};

use crate::der::{self, Reader, SEQUENCE, SET, UTF8};

/// What a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Certificate,
    RevocationList,
}

/// A certificate or list.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    /// The hash of the subject's name, of a list the issuer's.
    pub(crate) hash: u32,
    pub(crate) fingerprint: [u8; 20],
}

/// Everything in a file.
pub(crate) fn all(text: &[u8]) -> Option<Vec<Found>> {
    let mut found = Vec::new();
    let mut block: Option<(Kind, Vec<u8>)> = None;
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii();
        match line {
            b"-----BEGIN CERTIFICATE-----" | b"-----BEGIN X509 CERTIFICATE-----" => {
                block = Some((Kind::Certificate, Vec::new()));
            }
            b"-----BEGIN X509 CRL-----" => block = Some((Kind::RevocationList, Vec::new())),
            // It has more than the certificate behind it.
            b"-----BEGIN TRUSTED CERTIFICATE-----" => return None,
            _ if line.starts_with(b"-----END ") => {
                if let Some((kind, base64)) = block.take() {
                    found.push(read(kind, &decode(&base64)?)?);
                }
            }
            _ => {
                if let Some((_, base64)) = &mut block {
                    base64.extend_from_slice(line);
                }
            }
        }
    }
    Some(found)
}

fn decode(base64: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(base64.len() / 4 * 3);
    let (mut buffer, mut bits) = (0_u32, 0);
    for &byte in base64.iter().filter(|&&byte| byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        buffer = (buffer << 6 | u32::from(value)) & 0xff_ffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(buffer >> bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}

fn read(kind: Kind, bytes: &[u8]) -> Option<Found> {
    let whole = Reader(bytes).next()?.whole;
    let mut signed = Reader(whole).enter(SEQUENCE)?.enter(SEQUENCE)?;
    let name = match kind {
        Kind::Certificate => {
            // The version may be left out; serial number, algorithm, issuer, validity follow.
            if signed.0.first() == Some(&0xa0) {
                signed.next()?;
            }
            for _ in 0..4 {
                signed.next()?;
            }
            signed.enter(SEQUENCE)?
        }
        Kind::RevocationList => {
            if signed.0.first() == Some(&0x02) {
                signed.next()?;
            }
            signed.next()?;
            signed.enter(SEQUENCE)?
        }
    };
    let digest = Sha1::digest(canonical(name)?);
    let hash = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]);
    Some(Found { kind, hash, fingerprint: Sha1::digest(whole).into() })
}

/// A name in the form that OpenSSL hashes: its parts with texts in UTF-8, lower case, without
/// needless blanks.
fn canonical(mut name: Reader) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(part) = name.next() {
        if part.tag != SET {
            return None;
        }
        let mut set = Vec::new();
        let mut pairs = Reader(part.contents);
        while let Some(pair) = pairs.next() {
            let mut pair = Reader(pair.contents);
            let (kind, value) = (pair.next()?, pair.next()?);
            let value = match text(value.tag, value.contents) {
                Some(text) => der::encode(UTF8, &plain(&text)),
                None => value.whole.to_vec(),
            };
            set.extend(der::encode(SEQUENCE, &[kind.whole, &value].concat()));
        }
        all.extend(der::encode(SET, &set));
    }
    Some(all)
}

/// A value as UTF-8, when it is a text.
fn text(tag: u8, contents: &[u8]) -> Option<Vec<u8>> {
    let wide = |width: usize| {
        let letters = contents.chunks_exact(width).map(|letter| {
            let code = letter.iter().fold(0_u32, |code, &byte| code << 8 | u32::from(byte));
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
        });
        letters.collect::<String>().into_bytes()
    };
    match tag {
        UTF8 => Some(contents.to_vec()),
        // PrintableString, T61String, IA5String, VisibleString: bytes are Latin-1.
        0x13 | 0x14 | 0x16 | 0x1a => Some(wide(1)),
        0x1c => Some(wide(4)),
        0x1e => Some(wide(2)),
        _ => None,
    }
}

fn plain(text: &[u8]) -> Vec<u8> {
    let mut plain: Vec<u8> = Vec::with_capacity(text.len());
    for &byte in text {
        if !matches!(byte, b' ' | 9..=13) {
            plain.push(byte.to_ascii_lowercase());
        } else if plain.last().is_some_and(|&last| last != b' ') {
            plain.push(b' ');
        }
    }
    plain.pop_if(|last| *last == b' ');
    plain
}

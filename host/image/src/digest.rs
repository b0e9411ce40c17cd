//! Content digests: `sha256:<hex>`, and the readers and writers that compute them on the way.
//!
//! What kiln writes is named by SHA-256. SHA-512 is read, because the image spec registers it.
//! Source: OCI image-spec `descriptor.md`, section Digests.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// A registered digest algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, 32 bytes: what kiln writes.
    Sha256,
    /// SHA-512, 64 bytes: only read.
    Sha512,
}

impl Algorithm {
    /// The name before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// The length of a digest in bytes.
    const fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// There is no `algorithm:` in front.
    #[error("digest `{0}` has no algorithm: write `sha256:` and 64 hexadecimal digits")]
    NoAlgorithm(String),
    /// The algorithm is not one of [`Algorithm`].
    #[error("digest algorithm `{0}` is not supported: only sha256 and sha512 are")]
    UnknownAlgorithm(String),
    /// The digits are too few, too many, or not lower-case hexadecimal.
    #[error("digest `{text}` needs exactly {wanted} lower-case hexadecimal digits after the colon")]
    Digits {
        /// The digest as given, shortened.
        text: String,
        /// How many digits its algorithm has.
        wanted: usize,
    },
}

/// The digest of some content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    /// The digest, padded with zeros to the longest algorithm's length.
    bytes: [u8; 64],
}

impl Digest {
    /// The SHA-256 digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(content);
        hasher.finish()
    }

    /// A SHA-256 digest from its 32 bytes.
    pub fn from_sha256(raw: [u8; 32]) -> Self {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&raw);
        Self { algorithm: Algorithm::Sha256, bytes }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw bytes: 32 for SHA-256, 64 for SHA-512.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.len()]
    }

    /// The lower-case hexadecimal digits, without the algorithm.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = String::with_capacity(self.algorithm.len() * 2);
        for byte in self.as_bytes() {
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        text
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        // An error message must not carry a megabyte of somebody's JSON.
        let shown = || text.chars().take(160).collect::<String>();
        let (algorithm, digits) =
            text.split_once(':').ok_or_else(|| DigestError::NoAlgorithm(shown()))?;
        let algorithm = match algorithm {
            "sha256" => Algorithm::Sha256,
            "sha512" => Algorithm::Sha512,
            other => {
                return Err(DigestError::UnknownAlgorithm(other.chars().take(40).collect()));
            }
        };
        let wanted = algorithm.len() * 2;
        let wrong = || DigestError::Digits { text: shown(), wanted };
        if digits.len() != wanted {
            return Err(wrong());
        }
        let mut bytes = [0; 64];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let high = nibble(pair[0]).ok_or_else(wrong)?;
            let low = nibble(pair[1]).ok_or_else(wrong)?;
            *byte = high << 4 | low;
        }
        Ok(Self { algorithm, bytes })
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Computes a [`Digest`] of what it is fed.
#[derive(Clone)]
pub struct Hasher(State);

#[derive(Clone)]
enum State {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Hasher {
    /// A hasher for SHA-256.
    pub fn new() -> Self {
        Self::with(Algorithm::Sha256)
    }

    /// A hasher for `algorithm`.
    pub fn with(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
        })
    }

    /// Adds `content`.
    pub fn update(&mut self, content: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(content),
            State::Sha512(state) => state.update(content),
        }
    }

    /// The digest of everything added.
    pub fn finish(self) -> Digest {
        let mut bytes = [0; 64];
        let algorithm = match self.0 {
            State::Sha256(state) => {
                bytes[..32].copy_from_slice(&state.finalize());
                Algorithm::Sha256
            }
            State::Sha512(state) => {
                bytes.copy_from_slice(&state.finalize());
                Algorithm::Sha512
            }
        };
        Digest { algorithm, bytes }
    }
}

/// A writer that passes everything on and computes its SHA-256 digest.
#[derive(Debug)]
pub struct DigestWriter<W> {
    inner: W,
    hasher: Hasher,
    size: u64,
}

impl<W> DigestWriter<W> {
    /// Digests what is written to `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: Hasher::new(), size: 0 }
    }

    /// The inner writer, the digest and the size in bytes of what was written.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, self.hasher.finish(), self.size)
    }
}

impl<W: Write> Write for DigestWriter<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.hasher.update(&buffer[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// A reader that passes everything on and computes its digest.
#[derive(Debug)]
pub struct DigestReader<R> {
    inner: R,
    hasher: Hasher,
    size: u64,
}

impl<R> DigestReader<R> {
    /// Digests, with SHA-256, what is read from `inner`.
    pub fn new(inner: R) -> Self {
        Self::with(inner, Algorithm::Sha256)
    }

    /// Digests, with `algorithm`, what is read from `inner`.
    pub fn with(inner: R, algorithm: Algorithm) -> Self {
        Self { inner, hasher: Hasher::with(algorithm), size: 0 }
    }

    /// The inner reader, the digest and the size in bytes of what was read so far.
    pub fn finish(self) -> (R, Digest, u64) {
        (self.inner, self.hasher.finish(), self.size)
    }
}

impl<R: Read> Read for DigestReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.size += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn of_content() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(Digest::of(b""), EMPTY.parse().unwrap());
        let mut hasher = Hasher::with(Algorithm::Sha512);
        hasher.update(b"abc");
        assert!(hasher.finish().to_string().starts_with("sha512:ddaf35a193617aba"));
    }

    #[test]
    fn refuses_what_is_no_digest() {
        let long = format!("sha256:{}", "0".repeat(65));
        let upper = EMPTY.to_uppercase().replace("SHA256", "sha256");
        for (text, wanted) in [
            ("", "has no algorithm"),
            ("e3b0c442", "has no algorithm"),
            ("sha256:", "64 lower-case"),
            ("sha256:abc", "64 lower-case"),
            ("md5:abc", "`md5` is not supported"),
            ("sha256:../../../../etc/passwd", "64 lower-case"),
            (&long, "64 lower-case"),
            (&upper, "64 lower-case"),
            (&format!("sha256:{}é", "0".repeat(62)), "64 lower-case"),
        ] {
            let error = text.parse::<Digest>().unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }

    #[test]
    fn reader_and_writer_agree() {
        let content = vec![7_u8; 100_000];
        let mut writer = DigestWriter::new(Vec::new());
        let mut reader = DigestReader::new(content.as_slice());
        io::copy(&mut reader, &mut writer).unwrap();
        let (_, read, read_size) = reader.finish();
        let (copy, written, written_size) = writer.finish();
        assert_eq!(copy, content);
        assert_eq!((read, read_size), (written, written_size));
        assert_eq!(read, Digest::of(&content));
    }

    #[test]
    fn json() {
        let digest: Digest = serde_json::from_str(&format!("\"{EMPTY}\"")).unwrap();
        assert_eq!(serde_json::to_string(&digest).unwrap(), format!("\"{EMPTY}\""));
        assert!(serde_json::from_str::<Digest>("\"sha256:zz\"").is_err());
    }
}

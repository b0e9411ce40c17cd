//! Path buffers of fixed size: a signal handler cannot allocate.

use crate::errno::{Errno, Result};

/// `PATH_MAX`: the longest path a system call takes, with its final NUL.
pub const PATH_MAX: usize = 4096;

/// A path on its way into the kernel: bytes that end with a NUL.
#[derive(Clone, Copy, Debug)]
pub struct CPath<'a>(&'a [u8]);

impl<'a> CPath<'a> {
    /// The empty path.
    pub const EMPTY: CPath<'static> = CPath(b"\0");
    /// `.`
    pub const DOT: CPath<'static> = CPath(b".\0");

    /// These bytes, of which the last must be NUL.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.ends_with(&[0]).then_some(Self(bytes))
    }

    /// The bytes without the NUL.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.0.split_last().map_or(&[], |(_, bytes)| bytes)
    }

    /// The bytes with the NUL.
    #[must_use]
    pub const fn with_nul(self) -> &'a [u8] {
        self.0
    }
}

/// A path being built, always followed by a NUL. Absolute guest paths, host paths and symlink
/// targets all live in these.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct PathBuf {
    len: usize,
    bytes: [u8; PATH_MAX],
}

impl Default for PathBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl PathBuf {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        Self { len: 0, bytes: [0; PATH_MAX] }
    }

    /// The path without its NUL.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The path for the kernel.
    #[must_use]
    pub fn c(&self) -> CPath<'_> {
        self.from(0)
    }

    /// The path's tail from `start` for the kernel; `.` when nothing is left.
    #[must_use]
    pub fn tail(&self, start: usize) -> CPath<'_> {
        if start >= self.len { CPath::DOT } else { self.from(start) }
    }

    fn from(&self, start: usize) -> CPath<'_> {
        self.bytes.get(start..=self.len).and_then(CPath::new).unwrap_or(CPath::EMPTY)
    }

    /// Makes it empty.
    pub fn clear(&mut self) {
        self.truncate(0);
    }

    /// Keeps the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.len = len.min(self.len);
        if let Some(end) = self.bytes.get_mut(self.len) {
            *end = 0;
        }
    }

    /// Becomes `bytes`.
    ///
    /// # Errors
    /// `ENAMETOOLONG` beyond [`PATH_MAX`].
    pub fn set(&mut self, bytes: &[u8]) -> Result<()> {
        self.len = 0;
        self.push(bytes)
    }

    /// Appends.
    ///
    /// # Errors
    /// `ENAMETOOLONG` beyond [`PATH_MAX`].
    pub fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.len + bytes.len();
        if end >= PATH_MAX {
            return Err(Errno::NAMETOOLONG);
        }
        self.bytes.get_mut(self.len..end).ok_or(Errno::NAMETOOLONG)?.copy_from_slice(bytes);
        self.len = end;
        self.truncate(end);
        Ok(())
    }

    /// Appends a number in decimal.
    ///
    /// # Errors
    /// `ENAMETOOLONG` beyond [`PATH_MAX`].
    pub fn push_number(&mut self, number: u32) -> Result<()> {
        let mut digits = [0; 10];
        self.push(decimal(number, &mut digits))
    }

    /// Drops the last component of an absolute path: `/a/b` becomes `/a`, `/a` becomes empty.
    pub fn pop(&mut self) {
        let cut = self.bytes().iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        self.truncate(cut);
    }

    /// All of the buffer, to be filled by a system call; [`PathBuf::filled`] says how far.
    pub fn space(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..PATH_MAX - 1).unwrap_or(&mut [])
    }

    /// As [`PathBuf::space`], with room for a NUL that is written with the longest path.
    pub fn space_with_nul(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// `len` bytes of [`PathBuf::space`] were written.
    pub fn filled(&mut self, len: usize) {
        self.len = len.min(PATH_MAX - 1);
        self.truncate(self.len);
    }
}

/// The decimal digits of a number.
#[must_use]
pub fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut start = digits.len();
    loop {
        start -= 1;
        if let Some(digit) = digits.get_mut(start) {
            let value = (number % 10) as u8;
            *digit = b'0' + value;
        }
        number /= 10;
        if number == 0 || start == 0 {
            return digits.get(start..).unwrap_or(&[]);
        }
    }
}

/// What is still to be resolved of a path: a buffer that grows at its front, as symlinks are met.
#[derive(Clone, Debug)]
pub struct Rest {
    start: usize,
    bytes: [u8; 2 * PATH_MAX],
}

impl Default for Rest {
    fn default() -> Self {
        Self::new()
    }
}

impl Rest {
    /// Nothing left.
    #[must_use]
    pub const fn new() -> Self {
        Self { start: 2 * PATH_MAX, bytes: [0; 2 * PATH_MAX] }
    }

    /// Becomes `path`.
    ///
    /// # Errors
    /// `ENAMETOOLONG` when it does not fit.
    pub fn set(&mut self, path: &[u8]) -> Result<()> {
        self.start = self.bytes.len();
        self.prepend(path)
    }

    /// Puts a symlink's target before what is left.
    ///
    /// # Errors
    /// `ENAMETOOLONG` when it does not fit.
    pub fn prepend(&mut self, target: &[u8]) -> Result<()> {
        let joint = usize::from(self.start < self.bytes.len());
        let start = self.start.checked_sub(target.len() + joint).ok_or(Errno::NAMETOOLONG)?;
        let hole = self.bytes.get_mut(start..self.start).ok_or(Errno::NAMETOOLONG)?;
        let (head, tail) = hole.split_at_mut(target.len());
        head.copy_from_slice(target);
        tail.fill(b'/');
        self.start = start;
        Ok(())
    }

    /// Whether only slashes are left, or nothing.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left().iter().all(|&byte| byte == b'/')
    }

    /// Whether one component is left.
    #[must_use]
    pub fn is_last(&self) -> bool {
        let mut components =
            self.left().split(|&byte| byte == b'/').filter(|name| !name.is_empty());
        components.next().is_some() && components.next().is_none()
    }

    /// Whether what is left begins with a slash, before [`Rest::take`] skips it.
    #[must_use]
    pub fn starts_with_slash(&self) -> bool {
        self.left().first() == Some(&b'/')
    }

    fn left(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or(&[])
    }

    /// Takes the next component, `None` at the end.
    pub fn take(&mut self) -> Option<&[u8]> {
        let skip = self.left().iter().take_while(|&&byte| byte == b'/').count();
        self.start += skip;
        let len = self.left().iter().take_while(|&&byte| byte != b'/').count();
        let start = self.start;
        self.start += len;
        (len > 0).then(|| self.bytes.get(start..start + len).unwrap_or(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_grow_and_shrink() {
        let mut path = PathBuf::new();
        path.set(b"/a/b").unwrap();
        path.push(b"/").unwrap();
        path.push_number(1207).unwrap();
        assert_eq!(path.c().with_nul(), b"/a/b/1207\0");
        path.pop();
        assert_eq!(path.bytes(), b"/a/b");
        assert_eq!(path.tail(3).bytes(), b"b");
        assert_eq!(path.tail(4).bytes(), b".");
        path.pop();
        path.pop();
        assert_eq!(path.c().with_nul(), b"\0");
        assert_eq!(path.push(&[b'x'; PATH_MAX]), Err(Errno::NAMETOOLONG));
    }

    #[test]
    fn what_is_left_of_a_path() {
        let mut rest = Rest::new();
        rest.set(b"//usr/./bin//").unwrap();
        assert_eq!(rest.take().unwrap(), b"usr");
        rest.prepend(b"/x/y").unwrap();
        let all: Vec<Vec<u8>> = std::iter::from_fn(|| rest.take().map(<[u8]>::to_vec)).collect();
        assert_eq!(all, [b"x".to_vec(), b"y".to_vec(), b".".to_vec(), b"bin".to_vec()]);
        assert!(rest.is_done());
        assert_eq!(rest.prepend(&[b'a'; 3 * PATH_MAX]), Err(Errno::NAMETOOLONG));
    }
}

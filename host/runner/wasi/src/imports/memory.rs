//! Checked access to a guest's memory: addresses and lengths come from the guest.

use super::Fault;
use kiln_guest_abi::wire::errno;

/// A guest's memory for the length of one import.
#[derive(Debug)]
pub(crate) struct Memory<'a>(pub(crate) &'a mut [u8]);

/// Buffers of one `fd_read` or `fd_write`; Linux's `IOV_MAX`.
const MAX_VECTORS: u32 = 1024;

impl Memory<'_> {
    /// The bytes at `at`.
    pub(crate) fn slice(&self, at: u32, len: u32) -> Result<&[u8], Fault> {
        let start = at as usize;
        let end = start.checked_add(len as usize).ok_or(Fault::Errno(errno::EFAULT))?;
        self.0.get(start..end).ok_or(Fault::Errno(errno::EFAULT))
    }

    /// The bytes at `at`, to write to.
    pub(crate) fn slice_mut(&mut self, at: u32, len: u32) -> Result<&mut [u8], Fault> {
        let start = at as usize;
        let end = start.checked_add(len as usize).ok_or(Fault::Errno(errno::EFAULT))?;
        self.0.get_mut(start..end).ok_or(Fault::Errno(errno::EFAULT))
    }

    /// Writes `bytes` at `at`.
    pub(crate) fn put(&mut self, at: u32, bytes: &[u8]) -> Result<(), Fault> {
        let len = u32::try_from(bytes.len()).map_err(|_| Fault::Errno(errno::EFAULT))?;
        self.slice_mut(at, len)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Writes a number at `at`.
    pub(crate) fn put_u32(&mut self, at: u32, value: u32) -> Result<(), Fault> {
        self.put(at, &value.to_le_bytes())
    }

    /// Writes a number at `at`.
    pub(crate) fn put_u64(&mut self, at: u32, value: u64) -> Result<(), Fault> {
        self.put(at, &value.to_le_bytes())
    }

    /// The number at `at`.
    pub(crate) fn get_u32(&self, at: u32) -> Result<u32, Fault> {
        let bytes = self.slice(at, 4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// The (address, length) pairs of an `iovec` array.
    pub(crate) fn vectors(&self, at: u32, count: u32) -> Result<Vec<(u32, u32)>, Fault> {
        if count > MAX_VECTORS {
            return Err(Fault::Errno(errno::EINVAL));
        }
        (0..count)
            .map(|n| {
                let base = at.checked_add(n * 8).ok_or(Fault::Errno(errno::EFAULT))?;
                let second = base.checked_add(4).ok_or(Fault::Errno(errno::EFAULT))?;
                Ok((self.get_u32(base)?, self.get_u32(second)?))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_is_reached() {
        let mut bytes = [0; 16];
        let mut memory = Memory(&mut bytes);
        for (at, len) in
            [(0, 17), (16, 1), (17, 0), (u32::MAX, 1), (1, u32::MAX), (u32::MAX, u32::MAX)]
        {
            assert!(
                matches!(memory.slice(at, len), Err(Fault::Errno(errno::EFAULT))),
                "{at} {len}"
            );
            assert!(memory.slice_mut(at, len).is_err(), "{at} {len}");
        }
        assert_eq!(memory.slice(16, 0).unwrap(), b"");
        assert!(memory.put_u32(13, 1).is_err());
        memory.put_u32(12, 7).unwrap();
        assert_eq!(memory.get_u32(12).unwrap(), 7);
        assert!(memory.vectors(0, 1025).is_err());
        assert!(memory.vectors(12, 1).is_err());
        assert!(memory.vectors(u32::MAX - 3, 1).is_err());
    }
}

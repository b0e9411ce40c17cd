//! Real, effective, saved and file system ids, and the calls that set them.

use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::SAME;
use crate::errno::{Errno, Result};

const REAL: usize = 0;
const EFFECTIVE: usize = 1;
pub(super) const SAVED: usize = 2;
const FILE_SYSTEM: usize = 3;

/// One kind of id: real, effective, saved and file system.
#[derive(Debug)]
pub struct Ids(pub(super) [AtomicU32; 4]);

impl Ids {
    pub(super) const fn new() -> Self {
        Self([const { AtomicU32::new(0) }; 4])
    }

    pub(super) fn copy(&self, from: &Self) {
        for (to, from) in self.0.iter().zip(&from.0) {
            to.store(from.load(Relaxed), Relaxed);
        }
    }

    fn get(&self, which: usize) -> u32 {
        self.0.get(which).map_or(0, |id| id.load(Relaxed))
    }

    pub(super) fn put(&self, which: usize, value: u32) {
        if let Some(id) = self.0.get(which) {
            id.store(value, Relaxed);
        }
    }

    /// The real id.
    pub fn real(&self) -> u32 {
        self.get(REAL)
    }

    /// The effective id.
    pub fn effective(&self) -> u32 {
        self.get(EFFECTIVE)
    }

    /// The saved id.
    pub fn saved(&self) -> u32 {
        self.get(SAVED)
    }

    /// The id for access to files.
    pub fn fs(&self) -> u32 {
        self.get(FILE_SYSTEM)
    }

    fn is_one_of_mine(&self, id: u32) -> bool {
        id == self.real() || id == self.effective() || id == self.saved()
    }

    pub(super) fn set_all(&self, real: u32, effective: u32, saved: u32) {
        if real != SAME {
            self.put(REAL, real);
        }
        if saved != SAME {
            self.put(SAVED, saved);
        }
        if effective != SAME {
            self.put(EFFECTIVE, effective);
        }
        self.put(FILE_SYSTEM, self.effective());
    }

    /// setuid(2), setgid(2)
    pub(super) fn set(&self, id: u32, privileged: bool) -> Result<()> {
        match id {
            SAME => Err(Errno::INVAL),
            _ if privileged => {
                self.set_all(id, id, id);
                Ok(())
            }
            _ if id == self.real() || id == self.saved() => {
                self.set_all(SAME, id, SAME);
                Ok(())
            }
            _ => Err(Errno::PERM),
        }
    }

    /// setreuid(2), setregid(2)
    pub(super) fn set_real_effective(
        &self,
        real: u32,
        effective: u32,
        privileged: bool,
    ) -> Result<()> {
        if !privileged {
            let real_ok = real == SAME || real == self.real() || real == self.effective();
            let effective_ok = effective == SAME || self.is_one_of_mine(effective);
            if !real_ok || !effective_ok {
                return Err(Errno::PERM);
            }
        }
        let changes_saved = real != SAME || (effective != SAME && effective != self.real());
        let new_effective = if effective == SAME { self.effective() } else { effective };
        self.set_all(real, effective, if changes_saved { new_effective } else { SAME });
        Ok(())
    }

    /// setresuid(2), setresgid(2)
    pub(super) fn set_three(&self, ids: [u32; 3], privileged: bool) -> Result<()> {
        if !privileged && !ids.iter().all(|&id| id == SAME || self.is_one_of_mine(id)) {
            return Err(Errno::PERM);
        }
        let [real, effective, saved] = ids;
        self.set_all(real, effective, saved);
        Ok(())
    }

    /// setfsuid(2), setfsgid(2): the previous value, whatever happens
    pub(super) fn set_fs(&self, id: u32, privileged: bool) -> u32 {
        let before = self.fs();
        if id != SAME && (privileged || id == before || self.is_one_of_mine(id)) {
            self.put(FILE_SYSTEM, id);
        }
        before
    }
}

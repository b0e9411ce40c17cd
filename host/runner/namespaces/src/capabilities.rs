//! Which capabilities a step's root has.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

/// Docker's default set: what package managers and their scripts expect of root.
///
/// `MKNOD` makes nothing usable: everything that a step can write to is mounted `nodev`.
pub(crate) const STEP: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::AUDIT_WRITE);

/// What kiln itself must have for this runner.
pub(crate) const NEEDED: CapabilitySet = CapabilitySet::SYS_ADMIN
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP);

/// Takes from the calling thread, for good, every capability that a step never has.
///
/// Needs `SETPCAP`; call it while still root, before the change of user.
///
/// # Errors
/// What prctl(2) says.
pub(crate) fn bound() -> Result<(), Errno> {
    // The kernel may know capabilities that this table does not: ask until it knows no more.
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if STEP.contains(capability) {
            continue;
        }
        match remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(errno),
        }
    }
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Sets what the process may do right now: the step's set for root, nothing for others.
///
/// Call it after [`bound`] and the change of user.
///
/// # Errors
/// What capset(2) says.
pub(crate) fn apply(root: bool) -> Result<(), Errno> {
    let now = rustix::thread::capabilities(None)?;
    let held = if root { now.permitted & STEP } else { CapabilitySet::empty() };
    set_capabilities(
        None,
        CapabilitySets { effective: held, permitted: held, inheritable: CapabilitySet::empty() },
    )
}

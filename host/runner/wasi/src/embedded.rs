//! The guests that the binary carries.

#![expect(unsafe_code, reason = "loading native code cannot be checked by the compiler")]

use kiln_guest_pack::Guest;
use wasmtime::{Engine, Module};

/// The guests, as `kiln-guest-pack` left them when this crate was compiled; empty when it was not
/// run.
pub(crate) const GUESTS: &[Guest] = include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// Loads a guest's object into an engine made with [`kiln_guest_pack::config`].
///
/// # Errors
/// The object was made for another engine version or other settings.
pub(crate) fn load(engine: &Engine, guest: &Guest) -> wasmtime::Result<Module> {
    // SAFETY: the object is part of this binary, put there by the build from the output of
    // `Engine::precompile_module`; nobody who cannot change the binary can change it. Its hash is
    // compared with the packer's in this crate's tests, and wasmtime refuses objects of other
    // versions and settings.
    unsafe { Module::deserialize(engine, guest.object) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn objects_are_what_the_packer_made() {
        for guest in GUESTS {
            assert_eq!(
                guest.sha256,
                <[u8; 32]>::from(Sha256::digest(guest.object)),
                "{}",
                guest.name
            );
        }
    }
}

//! Finds the packed guests, if `kiln-guest-pack` was run, for the crate to embed.

use std::path::Path;
use std::{env, fs, io};

#[expect(clippy::disallowed_methods, reason = "cargo tells build scripts where to write this way")]
fn main() -> io::Result<()> {
    // Asked when it runs: a build script copied with its target directory knows another place.
    let here = env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| io::Error::other("no cargo"))?;
    let packed = Path::new(&here).join("../../../target/guests/packed");
    let index = packed.join("guests.rs");
    println!("cargo:rerun-if-changed={}", packed.display());
    let text = fs::read_to_string(&index).unwrap_or_else(|_| "&[]\n".into());
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("OUT_DIR is not set"))?;
    fs::write(Path::new(&out).join("guests.rs"), text)
}

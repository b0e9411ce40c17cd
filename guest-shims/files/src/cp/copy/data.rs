//! The bytes of a file.

use std::{
    fs::File,
    io::{self, Read, Write},
};

use shim::BLOCK;

/// Copies all that is left of one file to another.
pub(crate) fn copy_contents(from: &mut File, to: &mut File) -> io::Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        let len = match from.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(&block[..len])?;
    }
}

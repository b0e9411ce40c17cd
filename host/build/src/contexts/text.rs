//! Dockerfiles and ignore files.

use std::io::Read;

use kiln_rootfs::FileType;
use kiln_rootfs::copy::Source;

use crate::error::{BuildError, Context, ErrorKind, Result};

/// A Dockerfile or an ignore file longer than this is not one: it is held in memory.
const MAX_TEXT: u64 = 16 << 20;

/// Reads a text to its end.
pub(super) fn read(stream: impl Read, name: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    stream
        .take(MAX_TEXT + 1)
        .read_to_end(&mut bytes)
        .context(ErrorKind::Input, || format!("read {name}"))?;
    if bytes.len() as u64 > MAX_TEXT {
        return Err(BuildError::input(format!("{name} is longer than {MAX_TEXT} bytes")));
    }
    Ok(bytes)
}

/// Reads a text of a tree, symlinks followed inside it; `None` when it is not there.
pub(super) fn read_inside(files: &dyn Source, path: &str) -> Result<Option<Vec<u8>>> {
    let what = || format!("read {path} of the context");
    let found = files.canonicalize(path.as_bytes()).and_then(|at| Ok((files.metadata(&at)?, at)));
    let (metadata, at) = match found {
        Ok(found) => found,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error).context(ErrorKind::Input, what),
    };
    if metadata.file_type != FileType::File {
        return Err(BuildError::input(format!("{path} of the context is no file")));
    }
    read(files.open(&at).context(ErrorKind::Input, what)?, path).map(Some)
}

//! ADD of a local archive: its content instead of itself.

use kiln_rootfs::Rootfs;
use kiln_rootfs::changes::ChangeSet;
use kiln_rootfs::copy::{self as engine, CopyOptions, Source};

use crate::archive::{self, Sniffed};
use crate::engine::Engine;
use crate::error::{Context, ErrorKind, Result};

/// Unpacks a file when it is a tar archive, plain or compressed; says whether it was one.
///
/// The archive goes into a root file system of its own first: what it says about paths, links and
/// whiteouts cannot reach the image, and the copy from there merges as COPY does.
pub(super) fn unpack(
    cx: &Engine<'_>,
    source: &dyn Source,
    from: &[u8],
    rootfs: &Rootfs,
    dest: &[u8],
    options: &CopyOptions<'_>,
    changes: &mut ChangeSet,
) -> Result<bool> {
    let name = String::from_utf8_lossy(from).into_owned();
    let what = || format!("ADD {name}");
    let from = source.canonicalize(from).context(ErrorKind::Input, what)?;
    let read = || -> std::io::Result<_> {
        Sniffed::new(source.open(&from).map_err(std::io::Error::other)?)
    };
    let sniffed = read().context(ErrorKind::Input, what)?;
    if !sniffed.is_archive()
        || !archive::has_entries(sniffed.decompressed().context(ErrorKind::Input, what)?)
    {
        return Ok(false);
    }
    let unpacked = cx.scratch.new_rootfs()?;
    let mut tar = read().and_then(Sniffed::decompressed).context(ErrorKind::Input, what)?;
    archive::unpack(&unpacked, &mut tar).context(ErrorKind::Input, what)?;
    let into =
        engine::make_directory(rootfs, dest, options, changes).context(ErrorKind::Failed, what)?;
    engine::copy(&unpacked, b"/", rootfs, &into, options, changes)
        .context(ErrorKind::Failed, what)?;
    // What cannot be removed now goes with the build's directory.
    let _later = unpacked.remove();
    Ok(true)
}

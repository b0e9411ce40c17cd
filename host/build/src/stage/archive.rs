//! ADD of a local archive: its content instead of itself.

use kiln_rootfs::Rootfs;
use kiln_rootfs::changes::ChangeSet;
use kiln_rootfs::copy::{self as engine, CopyOptions, Source};

use crate::archive::{self, Sniffed};
use crate::error::{Context, ErrorKind, Result};

/// Unpacks a file when it is a tar archive, plain or compressed; says whether it was one.
///
/// It is unpacked in place, as BuildKit does it: entries may go through symlinks of the image and
/// replace its files, and `--chmod` and `--exclude` say nothing of them.
pub(super) fn unpack(
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
    let into =
        engine::make_directory(rootfs, dest, options, changes).context(ErrorKind::Failed, what)?;
    let mut tar = read().and_then(Sniffed::decompressed).context(ErrorKind::Input, what)?;
    archive::add(rootfs, &into, &mut tar, options.owner, changes)
        .context(ErrorKind::Input, what)?;
    Ok(true)
}

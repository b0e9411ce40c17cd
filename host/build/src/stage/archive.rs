//! ADD of a local archive: its content instead of itself.

use std::io::{BufReader, Read};

use kiln_image::layer::read::LayerReader;
use kiln_rootfs::changes::ChangeSet;
use kiln_rootfs::copy::{self as engine, CopyOptions, Source};
use kiln_rootfs::{Rootfs, unpack as layers};

use crate::engine::Engine;
use crate::error::{Context, ErrorKind, Result};

/// Bytes that tell the formats apart.
const MAGIC: usize = 6;

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
    let is_archive =
        LayerReader::new(open(source, &from)?).next_entry().is_ok_and(|entry| entry.is_some());
    if !is_archive {
        return Ok(false);
    }
    let dir = cx.scratch.new_dir()?;
    let unpacked = Rootfs::create(&dir)
        .context(ErrorKind::Environment, || format!("create {}", dir.display()))?;
    let mut tar = open(source, &from)?;
    layers::unpack_layer(&unpacked, &mut tar, &layers::Limits::default())
        .context(ErrorKind::Input, what)?;
    let into =
        engine::make_directory(rootfs, dest, options, changes).context(ErrorKind::Failed, what)?;
    engine::copy(&unpacked, b"/", rootfs, &into, options, changes)
        .context(ErrorKind::Failed, what)?;
    // What cannot be removed now goes with the build's directory.
    let _later = unpacked.remove();
    Ok(true)
}

/// The content of a file, decompressed when it starts like something compressed.
fn open(source: &dyn Source, from: &[u8]) -> Result<Box<dyn Read>> {
    let what = || format!("read {}", String::from_utf8_lossy(from));
    let mut file = source.open(from).context(ErrorKind::Input, what)?;
    let mut start = Vec::with_capacity(MAGIC);
    file.by_ref().take(MAGIC as u64).read_to_end(&mut start).context(ErrorKind::Input, what)?;
    let magic = start.clone();
    let whole = BufReader::new(std::io::Cursor::new(start).chain(file));
    Ok(match magic.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        [b'B', b'Z', b'h', ..] => Box::new(bzip2::bufread::MultiBzDecoder::new(whole)),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Box::new(lzma_rust2::XzReader::new(whole, true)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            Box::new(zstd::Decoder::with_buffer(whole).context(ErrorKind::Input, what)?)
        }
        _ => Box::new(whole),
    })
}

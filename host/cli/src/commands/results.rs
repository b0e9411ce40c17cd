//! The files that a build leaves besides its image, and where results may go at all.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use kiln_build::{BuildError, Built, Destination, Output, Result};

use crate::args::BuildArgs;
use crate::within;

/// Refuses results that a symlink of the context would lead elsewhere: whoever wrote the context
/// would choose which of the user's files they replace.
pub(super) fn check_places(args: &BuildArgs, outputs: &[Output]) -> Result<()> {
    let context = Path::new(&args.context);
    if !context.is_dir() {
        return Ok(());
    }
    let outputs = outputs.iter().filter_map(|output| match output {
        Output::OciLayout(path)
        | Output::Local(path)
        | Output::OciArchive(Destination::File(path))
        | Output::DockerArchive(Destination::File(path))
        | Output::Tar(Destination::File(path)) => Some(path),
        _ => None,
    });
    for place in outputs.chain(&args.iidfile).chain(&args.metadata_file) {
        if let Some(link) = within::link_on_the_way(context, place) {
            let (place, link) = (place.display(), link.display());
            return Err(BuildError::input(format!(
                "{place} leads through {link}, a symbolic link of the build context"
            ))
            .with_hint("name the place that it leads to, if that is where the result should go"));
        }
    }
    Ok(())
}

/// Writes what `--iidfile` and `--metadata-file` name.
pub(super) fn write(args: &BuildArgs, built: &Built) -> anyhow::Result<()> {
    if let Some(file) = &args.iidfile {
        write_file(file, built.config_digest.to_string().as_bytes())?;
    }
    if let Some(file) = &args.metadata_file {
        write_file(file, &metadata(built)?)?;
    }
    Ok(())
}

/// The result's digests and names, with buildx's keys.
fn metadata(built: &Built) -> anyhow::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(&serde_json::json!({
        "containerimage.config.digest": built.config_digest.to_string(),
        "containerimage.descriptor": {
            "mediaType": built.media_type,
            "digest": built.digest.to_string(),
            "size": built.size,
        },
        "containerimage.digest": built.digest.to_string(),
        "image.name": built.names.join(","),
    }))?;
    text.push(b'\n');
    Ok(text)
}

/// Writes a result file whole or not at all.
fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let what = || format!("write {}", path.display());
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    // A name that nobody can guess: one that is there already could be a symlink.
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666))
        .tempfile_in(directory.unwrap_or(Path::new(".")))
        .with_context(what)?;
    file.write_all(bytes).with_context(what)?;
    file.persist(path).map(drop).map_err(|error| error.error).with_context(what)
}

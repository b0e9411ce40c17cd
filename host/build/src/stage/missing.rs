//! Sources of COPY and ADD that are not there.

use kiln_dockerfile::suggest;
use kiln_rootfs::RootfsError;
use kiln_rootfs::copy::Source;

use super::workdir::absolute;
use crate::error::BuildError;

/// The error for a path that cannot be looked at; one that is not there names the near miss.
pub(super) fn not_found(source: &dyn Source, written: &str, error: RootfsError) -> BuildError {
    if !error.is_not_found() {
        return BuildError::input(format!("\"{written}\"")).with_source(error);
    }
    let hint = match near(source, written) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "the path is looked for in the source's root; .dockerignore may hide it".to_owned(),
    };
    BuildError::input(format!("\"{written}\": not found")).with_focus(written).with_hint(hint)
}

/// The path that a misspelt one is near to: its last part is another.
fn near(source: &dyn Source, written: &str) -> Option<String> {
    let (parent, name) = match written.trim_end_matches('/').rsplit_once('/') {
        Some((parent, name)) => (format!("{parent}/"), name),
        None => (String::new(), written),
    };
    let dir = source.canonicalize(absolute("/", &parent).as_bytes()).ok()?;
    let names: Vec<String> = source
        .list(&dir)
        .ok()?
        .into_iter()
        .filter_map(|(name, _)| String::from_utf8(name).ok())
        .collect();
    let near = suggest::nearest(name, names.iter().map(String::as_str))?;
    Some(format!("{parent}{near}"))
}

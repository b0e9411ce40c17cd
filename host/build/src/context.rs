//! The files that COPY and ADD read, without what an ignore file leaves out.

use std::sync::Arc;

use kiln_dockerfile::ignore::{PatternMatcher, read_ignore_file};
use kiln_rootfs::copy::{Content, Source, Xattrs};
use kiln_rootfs::{Metadata, Result as RootfsResult, RootfsError, path};
use rustix::io::Errno;

use crate::contexts::{BuildContext, ContextSource};
use crate::engine::Engine;
use crate::error::{BuildError, Result};

/// The ignore file of a context.
const IGNORE_FILE: &str = ".dockerignore";

/// A build context.
pub(crate) struct ContextDir {
    dir: Arc<dyn Source + Send>,
    ignore: PatternMatcher,
}

impl ContextDir {
    /// A context's files; `ignore_file` is the text of the ignore file that applies.
    pub(crate) fn new(context: &BuildContext, ignore_file: Option<&str>) -> Result<Self> {
        let patterns = ignore_file.map(read_ignore_file).unwrap_or_default();
        let ignore = PatternMatcher::new(&patterns)
            .map_err(|error| BuildError::input(format!(".dockerignore: {error}")))?;
        Ok(Self { dir: context.files(), ignore })
    }

    /// The files of a context that `--build-context` gave; a directory's own ignore file applies.
    pub(crate) fn named(cx: &Engine<'_>, source: &ContextSource) -> Result<Self> {
        let context = cx.remotes.named_context(source)?;
        let ignore_file = match source {
            ContextSource::Directory(_) => context.read(IGNORE_FILE)?,
            _ => None,
        };
        Self::new(
            &context,
            ignore_file.map(|text| String::from_utf8_lossy(&text).into_owned()).as_deref(),
        )
    }

    /// Whether a path is left out, also through its parents.
    fn is_hidden(&self, path: &[u8], is_dir: bool) -> RootfsResult<bool> {
        if path.is_empty() || self.ignore.is_empty() {
            return Ok(false);
        }
        let text = String::from_utf8_lossy(path);
        if !self.ignore.matches_or_parent_matches(&text) {
            return Ok(false);
        }
        if !is_dir || self.ignore.can_skip_dir(&text) {
            return Ok(true);
        }
        // A directory that is left out is there when something below it is taken back.
        for (name, metadata) in self.dir.list(path)? {
            if !self.is_hidden(&path::join(path, &name), metadata.is_dir())? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl std::fmt::Debug for ContextDir {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContextDir").finish_non_exhaustive()
    }
}

impl Source for ContextDir {
    fn canonicalize(&self, path: &[u8]) -> RootfsResult<Vec<u8>> {
        let canonical = self.dir.canonicalize(path)?;
        self.metadata(&canonical)?;
        Ok(canonical)
    }

    fn metadata(&self, path: &[u8]) -> RootfsResult<Metadata> {
        let metadata = self.dir.metadata(path)?;
        if self.is_hidden(path, metadata.is_dir())? {
            return Err(RootfsError::Sys {
                op: "stat",
                path: String::from_utf8_lossy(path).into_owned(),
                errno: Errno::NOENT,
            });
        }
        Ok(metadata)
    }

    fn list(&self, path: &[u8]) -> RootfsResult<Vec<(Vec<u8>, Metadata)>> {
        let mut list = self.dir.list(path)?;
        let mut failed = None;
        list.retain(|(name, metadata)| {
            match self.is_hidden(&path::join(path, name), metadata.is_dir()) {
                Ok(hidden) => !hidden,
                Err(error) => {
                    failed = Some(error);
                    false
                }
            }
        });
        failed.map_or(Ok(list), Err)
    }

    fn open(&self, path: &[u8]) -> RootfsResult<Box<dyn Content>> {
        self.dir.open(path)
    }

    fn readlink(&self, path: &[u8]) -> RootfsResult<Vec<u8>> {
        self.dir.readlink(path)
    }

    fn xattrs(&self, path: &[u8]) -> RootfsResult<Xattrs> {
        self.dir.xattrs(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use kiln_runner::Cancel;

    use crate::contexts::ContextOptions;
    use crate::remote::Remotes;

    fn names(context: &ContextDir, dir: &str) -> Vec<String> {
        let list = context.list(dir.as_bytes()).unwrap();
        list.into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect()
    }

    #[test]
    fn the_ignore_file_hides_and_takes_back() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["a/x.o", "a/keep.o", "b/y.o", "c.txt", "d/e/f.o"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let ignore = "# objects\n**/*.o\nb\nd\n!a/keep.o\n!d/e/f.o\n";
        let source = ContextSource::Directory(dir.path().to_owned());
        let work = tempfile::tempdir().unwrap();
        let remotes = Remotes::new(work.path(), &BTreeMap::new(), &Cancel::default());
        let opened = BuildContext::open(&source, ContextOptions::default(), &remotes).unwrap();
        let context = ContextDir::new(&opened, Some(ignore)).unwrap();
        assert_eq!(names(&context, ""), ["a", "c.txt", "d"]);
        assert_eq!(names(&context, "a"), ["keep.o"]);
        assert_eq!(names(&context, "d/e"), ["f.o"]);
        assert!(context.metadata(b"b").unwrap_err().is_not_found());
        assert!(context.canonicalize(b"/a/x.o").unwrap_err().is_not_found());
        assert_eq!(context.canonicalize(b"/../a/./keep.o").unwrap(), b"a/keep.o");
    }
}

//! A directory that COPY and ADD read, without what its ignore file leaves out.

use std::path::Path;

use kiln_dockerfile::ignore::{PatternMatcher, read_ignore_file};
use kiln_rootfs::copy::{Content, HostDir, Source, Xattrs};
use kiln_rootfs::{Metadata, Result as RootfsResult, RootfsError, path};
use rustix::io::Errno;

use crate::error::{BuildError, Context, ErrorKind, Result};

/// A build context.
#[derive(Debug)]
pub(crate) struct ContextDir {
    dir: HostDir,
    ignore: PatternMatcher,
}

impl ContextDir {
    /// Opens a directory; `ignore_file` is the text of the ignore file that applies.
    pub(crate) fn open(dir: &Path, ignore_file: Option<&str>) -> Result<Self> {
        let opened = HostDir::open(dir)
            .context(ErrorKind::Input, || format!("open the context {}", dir.display()))?;
        let patterns = ignore_file.map(read_ignore_file).unwrap_or_default();
        let ignore = PatternMatcher::new(&patterns)
            .map_err(|error| BuildError::input(format!(".dockerignore: {error}")))?;
        Ok(Self { dir: opened, ignore })
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
        let context = ContextDir::open(dir.path(), Some(ignore)).unwrap();
        assert_eq!(names(&context, ""), ["a", "c.txt", "d"]);
        assert_eq!(names(&context, "a"), ["keep.o"]);
        assert_eq!(names(&context, "d/e"), ["f.o"]);
        assert!(context.metadata(b"b").unwrap_err().is_not_found());
        assert!(context.canonicalize(b"/a/x.o").unwrap_err().is_not_found());
        assert_eq!(context.canonicalize(b"/../a/./keep.o").unwrap(), b"a/keep.o");
    }
}

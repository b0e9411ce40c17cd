//! Where `cp`, `mv`, `ln` and `install` put what they are given.

use shim::{Stop, paths, sys};

/// The destination part of a command line.
#[derive(Default)]
pub(crate) struct Target {
    /// `-t DIR`.
    pub(crate) directory: Option<Vec<u8>>,
    /// `-T`: the last operand is never a directory to put things in.
    pub(crate) is_file: bool,
    /// A symlink to a directory as the last operand is a file to replace (`ln -n`).
    pub(crate) symlink_is_file: bool,
}

/// What to do: each source with its destination.
pub(crate) struct Plan {
    pub(crate) pairs: Vec<(Vec<u8>, Vec<u8>)>,
    /// The destinations lie in a directory that was named.
    pub(crate) into_directory: bool,
}

fn fail(message: String) -> Stop {
    Stop::Fail(1, message)
}

impl Target {
    /// Pairs the sources with destinations.
    ///
    /// # Errors
    ///
    /// A missing operand, or a target that is not a directory where one must be.
    pub(crate) fn plan(&self, mut operands: Vec<Vec<u8>>) -> Result<Plan, Stop> {
        let into = |sources: Vec<Vec<u8>>, directory: &[u8]| Plan {
            pairs: sources
                .into_iter()
                .map(|source| {
                    let path = paths::join(directory, paths::base_name(&source));
                    (source, path)
                })
                .collect(),
            into_directory: true,
        };
        if let Some(directory) = &self.directory {
            if operands.is_empty() {
                return Err(fail("missing file operand".into()));
            }
            if self.is_file {
                return Err(fail(
                    "cannot combine --target-directory and --no-target-directory".into(),
                ));
            }
            if !sys::stat(directory)?.is_dir() {
                return Err(fail(format!("target {}: Not a directory", paths::quoted(directory))));
            }
            return Ok(into(operands, directory));
        }
        let Some(last) = operands.pop() else {
            return Err(fail("missing file operand".into()));
        };
        if operands.is_empty() {
            return Err(fail(format!(
                "missing destination file operand after {}",
                paths::quoted(&last)
            )));
        }
        if self.is_file {
            if operands.len() > 1 {
                return Err(fail(format!("extra operand {}", paths::quoted(&operands[1]))));
            }
        } else if self.is_directory(&last) {
            return Ok(into(operands, &last));
        } else if operands.len() > 1 {
            return Err(fail(format!(
                "target {}: No such file or directory",
                paths::quoted(&last)
            )));
        }
        let source = operands.swap_remove(0);
        Ok(Plan { pairs: vec![(source, last)], into_directory: false })
    }

    fn is_directory(&self, path: &[u8]) -> bool {
        if self.symlink_is_file && sys::lstat(path).is_ok_and(|stat| stat.is_symlink()) {
            return false;
        }
        sys::stat(path).is_ok_and(|stat| stat.is_dir())
    }
}

/// The names that a run made, so that a later source does not overwrite an earlier one's copy.
#[derive(Default)]
pub(crate) struct Made(Vec<(u64, u64)>);

impl Made {
    pub(crate) fn has(&self, stat: &sys::Stat) -> bool {
        self.0.contains(&(stat.dev, stat.ino))
    }

    pub(crate) fn add(&mut self, path: &[u8]) {
        if let Ok(stat) = sys::lstat(path) {
            self.0.push((stat.dev, stat.ino));
        }
    }
}

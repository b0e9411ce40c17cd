//! Submodules, each looked at before git fetches it.

use std::path::Path;

use super::checkout::shallow;
use super::command::{Command, Doing};
use super::config::Config;
use crate::error::{BuildError, Result};

/// The deepest nesting of submodules: a repository can have itself as one.
const MAX_DEPTH: u32 = 32;
/// The file that names a repository's submodules.
const LIST: &str = ".gitmodules";

/// Fetches the submodules of the files in `files` and theirs; `git` is in their repository, `main`
/// the one that was asked for.
///
/// # Errors
/// Of kind `Registry` for what the network and git say, `Input` for a server that leads where no
/// repository may be.
pub(super) fn update(
    git: &Command<'_>,
    files: &Path,
    main: &str,
    config: &mut Config<'_>,
    shown: &str,
) -> Result<()> {
    let mut pending = vec![(git.clone(), files.to_owned(), 0)];
    while let Some((git, files, depth)) = pending.pop() {
        if !files.join(LIST).is_file() {
            continue;
        }
        let what = || format!("failed to update submodules for {shown}");
        if depth == MAX_DEPTH {
            let cause = BuildError::input(format!("they are nested deeper than {MAX_DEPTH}"));
            return Err(BuildError::input(what()).with_source(cause));
        }
        git.run(&["submodule", "--quiet", "init"]).doing(what)?;
        for url in values(&git, &["config", "--null", "--get-regexp", r"^submodule\..*\.url$"]) {
            config.add_submodule(main, &url)?;
        }
        shallow(&git, &["submodule", "--quiet", "update", "--depth=1"]).doing(what)?;
        let paths = ["config", "--null", "--file", LIST, "--get-regexp", r"^submodule\..*\.path$"];
        for path in values(&git, &paths) {
            // The list may name what is no submodule, through symlinks too.
            let below = files.join(&path).canonicalize().ok();
            let inside = below.filter(|below| {
                let files = files.canonicalize();
                files.is_ok_and(|files| *below != files && below.starts_with(files))
            });
            if let Some(below) = inside.filter(|below| below.join(".git").is_file()) {
                pending.push((git.at(&below), below, depth + 1));
            }
        }
    }
    Ok(())
}

/// The values of git's settings; none when there is no such setting.
fn values(git: &Command<'_>, args: &[&str]) -> Vec<String> {
    let list = git.run(args).unwrap_or_default();
    let entries = list.split_terminator('\0').filter_map(|entry| entry.split_once('\n'));
    entries.map(|(_, value)| value.to_owned()).collect()
}

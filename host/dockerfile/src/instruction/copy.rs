//! `COPY` and `ADD`.

use super::flags::{Flags, Takes};
use crate::diagnostic::Cause;
use crate::parse::{Heredoc, HeredocWord, Node};

/// Where from and where to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Paths {
    /// Paths, URLs and git repositories.
    pub sources: Vec<String>,
    /// Heredocs.
    pub files: Vec<InlineFile>,
    /// The destination.
    pub dest: String,
}

/// A file given as heredoc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineFile {
    /// Its name.
    pub name: String,
    /// Its content.
    pub content: String,
    /// Variables in the content are replaced.
    pub expand: bool,
}

/// `COPY`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copy {
    /// Where from and where to.
    pub paths: Paths,
    /// `--from`: a stage by name or index, an image or a named context.
    pub from: Option<String>,
    /// `--chown`, see [`crate::chown`].
    pub chown: Option<String>,
    /// `--chmod`, see [`crate::chmod`].
    pub chmod: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `--parents`: keep the sources' directories.
    pub parents: bool,
    /// `--exclude`, patterns as in .dockerignore; never expanded.
    pub excludes: Vec<String>,
}

/// `ADD`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Add {
    /// Where from and where to.
    pub paths: Paths,
    /// `--chown`, see [`crate::chown`].
    pub chown: Option<String>,
    /// `--chmod`, see [`crate::chmod`].
    pub chmod: Option<String>,
    /// `--checksum` of a remote file or a git commit.
    pub checksum: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `--keep-git-dir`, if given.
    pub keep_git_dir: Option<bool>,
    /// `--unpack`, if given; else local archives are unpacked and remote ones are not.
    pub unpack: Option<bool>,
    /// `--exclude`, patterns as in .dockerignore; never expanded.
    pub excludes: Vec<String>,
}

pub(super) fn copy(node: &Node) -> Result<Copy, Cause> {
    enough(node, "COPY")?;
    let flags = Flags::read(
        &node.flags,
        &[
            ("chown", Takes::Value),
            ("from", Takes::Value),
            ("chmod", Takes::Value),
            ("link", Takes::Bool),
            ("exclude", Takes::Values),
            ("parents", Takes::Bool),
        ],
    )?;
    Ok(Copy {
        paths: paths(node, "COPY")?,
        from: flags.text("from"),
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        link: flags.bool("link").unwrap_or(false),
        parents: flags.bool("parents").unwrap_or(false),
        excludes: flags.values("exclude"),
    })
}

pub(super) fn add(node: &Node) -> Result<Add, Cause> {
    enough(node, "ADD")?;
    let flags = Flags::read(
        &node.flags,
        &[
            ("chown", Takes::Value),
            ("chmod", Takes::Value),
            ("link", Takes::Bool),
            ("keep-git-dir", Takes::Bool),
            ("checksum", Takes::Value),
            ("unpack", Takes::Bool),
            ("exclude", Takes::Values),
        ],
    )?;
    Ok(Add {
        paths: paths(node, "ADD")?,
        chown: flags.text("chown"),
        chmod: flags.text("chmod"),
        checksum: flags.text("checksum"),
        link: flags.bool("link").unwrap_or(false),
        keep_git_dir: flags.bool("keep-git-dir"),
        unpack: flags.bool("unpack"),
        excludes: flags.values("exclude"),
    })
}

fn enough(node: &Node, instruction: &str) -> Result<(), Cause> {
    if node.args.values.len() >= 2 {
        return Ok(());
    }
    Err(Cause::new(format!(
        "{instruction} requires at least two arguments, but only one was provided. \
         Destination could not be determined"
    )))
}

fn paths(node: &Node, instruction: &str) -> Result<Paths, Cause> {
    let Some((dest, sources)) = node.args.values.split_last() else {
        return Err(Cause::new(format!("{instruction} requires at least two arguments")));
    };
    if HeredocWord::parse(dest).is_some() {
        return Err(Cause::new(format!("{instruction} cannot accept a heredoc as a destination"))
            .focus(dest));
    }
    let mut paths = Paths { dest: dest.clone(), ..Paths::default() };
    for source in sources {
        match HeredocWord::parse(source) {
            Some(word) => paths.files.push(InlineFile {
                content: content(&node.heredocs, &word),
                name: word.name,
                expand: word.expand,
            }),
            None => paths.sources.push(source.clone()),
        }
    }
    Ok(paths)
}

/// The content under that name; of two with one name the last, as in BuildKit.
fn content(heredocs: &[Heredoc], word: &HeredocWord) -> String {
    let found = heredocs.iter().rev().find(|heredoc| heredoc.word.name == word.name);
    let content = found.map_or("", |heredoc| heredoc.content.as_str());
    if word.chomp { crate::parse::chomp(content) } else { content.to_owned() }
}

//! Which commit a reference is now.

use super::command::{Command, Doing};
use super::{GitSource, is_commit};
use crate::error::{BuildError, ErrorKind, Result};

/// What a reference was resolved to.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    /// The whole name of the reference, or the commit when that was asked for.
    pub(crate) reference: String,
    /// The object that it is: a commit, or an annotated tag.
    pub(crate) object: String,
    /// The commit.
    pub(crate) commit: String,
}

/// Asks the server what the source's reference is, and checks it.
pub(in crate::remote) fn resolve(source: &GitSource, git: &Command<'_>) -> Result<Commit> {
    let exactly = |reference: &str, commit: &str| Commit {
        reference: reference.to_owned(),
        object: commit.to_owned(),
        commit: commit.to_owned(),
    };
    if is_commit(&source.reference) {
        let commit = exactly(&source.reference, &source.reference);
        check(source, &commit)?;
        return Ok(commit);
    }
    if source.fetch_by_commit {
        if !is_commit(&source.checksum) {
            let message = format!(
                "fetch-by-commit requires a full commit SHA checksum, got \"{}\"",
                source.checksum
            );
            return Err(BuildError::input(message));
        }
        let reference = match source.reference.as_str() {
            "" => source.checksum.clone(),
            full if full.starts_with("refs/") => full.to_owned(),
            branch => format!("refs/heads/{branch}"),
        };
        return Ok(exactly(&reference, &source.checksum));
    }
    let shown = source.shown();
    let reference = match source.reference.as_str() {
        "" => default_branch(source, git)?,
        given => given.to_owned(),
    };
    let peeled = format!("{reference}^{{}}");
    let list = git
        .run(&["ls-remote", "--", &source.remote, &reference, &peeled])
        .doing(|| format!("failed to fetch remote {shown}"))?;
    let commit = choose(&list, &reference).ok_or_else(|| {
        BuildError::input(format!("repository {shown} does not contain ref {reference}"))
    })?;
    if !is_commit(&commit.object) || !is_commit(&commit.commit) {
        let message = format!("{shown}: invalid commit sha {:?}", commit.object);
        return Err(BuildError::new(ErrorKind::Registry, message));
    }
    check(source, &commit)?;
    Ok(commit)
}

fn default_branch(source: &GitSource, git: &Command<'_>) -> Result<String> {
    let shown = source.shown();
    let list = git
        .run(&["ls-remote", "--symref", "--", &source.remote, "HEAD"])
        .doing(|| format!("error fetching default branch for repository {shown}"))?;
    let branch = list.lines().find_map(|line| {
        let branch = line.strip_prefix("ref: refs/heads/")?.split_whitespace().next()?;
        Some(branch.to_owned())
    });
    branch.filter(|branch| !branch.starts_with('-')).ok_or_else(|| {
        BuildError::input(format!("could not find default branch for repository: {shown}"))
            .with_hint("name a branch, tag or commit: REPOSITORY#REF")
    })
}

/// Finds a reference in the output of `ls-remote`: branches go before tags.
fn choose(list: &str, reference: &str) -> Option<Commit> {
    let find = |name: &str| {
        let lines = list.lines().filter_map(|line| line.split_once('\t'));
        lines.filter(|(_, found)| *found == name).map(|(id, _)| id.to_owned()).next_back()
    };
    let below = |prefix: &str| format!("{prefix}{}", reference.trim_start_matches(prefix));
    for name in [below("refs/"), below("refs/heads/")] {
        // A tag in full may be annotated; its commit is in the list then.
        if let Some(object) = find(&name) {
            let commit = find(&format!("{name}^{{}}")).unwrap_or_else(|| object.clone());
            return Some(Commit { reference: name, object, commit });
        }
    }
    let tag = below("refs/tags/");
    let object = find(&tag)?;
    let commit = find(&format!("{tag}^{{}}")).unwrap_or_else(|| object.clone());
    Some(Commit { reference: tag, object, commit })
}

fn check(source: &GitSource, commit: &Commit) -> Result<()> {
    let wanted = &source.checksum;
    if commit.object.starts_with(wanted) || commit.commit.starts_with(wanted) {
        return Ok(());
    }
    let found = match commit.object == commit.commit {
        true => commit.object.clone(),
        false => format!("{} or {}", commit.object, commit.commit),
    };
    Err(BuildError::failed(format!(
        "{}: expected checksum to match {wanted}, got {found}",
        source.shown()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_go_before_tags_and_tags_are_peeled() {
        let list = "1\trefs/heads/x\n2\trefs/tags/x\n3\trefs/tags/v1\n4\trefs/tags/v1^{}\n";
        for (reference, expected) in [
            ("x", Some(("refs/heads/x", "1", "1"))),
            ("refs/heads/x", Some(("refs/heads/x", "1", "1"))),
            ("refs/tags/x", Some(("refs/tags/x", "2", "2"))),
            ("tags/x", Some(("refs/tags/x", "2", "2"))),
            ("v1", Some(("refs/tags/v1", "3", "4"))),
            ("refs/tags/v1", Some(("refs/tags/v1", "3", "4"))),
            ("y", None),
        ] {
            let found = choose(list, reference);
            let found = found.as_ref().map(|commit| {
                (commit.reference.as_str(), commit.object.as_str(), commit.commit.as_str())
            });
            assert_eq!(found, expected, "{reference}");
        }
    }
}

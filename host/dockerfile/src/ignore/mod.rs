//! `.dockerignore`: which paths of the context are left out.
//!
//! A path is left out when a pattern matches it or one of its parents and no later pattern with
//! `!` takes it back. Paths are relative to the context, with `/` between their parts.
//!
//! The meaning is that of moby/patternmatcher, except where its translation to regular expressions
//! shows through: here `|`, `{`, `}` and `^` are characters as any other, and `\a` is `a`.

mod pattern;

use crate::glob;
use pattern::Pattern;

/// Why a list of patterns cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IgnoreError {
    /// `!` alone.
    #[error("illegal exclusion pattern: \"!\"")]
    BareExclusion,
    /// A pattern with an unclosed `[`, a `\` at the end, or a reversed range.
    #[error("syntax error in pattern `{0}`")]
    BadPattern(String),
}

/// A list of patterns.
#[derive(Debug, Clone, Default)]
pub struct PatternMatcher {
    patterns: Vec<Pattern>,
}

/// Which patterns matched a directory or its parents; what its entries are matched with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParentMatches(Vec<bool>);

impl PatternMatcher {
    /// Compiles patterns; blank ones are left out.
    ///
    /// # Errors
    /// See [`IgnoreError`].
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self, IgnoreError> {
        let texts = patterns.iter().map(|text| text.as_ref().trim());
        let compiled = texts.filter(|text| !text.is_empty()).map(Pattern::new);
        Ok(PatternMatcher { patterns: compiled.collect::<Result<_, _>>()? })
    }

    /// Whether there is no pattern at all.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether some pattern starts with `!`.
    pub fn has_exclusions(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_exclusion)
    }

    /// The patterns that leave out, cleaned, without those that start with `!`.
    pub fn inclusions(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().filter(|p| !p.is_exclusion).map(|p| p.text.as_str())
    }

    /// Whether `path` is left out, looking at its parents too.
    pub fn matches_or_parent_matches(&self, path: &str) -> bool {
        let parents = parents(path);
        let mut is_matched = false;
        for pattern in &self.patterns {
            // A pattern that cannot change the answer is not tried.
            if pattern.is_exclusion == is_matched
                && (pattern.matches(path) || parents.iter().any(|parent| pattern.matches(parent)))
            {
                is_matched = !pattern.is_exclusion;
            }
        }
        is_matched
    }

    /// Whether `path` is left out, given what its directory matched; for walking a tree from its
    /// root, where `parent` is the default. The second value is for the entries of `path`.
    pub fn matches_with_parent(&self, path: &str, parent: &ParentMatches) -> (bool, ParentMatches) {
        let mut is_matched = false;
        let mut matches = vec![false; self.patterns.len()];
        for (index, pattern) in self.patterns.iter().enumerate() {
            let inherited = parent.0.get(index).copied().unwrap_or(false);
            let found = inherited || (pattern.is_exclusion == is_matched && pattern.matches(path));
            if found {
                is_matched = !pattern.is_exclusion;
            }
            matches[index] = found;
        }
        (is_matched, ParentMatches(matches))
    }

    /// Whether a walk need not enter `dir`, which is itself left out: nothing below it can be taken
    /// back by a pattern with `!`.
    pub fn can_skip_dir(&self, dir: &str) -> bool {
        let exclusions = self.patterns.iter().filter(|pattern| pattern.is_exclusion);
        let dirs: Vec<&str> = dir.split('/').collect();
        exclusions.into_iter().all(|pattern| !may_match_below(&pattern.text, &dirs))
    }
}

fn may_match_below(pattern: &str, dirs: &[&str]) -> bool {
    let mut parts = pattern.split('/');
    for dir in dirs {
        match parts.next() {
            // These can match across slashes.
            Some(part) if part.contains("**") || part.contains('[') => return true,
            Some(part) if glob::match_path(part, dir).unwrap_or(true) => {}
            // It matches elsewhere, or it matched `dir` already.
            _ => return false,
        }
    }
    parts.next().is_some()
}

/// The parents of a path from the top, as Go's `filepath.Dir` sees them.
fn parents(path: &str) -> Vec<String> {
    let dir = clean(&path[..path.rfind('/').map_or(0, |slash| slash + 1)]);
    if dir == "." {
        return Vec::new();
    }
    let ends = dir.match_indices('/').map(|(at, _)| at).chain([dir.len()]);
    ends.map(|end| dir[..end].to_owned()).collect()
}

/// The patterns of an ignore file: comments and blank lines are gone, paths are cleaned and
/// relative.
pub fn read_ignore_file(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut patterns = Vec::new();
    for line in text.lines() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        // Only a `#` in the first column makes a comment.
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let line = line.trim();
        let (mark, path) = match line.strip_prefix('!') {
            Some(path) => ("!", path.trim()),
            None => ("", line),
        };
        let path = if path.is_empty() { String::new() } else { clean(path) };
        let relative = path.strip_prefix('/').filter(|rest| !rest.is_empty()).unwrap_or(&path);
        patterns.push(format!("{mark}{relative}"));
    }
    patterns
}

/// Go's `filepath.Clean`: no `.`, no `//`, no `..` that can be resolved, no slash at the end.
pub fn clean(path: &str) -> String {
    let is_rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_rooted => {}
            _ => parts.push(part),
        }
    }
    match (is_rooted, parts.join("/")) {
        (true, rest) => format!("/{rest}"),
        (false, rest) if rest.is_empty() => ".".to_owned(),
        (false, rest) => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignore_files_are_cleaned() {
        let text = "\u{feff}test1\n/test2\n/a/file/here\n\nlastfile\r\n# this is a comment\n\
                    ! /inverted/abs/path\n!\n! \n a/../b/ \n/\n #x";
        let expected = [
            "test1",
            "test2",
            "a/file/here",
            "lastfile",
            "!inverted/abs/path",
            "!",
            "!",
            "b",
            "/",
            "#x",
        ];
        assert_eq!(read_ignore_file(text), expected);
    }

    #[test]
    fn cleaning() {
        let table = [
            ("", "."),
            ("a//b/./c/..", "a/b"),
            ("../../a", "../../a"),
            ("/../a/", "/a"),
            ("/", "/"),
            ("a/..", "."),
        ];
        for (path, expected) in table {
            assert_eq!(clean(path), expected, "{path}");
        }
    }

    #[test]
    fn directories_are_entered_only_where_something_may_return() {
        let matcher = PatternMatcher::new(&["*", "!src/*.rs", "!docs/**", "!README"]).unwrap();
        let table = [
            ("src", false),
            ("src/deep", true),
            ("docs", false),
            ("docs/a/b", false),
            ("target", true),
            ("README", true),
        ];
        for (dir, expected) in table {
            assert_eq!(matcher.can_skip_dir(dir), expected, "{dir}");
        }
        assert!(!PatternMatcher::new(&["*", "!**/x"]).unwrap().can_skip_dir("any"));
        assert!(PatternMatcher::new(&["a"]).unwrap().can_skip_dir("a"));
    }

    #[test]
    fn bad_patterns() {
        let error = |pattern: &str| PatternMatcher::new(&[pattern]).unwrap_err();
        assert_eq!(error("!"), IgnoreError::BareExclusion);
        assert_eq!(error("a["), IgnoreError::BadPattern("a[".to_owned()));
        assert_eq!(error("[z-a]"), IgnoreError::BadPattern("[z-a]".to_owned()));
    }
}

//! The sources of COPY and ADD with `*`, `?` and `[…]`.

use kiln_dockerfile::glob;
use kiln_rootfs::copy::Source;
use kiln_rootfs::{Result, path};

use super::workdir::absolute;

/// Whether a text has a wildcard that a backslash does not take back.
pub(super) fn has_wildcards(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' | '[' => return true,
            '\\' => {
                chars.next();
            }
            _ => {}
        }
    }
    false
}

/// The paths that a source names: itself without wildcards, else what matches, which may be
/// nothing. A component of the pattern matches one component of a path.
///
/// # Errors
/// What listing a directory says.
pub(super) fn resolve(source: &dyn Source, written: &str) -> Result<Vec<Vec<u8>>> {
    let pattern = absolute("/", written);
    let parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty()).collect();
    let literal = parts.iter().take_while(|part| !has_wildcards(part)).count();
    let root = parts[..literal].join("/").into_bytes();
    if literal == parts.len() {
        return Ok(vec![root]);
    }
    let root = match source.canonicalize(&root) {
        Ok(root) => root,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    if !source.metadata(&root)?.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    descend(source, root, &parts[literal..], &mut found)?;
    Ok(found)
}

fn descend(
    source: &dyn Source,
    dir: Vec<u8>,
    parts: &[&str],
    found: &mut Vec<Vec<u8>>,
) -> Result<()> {
    let Some((part, rest)) = parts.split_first() else {
        found.push(dir);
        return Ok(());
    };
    for (name, metadata) in source.list(&dir)? {
        let text = String::from_utf8_lossy(&name);
        // A broken pattern matches nothing, as in BuildKit.
        if glob::match_path(part, &text).unwrap_or(false) && (rest.is_empty() || metadata.is_dir())
        {
            descend(source, path::join(&dir, &name), rest, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kiln_rootfs::copy::HostDir;

    #[test]
    fn each_component_matches_one() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["a/1.txt", "a/2.md", "b/1.txt", "c.txt", "[x].txt"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let source = HostDir::open(dir.path()).unwrap();
        let cases: &[(&str, &[&str])] = &[
            ("*.txt", &["[x].txt", "c.txt"]),
            ("*/*.txt", &["a/1.txt", "b/1.txt"]),
            ("a/[12].*", &["a/1.txt", "a/2.md"]),
            ("c.txt", &["c.txt"]),
            ("missing", &["missing"]),
            ("missing/*", &[]),
            ("c.txt/*", &[]),
            (r"\[x].t?t", &["[x].txt"]),
            ("./../*", &["[x].txt", "a", "b", "c.txt"]),
        ];
        for (pattern, expected) in cases {
            let found = resolve(&source, pattern).unwrap();
            let found: Vec<_> = found.iter().map(|path| String::from_utf8_lossy(path)).collect();
            assert_eq!(found, *expected, "{pattern}");
        }
    }
}

//! Whether a text can be the name of an image, as Docker reads names.

use std::sync::LazyLock;

use regex::Regex;

/// Longest repository name, as registries allow.
const MAX_NAME: usize = 255;

const DEFAULT_DOMAIN: &str = "docker.io";

static REFERENCE: LazyLock<Regex> = LazyLock::new(|| {
    let label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
    let domain = format!(r"(?:{label}(?:\.{label})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?");
    let part = "[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*";
    let tag = "[0-9A-Za-z_][0-9A-Za-z_.-]{0,127}";
    let digest = "sha256:[a-f0-9]{64}|sha384:[a-f0-9]{96}|sha512:[a-f0-9]{128}";
    let expression = format!("^(?:{domain}/)?({part}(?:/{part})*)(?::{tag})?(?:@(?:{digest}))?$");
    Regex::new(&expression).expect("the expression is constant and tested")
});

/// Whether `text` names an image: `busybox`, `ghcr.io/a/b:tag@sha256:...`.
pub(crate) fn is_valid(text: &str) -> bool {
    if text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        // It would be taken for an image's id.
        return false;
    }
    let is_domain = |first: &str| {
        first.contains(['.', ':']) || first == "localhost" || first != first.to_lowercase()
    };
    let (domain, rest) = match text.split_once('/') {
        Some((first, rest)) if is_domain(first) => (first, rest),
        _ => (DEFAULT_DOMAIN, text),
    };
    let full = match rest.contains('/') || domain != DEFAULT_DOMAIN {
        true => format!("{domain}/{rest}"),
        false => format!("{domain}/library/{rest}"),
    };
    let name = REFERENCE.captures(&full).and_then(|captures| captures.get(1));
    name.is_some_and(|name| name.len() <= MAX_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_images() {
        let digest = format!("a@sha256:{}", "0".repeat(64));
        let good = [
            "busybox",
            "a/b:c",
            "localhost/a",
            "localhost:5000/a:b",
            "[::1]:5000/a",
            "a.b/c",
            &digest,
            "UPPER/foo",
            "a__b.c/c--d",
            "scratch",
        ];
        for text in good {
            assert!(is_valid(text), "{text}");
        }
        let id = "0".repeat(64);
        let long = "a".repeat(300);
        let bad = [
            "",
            "a:",
            "A",
            "a/B",
            "-a",
            "a//b",
            "a b",
            "a@sha256:00",
            "https://a/b",
            ":5000",
            &id,
            &long,
        ];
        for text in bad {
            assert!(!is_valid(text), "{text}");
        }
    }
}

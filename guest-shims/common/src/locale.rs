//! Which locale the environment asks for.

use crate::Env;

/// What matters of a locale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locale {
    /// Bytes: `C`, `POSIX`, or nothing set.
    Bytes,
    /// UTF-8 characters in code point order: `C.UTF-8`.
    Utf8,
    /// A language's own order and rules, which only the image's tools know.
    Language,
}

/// The locale of a category such as `LC_CTYPE`.
#[must_use]
pub fn of(env: &Env, category: &str) -> Locale {
    let name = ["LC_ALL", category, "LANG"].into_iter().find_map(|name| env.filled(name));
    match name {
        None | Some(b"C" | b"POSIX") => Locale::Bytes,
        Some(name) => {
            let name = name.to_ascii_lowercase();
            let utf8 = name.ends_with(b".utf-8") || name.ends_with(b".utf8");
            match (utf8, name.starts_with(b"c.")) {
                (true, true) => Locale::Utf8,
                _ => Locale::Language,
            }
        }
    }
}

/// Whether text is characters in UTF-8 rather than bytes. A language's locale counts when it is
/// UTF-8: how characters are encoded is the same in all of them.
#[must_use]
pub fn is_utf8(env: &Env) -> bool {
    match of(env, "LC_CTYPE") {
        Locale::Bytes => false,
        Locale::Utf8 => true,
        Locale::Language => ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| env.filled(name))
            .is_some_and(|name| {
                let name = name.to_ascii_lowercase();
                name.ends_with(b"utf-8") || name.ends_with(b"utf8")
            }),
    }
}

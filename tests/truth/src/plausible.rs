//! Content for made-up files: what tools can do something with.

use std::io::Write;

use kiln_image::layer::compress::{Compression, Compressor};

/// Lines that many configuration files share in form, for patterns that were not understood.
const LINES: &str = "# made up\nuser  nginx;\nlisten 80;\n#Port 22\nPermitRootLogin prohibit-password\n\
    memory_limit = 128M\n;date.timezone =\nkey=value\n  indented: true\n\n[section]\nbind 127.0.0.1\n";

/// The content of a file by its name.
pub(crate) fn content(name: &str) -> Vec<u8> {
    match archive(name) {
        Some(Archive::Tar) => tar().unwrap_or_default(),
        Some(Archive::TarGz) => gzip(&tar().unwrap_or_default()).unwrap_or_default(),
        Some(Archive::Gz) => gzip(LINES.as_bytes()).unwrap_or_default(),
        None if name.ends_with(".sh") => b"#!/bin/sh\r\n# made up\necho key=value\n".to_vec(),
        None => LINES.as_bytes().to_vec(),
    }
}

/// A kind of archive that can be made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Archive {
    Tar,
    TarGz,
    Gz,
}

/// What archive a name says.
pub(crate) fn archive(name: &str) -> Option<Archive> {
    let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
    match () {
        () if ends(&[".tar.gz", ".tgz"]) => Some(Archive::TarGz),
        () if ends(&[".tar"]) => Some(Archive::Tar),
        () if ends(&[".gz"]) => Some(Archive::Gz),
        () => None,
    }
}

/// An archive with a directory, files and a link, of another owner.
fn tar() -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    let header = |kind, mode, size| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size);
        header.set_mtime(1_100_000_000);
        header.set_uid(1000);
        header.set_gid(1000);
        header
    };
    use tar::EntryType;
    tar.append_data(&mut header(EntryType::Directory, 0o755, 0), "made-up-1.0/", &b""[..])?;
    for (path, mode) in [("made-up-1.0/bin/tool", 0o755), ("made-up-1.0/etc/a.conf", 0o640)] {
        let size = LINES.len() as u64;
        tar.append_data(&mut header(EntryType::Regular, mode, size), path, LINES.as_bytes())?;
    }
    let mut link = header(EntryType::Symlink, 0o777, 0);
    tar.append_link(&mut link, "made-up-1.0/link", "bin/tool")?;
    tar.into_inner()
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut gzip = Compressor::new(Vec::new(), Compression::GZIP, 1);
    gzip.write_all(bytes)?;
    gzip.finish()
}

/// A text with these lines among others.
pub(crate) fn config(lines: &[String]) -> Vec<u8> {
    let mut text = LINES.to_owned();
    for line in lines {
        text.push_str(line);
        text.push('\n');
        text.push_str("  ");
        text.push_str(line);
        text.push_str(" trailing\n");
    }
    text.push_str("last line\n");
    text.into_bytes()
}

/// Lines that the expressions of a `sed` script match: of each `s` command and of each address.
pub(crate) fn edited(script: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = script;
    while let Some(start) = rest.find(['/', 's']) {
        let command = rest.as_bytes()[start] == b's';
        let before = rest[..start].trim_end().chars().next_back();
        let opens = before.is_none_or(|c| !c.is_alphanumeric() || c == 'i' || c == 'g');
        let Some(delimiter) = rest[start + usize::from(command)..].chars().next() else { break };
        let plain = delimiter.is_alphanumeric() || delimiter.is_whitespace() || delimiter == '\\';
        let body = &rest[start + usize::from(command)..];
        if !opens || plain {
            rest = &rest[start + 1..];
            continue;
        }
        let parts = until(&body[delimiter.len_utf8()..], delimiter);
        let Some((pattern, after)) = parts else { break };
        lines.push(matched(pattern));
        rest = match (command, until(after, delimiter)) {
            (true, Some((_, after))) => after,
            _ => after,
        };
    }
    lines
}

/// What is before an unescaped delimiter, and what is after it.
fn until(text: &str, delimiter: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, char) in text.char_indices() {
        match char {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            char if char == delimiter => return Some((&text[..at], &text[at + char.len_utf8()..])),
            _ => {}
        }
    }
    None
}

/// Something that a regular expression matches, mostly.
pub(crate) fn matched(pattern: &str) -> String {
    let mut text = String::new();
    let mut rest = pattern.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '\\' => match rest.next() {
                Some('s') => text.push(' '),
                Some('d') => text.push('1'),
                Some('w') => text.push('w'),
                Some('(' | ')' | '+' | '?' | '{' | '}' | 'b' | '<' | '>') | None => {}
                Some('|') => break,
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
            },
            '[' => {
                let inside: String = rest.by_ref().take_while(|&char| char != ']').collect();
                let pick = match inside.strip_prefix('^') {
                    Some(not) => {
                        if not.contains('x') {
                            '-'
                        } else {
                            'x'
                        }
                    }
                    None if inside.contains("space") || inside.contains("blank") => ' ',
                    None if inside.starts_with('[') => 'a',
                    None => inside.chars().next().unwrap_or(']'),
                };
                if inside.starts_with("[:") {
                    rest.next_if_eq(&']');
                }
                text.push(pick);
            }
            '.' => text.push('.'),
            '^' | '$' | '*' | '+' | '?' | '(' | ')' => {}
            '{' => rest.by_ref().take_while(|&char| char != '}').for_each(drop),
            '|' => break,
            '\n' => break,
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_patterns_match() {
        assert_eq!(edited(r"s/^#\?Port .*/Port 2222/"), ["#Port ."]);
        assert_eq!(edited("s|/usr/a|/b|g; s/x/y/"), ["/usr/a", "x"]);
        assert_eq!(edited("/^user/d"), ["user"]);
        assert_eq!(edited(r"s/\(listen\) [0-9]*;/\1 81;/"), ["listen 0;"]);
        assert_eq!(matched("[^a]b{2}"), "xb");
    }

    #[test]
    fn archives_are_real_ones() {
        assert_eq!(content("x.tar.gz")[..2], [0x1f, 0x8b]);
        let tar = content("x.tar");
        let entries = tar::Archive::new(&tar[..]).entries().unwrap().count();
        assert_eq!(entries, 4);
    }
}

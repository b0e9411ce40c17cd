//! What a step of a corpus needs and no instruction makes: files that its base image has.
//!
//! Without them most steps would only show how a tool says that there is no such file. A file that
//! `sed` or `grep` reads gets lines that their patterns match, so that something happens.

use std::collections::BTreeSet;

use crate::plausible;
use crate::script::{Act, Need};
use crate::words::{Word, commands};

/// Commands that read or change each file they name.
const READERS: [&str; 24] = [
    "cat",
    "chmod",
    "dos2unix",
    "head",
    "tail",
    "sort",
    "uniq",
    "wc",
    "cut",
    "rm",
    "ls",
    "md5sum",
    "sha1sum",
    "sha256sum",
    "source",
    ".",
    "sh",
    "bash",
    "ash",
    "stat",
    "readlink",
    "realpath",
    "gunzip",
    "unzip",
];

/// Commands that make what they name.
const MAKERS: [&str; 8] = ["mkdir", "touch", "ln", "tee", "git", "curl", "wget", "mkfifo"];

/// Where nothing is made up: the kernel's, and what the image's tools live from.
const LEFT_ALONE: [&str; 12] = [
    "/proc",
    "/sys",
    "/dev",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/etc/passwd",
    "/etc/group",
];

/// What a step's text needs, to be made where it is not there.
pub(crate) fn needs(script: &str, cwd: &str, env: &[(String, String)]) -> Vec<Act> {
    let mut inventor = Inventor { cwd: cwd.to_owned(), made: BTreeSet::new(), acts: Vec::new() };
    let makes_users = ["adduser", "useradd", "addgroup", "groupadd", "usermod"]
        .iter()
        .any(|maker| script.contains(maker));
    for command in commands(script, env) {
        inventor.command(&command, makes_users);
    }
    inventor.acts
}

struct Inventor {
    cwd: String,
    /// What the step itself makes.
    made: BTreeSet<String>,
    acts: Vec<Act>,
}

impl Inventor {
    fn command(&mut self, command: &[Word], makes_users: bool) {
        let (mut words, mut after_redirect) = (Vec::new(), false);
        for word in command {
            match word {
                Word::Redirect => after_redirect = true,
                Word::Text(text) if after_redirect => {
                    self.redirect(text);
                    after_redirect = false;
                }
                Word::Text(text) => words.push(text.as_str()),
                Word::Unknown => after_redirect = false,
            }
        }
        let first = |word: &&str| {
            !word.contains('=') && !["sudo", "!", "{", "if", "then", "do", "else"].contains(word)
        };
        let Some(start) = words.iter().position(first) else { return };
        let (name, args) = (words[start], &words[start + 1..]);
        let operands: Vec<&str> =
            args.iter().copied().filter(|arg| !arg.starts_with('-')).collect();
        let recursive = args.iter().any(|arg| {
            arg.starts_with('-') && !arg.starts_with("--") && arg.contains(['r', 'R', 'a'])
        });
        match name {
            "cd" => {
                if let Some(&dir) = operands.first() {
                    self.directory(dir);
                    self.cwd = self.absolute(dir);
                }
            }
            "find" => {
                for dir in operands.iter().take_while(|word| word.starts_with(['/', '.'])) {
                    self.tree(dir);
                }
            }
            "sed" if args.iter().any(|arg| arg.starts_with("-i") || arg.starts_with("--in")) => {
                self.edited(args);
            }
            "grep" | "egrep" | "fgrep" => {
                if let Some((pattern, files)) = operands.split_first() {
                    let text = plausible::config(&[plausible::matched(pattern)]);
                    files.iter().for_each(|file| self.file(file, text.clone()));
                }
            }
            "chown" | "chgrp" => {
                let Some((owner, files)) = operands.split_first() else { return };
                if !makes_users {
                    let names = owner.split([':', '.']).filter(|name| !name.is_empty());
                    self.acts.extend(names.map(|name| Act::User(name.to_owned())));
                }
                for file in files {
                    if recursive { self.tree(file) } else { self.named(file) }
                }
            }
            "cp" | "mv" => {
                let Some((dest, sources)) = operands.split_last() else { return };
                for source in sources {
                    if recursive { self.tree(source) } else { self.named(source) }
                }
                let parent = dest.rsplit_once('/').map_or("", |(parent, _)| parent);
                self.directory(parent);
                self.made(dest);
            }
            "install" => operands.iter().for_each(|made| self.made(made)),
            "tar" => {
                let flags = args.iter().take(1).any(|flags| flags.contains('x'))
                    || args.iter().any(|arg| arg.starts_with("-x") || *arg == "--extract");
                let archive = operands.iter().find(|word| plausible::archive(word).is_some());
                if let (true, Some(archive)) = (flags, archive) {
                    self.named(archive);
                }
            }
            _ if MAKERS.contains(&name) => operands.iter().for_each(|made| self.made(made)),
            _ if READERS.contains(&name) => {
                let files = if name == "chmod" { operands.get(1..) } else { Some(&operands[..]) };
                for file in files.unwrap_or_default() {
                    if recursive { self.tree(file) } else { self.named(file) }
                }
            }
            _ => {}
        }
    }

    /// `sed -i`: files with lines that its expressions match.
    fn edited(&mut self, args: &[&str]) {
        let (mut scripts, mut files) = (Vec::new(), Vec::new());
        let (mut expected, mut given) = (false, false);
        for arg in args {
            match *arg {
                _ if expected => {
                    scripts.push(*arg);
                    expected = false;
                }
                "-e" | "-ie" | "-re" | "-Ee" | "--expression" => (expected, given) = (true, true),
                option if option.starts_with('-') => {}
                script if !given => {
                    scripts.push(script);
                    given = true;
                }
                file => files.push(file),
            }
        }
        let lines: Vec<String> =
            scripts.iter().flat_map(|script| plausible::edited(script)).collect();
        let text = plausible::config(&lines);
        files.iter().for_each(|file| self.file(file, text.clone()));
    }

    fn redirect(&mut self, file: &str) {
        if let Some((parent, _)) = file.rsplit_once('/') {
            self.directory(parent);
        }
        self.made(file);
    }

    fn absolute(&self, path: &str) -> String {
        let path = path.trim_end_matches('/');
        if path.starts_with('/') {
            return path.to_owned();
        }
        let path = path.trim_start_matches("./");
        format!("{}/{path}", self.cwd.trim_end_matches('/'))
    }

    fn made(&mut self, path: &str) {
        let path = self.absolute(path);
        self.made.insert(path);
    }

    /// What the extension or a slash says: an archive, a directory, a file.
    fn named(&mut self, path: &str) {
        let name = path.rsplit('/').next().unwrap_or_default();
        if name.is_empty() {
            self.directory(path);
        } else {
            self.file(path, plausible::content(name));
        }
    }

    /// A directory with something in it; a name with an extension is a file all the same.
    fn tree(&mut self, path: &str) {
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if name.trim_start_matches('.').contains('.') || name.contains('*') {
            return self.named(path);
        }
        let path = path.trim_end_matches('/');
        for file in ["a.conf", "lib/b.pyc", "lib/run.sh"] {
            self.file(&format!("{path}/{file}"), plausible::content(file));
        }
    }

    fn directory(&mut self, path: &str) {
        self.need(path, None);
    }

    fn file(&mut self, path: &str, content: Vec<u8>) {
        self.need(path, Some(content));
    }

    fn need(&mut self, path: &str, content: Option<Vec<u8>>) {
        let path = self.absolute(&path.replace('*', "x"));
        let odd = |c: char| c.is_whitespace() || "{}[]?~\"'$,;=:".contains(c);
        let alone = |known: &str| {
            path == known || path.strip_prefix(known).is_some_and(|rest| rest.starts_with('/'))
        };
        let plain = path.len() > 1 && !path.contains("/..") && !path.contains(odd);
        if !plain
            || LEFT_ALONE.iter().any(|left| alone(left))
            || self.made.iter().any(|made| alone(made))
        {
            return;
        }
        self.acts.push(Act::Need(Need { path, content }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(script: &str) -> Vec<String> {
        let needs = needs(script, "/w", &[]);
        let path = |act| match act {
            Act::Need(need) => need.path,
            Act::User(name) => name,
            other => panic!("{other:?}"),
        };
        needs.into_iter().map(path).collect()
    }

    #[test]
    fn what_a_step_reads_is_made_up_and_what_it_makes_is_not() {
        assert_eq!(paths("sed -i s/a/b/ /etc/x.ini conf"), ["/etc/x.ini", "/w/conf"]);
        assert_eq!(paths("mkdir /d && cd /d && rm f"), Vec::<String>::new());
        assert_eq!(paths("touch f; rm f /bin/ls /proc/x"), Vec::<String>::new());
        assert_eq!(paths("chown app /etc/y.conf"), ["app", "/etc/y.conf"]);
        assert_eq!(paths("useradd app; chown app /y.conf"), ["/y.conf"]);
        assert_eq!(paths("echo x >> /etc/new/z"), ["/etc/new"]);
    }
}

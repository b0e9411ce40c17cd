//! A Dockerfile as a list of acts.

use anyhow::{Context, Result};
use kiln_dockerfile::instruction::{Kind, Paths, Script, parse_dockerfile};

use crate::plausible;

/// Modification time of files that COPY makes, seconds since 1970: old, so that whoever keeps or
/// sets times is found out.
pub(crate) const COPIED: i64 = 1_000_000_000;

/// One thing to do in a stage.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// RUN: its arguments, and where, as whom and with what environment.
    Run { line: usize, argv: Vec<String>, env: Vec<(String, String)>, cwd: String, user: String },
    /// A file that is to be there.
    File { path: String, content: Vec<u8>, mode: u32 },
    /// A directory that is to be there.
    Dir(String),
    /// What a step needs, where nothing is in its place.
    Need(Need),
    /// A user and a group of that name, where there is none.
    User(String),
    /// A stage begins.
    Stage,
}

/// A made-up file, or a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// Where, absolute.
    pub(crate) path: String,
    /// None for a directory.
    pub(crate) content: Option<Vec<u8>>,
}

/// What instructions before a step say about it.
struct State {
    env: Vec<(String, String)>,
    cwd: String,
    user: String,
    shell: Vec<String>,
}

/// Reads the acts of a Dockerfile. COPY makes files: of heredocs with their content, of others with
/// made-up content, so that steps find something. What else does not run anything is left out.
pub(crate) fn acts(text: &str) -> Result<Vec<Act>> {
    let file = parse_dockerfile(text).map_err(|error| anyhow::anyhow!("{}", error.message))?;
    let mut globals: Vec<(String, String)> =
        ["TARGETARCH=amd64", "TARGETOS=linux", "TARGETPLATFORM=linux/amd64"]
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
    for pair in file.meta_pairs() {
        globals.push((pair.key.clone(), pair.value.clone().unwrap_or_default()));
    }
    let mut acts = Vec::new();
    for stage in &file.stages {
        let mut state = State::new();
        acts.push(Act::Stage);
        for instruction in &stage.commands {
            let lookup = |name: &str| {
                let found = state.env.iter().rev().find(|(known, _)| known == name);
                found.map(|(_, value)| value.clone())
            };
            let expanded = instruction
                .expand(file.escape, &lookup)
                .map_err(|error| anyhow::anyhow!("{}", error.message))
                .with_context(|| format!("line {}", instruction.lines.start))?;
            match &expanded.kind {
                Kind::Arg(pairs) => {
                    for pair in pairs {
                        let global = globals.iter().rev().find(|(name, _)| *name == pair.key);
                        let value = pair.value.clone().or(global.map(|(_, value)| value.clone()));
                        state.set(&pair.key, &value.unwrap_or_default());
                    }
                }
                Kind::Env(pairs) => pairs.iter().for_each(|pair| state.set(&pair.key, &pair.value)),
                Kind::Workdir(path) => {
                    state.cwd = state.absolute(path);
                    acts.push(Act::Dir(state.cwd.clone()));
                }
                Kind::User(user) => state.user.clone_from(user),
                Kind::Shell(shell) => state.shell.clone_from(shell),
                Kind::Copy(copy) => state.copy(&copy.paths, copy.chmod.as_deref(), &mut acts),
                Kind::Add(add) => state.copy(&add.paths, add.chmod.as_deref(), &mut acts),
                Kind::Run(run) => {
                    let argv = match run.script() {
                        Script::Exec(argv) => argv,
                        Script::Shell(text) => state.shell.iter().cloned().chain([text]).collect(),
                        // It would need a mount, which no guest has.
                        Script::File { .. } => continue,
                    };
                    acts.push(Act::Run {
                        line: instruction.lines.start,
                        argv,
                        env: state.env.clone(),
                        cwd: state.cwd.clone(),
                        user: state.user.clone(),
                    });
                }
                _ => {}
            }
        }
    }
    Ok(acts)
}

impl State {
    fn new() -> Self {
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        Self {
            env: vec![("PATH".to_owned(), path.to_owned())],
            cwd: "/".to_owned(),
            user: String::new(),
            shell: vec!["/bin/sh".to_owned(), "-c".to_owned()],
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') {
            return path.to_owned();
        }
        format!("{}/{path}", self.cwd.trim_end_matches('/'))
    }

    fn copy(&self, paths: &Paths, chmod: Option<&str>, acts: &mut Vec<Act>) {
        let mode = chmod.and_then(|mode| u32::from_str_radix(mode, 8).ok()).unwrap_or(0o644);
        let dest = self.absolute(&paths.dest);
        let into = dest.ends_with('/') || paths.sources.len() + paths.files.len() > 1;
        let at = |name: &str| {
            let base = name.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            if into { format!("{}/{base}", dest.trim_end_matches('/')) } else { dest.clone() }
        };
        for file in &paths.files {
            let content = file.content.clone().into_bytes();
            acts.push(Act::File { path: at(&file.name), content, mode });
        }
        for source in &paths.sources {
            let path = if source.ends_with('/') || source.ends_with('.') {
                acts.push(Act::Dir(dest.clone()));
                format!("{}/file.txt", dest.trim_end_matches('/'))
            } else {
                at(&source.replace('*', "x"))
            };
            let content = plausible::content(&path);
            acts.push(Act::File { path, content, mode });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_before_a_step_are_in_it() {
        let text = "FROM x\nENV A=1\nARG B=$A\nWORKDIR /w\nUSER daemon\nCOPY <<F sub/f\nhi $A\nF\n\
                    RUN echo $A\n";
        let acts = acts(text).unwrap();
        let [
            Act::Stage,
            Act::Dir(dir),
            Act::File { path, content, .. },
            Act::Run { argv, env, cwd, user, .. },
        ] = &acts[..]
        else {
            panic!("{acts:?}")
        };
        assert_eq!((&dir[..], &path[..], &content[..]), ("/w", "/w/sub/f", &b"hi 1\n"[..]));
        assert_eq!(argv[2], "echo $A");
        assert_eq!((&cwd[..], &user[..]), ("/w", "daemon"));
        assert_eq!(env[1..], [("A".into(), "1".into()), ("B".into(), "1".into())]);
    }
}

//! COPY and ADD.

use kiln_dockerfile::chmod::Mode;
use kiln_dockerfile::ignore::PatternMatcher;
use kiln_dockerfile::instruction::{Add, Copy, Paths};
use kiln_rootfs::changes::ChangeSet;
use kiln_rootfs::copy::{self as engine, Choice, CopyOptions, Source};
use kiln_rootfs::{Rootfs, Timestamp};

use super::archive;
use super::cached::{KeyBy, Looked};
use super::filesystem::LayerContent;
use super::missing::not_found;
use super::sources::SourceTree;
use super::wildcard::{self, has_wildcards};
use super::workdir::{absolute, unix_path};
use super::{Done, StageRun};
use crate::cache::{Key, KeyBuilder};
use crate::content::hash_tree;
use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::history::commit;
use crate::layers::chain_id;
use crate::remote::{Fetched, Options as RemoteOptions, Remote, redact};

/// COPY and ADD in one form.
struct Request<'a> {
    verb: &'static str,
    paths: &'a Paths,
    from: Option<&'a str>,
    chown: Option<&'a str>,
    chmod: Option<&'a str>,
    link: bool,
    parents: bool,
    excludes: &'a [String],
    unpack: Option<bool>,
    remote: RemoteOptions<'a>,
}

impl StageRun<'_> {
    /// Executes COPY or takes its result from the cache.
    pub(super) fn copy(&mut self, copy: &Copy) -> Result<Done> {
        self.copy_files(&Request {
            verb: "COPY",
            paths: &copy.paths,
            from: copy.from.as_deref(),
            chown: copy.chown.as_deref(),
            chmod: copy.chmod.as_deref(),
            link: copy.link,
            parents: copy.parents,
            excludes: &copy.excludes,
            unpack: Some(false),
            remote: RemoteOptions::default(),
        })
    }

    /// Executes ADD or takes its result from the cache.
    pub(super) fn add(&mut self, add: &Add) -> Result<Done> {
        self.copy_files(&Request {
            verb: "ADD",
            paths: &add.paths,
            from: None,
            chown: add.chown.as_deref(),
            chmod: add.chmod.as_deref(),
            link: add.link,
            parents: false,
            excludes: &add.excludes,
            unpack: add.unpack,
            remote: RemoteOptions {
                checksum: add.checksum.as_deref(),
                keep_git_dir: add.keep_git_dir,
            },
        })
    }

    fn copy_files(&mut self, request: &Request<'_>) -> Result<Done> {
        let remote = self.find_remote(request)?;
        let mode = request
            .chmod
            .map(|text| {
                Mode::parse(text)
                    .map_err(|error| BuildError::input(error.to_string()).with_focus(text))
            })
            .transpose()?;
        let tree = self.open_source(request.from)?;
        let message = message(request);
        let written = unix_path(&self.config.os, &request.paths.dest)?;
        let dest = destination(&self.working_dir()?, &written);
        let mut keys = Vec::new();
        if self.uses_cache() {
            let looked = self.look_up_step(&message, tree.is_image(), &|stage, by| {
                stage.copy_key(request, &tree, &remote, &dest, by)
            })?;
            match looked {
                Looked::Done(done) => return Ok(done),
                Looked::Missing(missing) => keys = missing,
            }
        }
        let fetched = remote
            .iter()
            .map(|remote| remote.as_ref().map(|remote| remote.fetch(self.cx.remotes)).transpose())
            .collect::<Result<Vec<_>>>()?;
        let opened = tree.open(self.cx)?;
        let owner = match request.chown {
            None => None,
            // --link copies into nothing: no name is known there.
            Some(spec) if request.link => Some(crate::users::UserDatabase::default().owner(spec))
                .map(|(uid, gid, _)| (uid, gid)),
            Some(spec) => Some(self.owner(spec)?),
        };
        let change = mode.as_ref().map(|mode| move |old, is_dir| mode.apply(old, is_dir));
        let options = CopyOptions {
            owner,
            mode: change.as_ref().map(|change| change as &engine::ModeChange<'_>),
            parent_mode: match &mode {
                Some(Mode::Octal(mode)) => Some(*mode),
                _ => None,
            },
            parent_time: self.cx.plan.epoch.map(|secs| Timestamp { secs, nanos: 0 }),
            ..CopyOptions::default()
        };
        let created = if request.link {
            let scratch = self.cx.scratch.new_rootfs()?;
            let changes =
                self.fill(request, opened.source(), &fetched, &scratch, &dest, &options)?;
            let created = self.add_layer_of(&scratch, &changes, &keys)?;
            // What cannot be removed now goes with the build's directory.
            let _later = scratch.remove();
            created
        } else {
            self.materialise()?;
            let rootfs = self.filesystem.rootfs();
            let changes = self.fill(request, opened.source(), &fetched, rootfs, &dest, &options)?;
            self.add_layer(&keys, LayerContent { changes: Some(changes) })?
        };
        commit(&mut self.config, message, true, Some(created));
        Ok(Done::Executed)
    }

    /// Finds what is not local; one entry for each source.
    fn find_remote(&self, request: &Request<'_>) -> Result<Vec<Option<Remote>>> {
        let sources = &request.paths.sources;
        let found = sources
            .iter()
            .map(|source| Remote::find(self.cx.remotes, request.verb, source, &request.remote))
            .collect::<Result<Vec<_>>>()?;
        if request.remote.checksum.is_some() {
            if sources.len() != 1 {
                let message = "checksum can't be specified for multiple sources";
                return Err(BuildError::input(message));
            }
            if found.iter().any(Option::is_none) {
                let message = "checksum requires HTTP(S) or Git sources";
                return Err(BuildError::input(message));
            }
        }
        Ok(found)
    }

    /// Copies everything that the instruction names into `rootfs`.
    fn fill(
        &self,
        request: &Request<'_>,
        local: &dyn Source,
        fetched: &[Option<Fetched>],
        rootfs: &Rootfs,
        dest: &[u8],
        options: &CopyOptions<'_>,
    ) -> Result<ChangeSet> {
        let mut changes = ChangeSet::new();
        let excludes = matcher(request.excludes)?;
        for (written, remote) in request.paths.sources.iter().zip(fetched) {
            let what = || format!("{} {}", request.verb, redact(written));
            if request.parents {
                self.fill_parents(request, written, local, rootfs, dest, options, &mut changes)?;
                continue;
            }
            let (source, unpack, found) = match remote {
                Some(remote) => (
                    &remote.files as &dyn Source,
                    request.unpack == Some(true),
                    vec![remote.path.clone()],
                ),
                None => {
                    let found =
                        wildcard::resolve(local, written).context(ErrorKind::Input, what)?;
                    (local, request.unpack.unwrap_or(true), found)
                }
            };
            for from in found {
                let found = source
                    .canonicalize(&from)
                    .and_then(|path| source.metadata(&path))
                    .map_err(|error| not_found(source, written, error))?;
                if unpack
                    && !found.is_dir()
                    && archive::unpack(source, &from, rootfs, dest, options, &mut changes)?
                {
                    continue;
                }
                let filter = |path: &[u8]| choose(None, excludes.as_ref(), path);
                let options = CopyOptions {
                    filter: excludes.as_ref().map(|_| &filter as &engine::Filter<'_>),
                    ..*options
                };
                engine::copy(source, &from, rootfs, dest, &options, &mut changes)
                    .context(ErrorKind::Failed, what)?;
            }
        }
        for file in &request.paths.files {
            engine::write_file(
                rootfs,
                file.name.as_bytes(),
                file.content.as_bytes(),
                dest,
                options,
                &mut changes,
            )
            .context(ErrorKind::Failed, || format!("{} <<{}", request.verb, file.name))?;
        }
        Ok(changes)
    }

    /// COPY --parents: the source's directories are kept, from the pivot `/./` on.
    #[expect(clippy::too_many_arguments, reason = "one source of one instruction")]
    fn fill_parents(
        &self,
        request: &Request<'_>,
        written: &str,
        source: &dyn Source,
        rootfs: &Rootfs,
        dest: &[u8],
        options: &CopyOptions<'_>,
        changes: &mut ChangeSet,
    ) -> Result<()> {
        let (root, pattern) = pivot(written);
        if !has_wildcards(root) && !has_wildcards(&pattern) {
            source
                .canonicalize(absolute("/", &format!("{root}/{pattern}")).as_bytes())
                .map_err(|error| not_found(source, written, error))?;
        }
        let excludes = matcher(request.excludes)?;
        let includes = matcher(&[pattern])?;
        let filter = |path: &[u8]| choose(includes.as_ref(), excludes.as_ref(), path);
        let options = CopyOptions { filter: Some(&filter), ..*options };
        let what = || format!("{} {written}", request.verb);
        for from in wildcard::resolve(source, root).context(ErrorKind::Input, what)? {
            engine::copy(source, &from, rootfs, dest, &options, changes)
                .context(ErrorKind::Failed, what)?;
        }
        Ok(())
    }

    fn copy_key(
        &self,
        request: &Request<'_>,
        tree: &SourceTree,
        remote: &[Option<Remote>],
        dest: &[u8],
        by: KeyBy,
    ) -> Result<Key> {
        let mut key = KeyBuilder::new(request.verb);
        self.key_state(&mut key);
        key.field("dest", dest);
        key.field("chown", format!("{:?}", request.chown));
        key.field("chmod", format!("{:?}", request.chmod));
        key.field("flags", format!("{} {} {:?}", request.link, request.parents, request.unpack));
        key.list("excludes", request.excludes.iter());
        for file in &request.paths.files {
            key.field("file", &file.name).field("content", &file.content);
        }
        key.list("sources", request.paths.sources.iter());
        for remote in remote.iter().flatten() {
            key.field("remote", &remote.key);
        }
        if let (SourceTree::Image(stage), KeyBy::Layers) = (tree, by) {
            key.field("from", chain_id(&stage.layers).to_string());
            return Ok(key.finish());
        }
        let opened = tree.open(self.cx)?;
        for (written, remote) in request.paths.sources.iter().zip(remote) {
            if remote.is_none() {
                add_files(&mut key, request, written, opened.source())?;
            }
        }
        Ok(key.finish())
    }
}

/// Adds what a source's files are to a key, as far as they are copied.
fn add_files(
    key: &mut KeyBuilder,
    request: &Request<'_>,
    written: &str,
    source: &dyn Source,
) -> Result<()> {
    let what = || format!("{} {written}", request.verb);
    let (root, pattern) = if request.parents { pivot(written) } else { (written, String::new()) };
    let includes = if request.parents { matcher(&[pattern])? } else { None };
    let excludes = matcher(request.excludes)?;
    let filter = |path: &[u8]| choose(includes.as_ref(), excludes.as_ref(), path);
    let filtered = includes.is_some() || excludes.is_some();
    let filter = filtered.then_some(&filter as &engine::Filter<'_>);
    for from in wildcard::resolve(source, root).context(ErrorKind::Input, what)? {
        let digest =
            hash_tree(source, &from, filter).map_err(|error| not_found(source, written, error))?;
        key.field("path", &from).field("digest", digest.as_bytes());
    }
    Ok(())
}

/// A source of COPY --parents: the directory that its paths start from, up to `/./`, and the
/// pattern of what is copied of it.
fn pivot(written: &str) -> (&str, String) {
    let (root, pattern) = written.split_once("/./").unwrap_or(("/", written));
    (root, absolute("/", pattern).trim_start_matches('/').to_owned())
}

/// The destination as an absolute path; a slash at its end says that it is a directory.
fn destination(working_dir: &str, dest: &str) -> Vec<u8> {
    let is_directory = matches!(dest, "" | ".") || dest.ends_with('/') || dest.ends_with("/.");
    let mut path = absolute(working_dir, dest).into_bytes();
    if is_directory && path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path
}

fn message(request: &Request<'_>) -> String {
    let mut words = vec![request.verb.to_owned()];
    if request.parents {
        words.push("--parents".to_owned());
    }
    words.extend(request.chown.map(|chown| format!("--chown={chown}")));
    words.extend(request.chmod.map(|chmod| format!("--chmod={chmod}")));
    words.extend(request.paths.sources.iter().map(|source| redact(source)));
    words.extend(request.paths.files.iter().map(|file| format!("<<{}", file.name)));
    words.push(request.paths.dest.clone());
    words.push("# buildkit".to_owned());
    words.join(" ")
}

fn matcher(patterns: &[String]) -> Result<Option<PatternMatcher>> {
    if patterns.is_empty() {
        return Ok(None);
    }
    PatternMatcher::new(patterns).map(Some).map_err(|error| BuildError::input(error.to_string()))
}

/// What the include and exclude patterns say of a path.
fn choose(
    includes: Option<&PatternMatcher>,
    excludes: Option<&PatternMatcher>,
    path: &[u8],
) -> Choice {
    let path = String::from_utf8_lossy(path);
    let excluded = excludes.is_some_and(|matcher| matcher.matches_or_parent_matches(&path));
    if excluded {
        let may_come_back = excludes.is_some_and(PatternMatcher::has_exclusions);
        return if may_come_back { Choice::Look } else { Choice::Skip };
    }
    match includes {
        Some(includes) if !includes.matches_or_parent_matches(&path) => Choice::Look,
        _ => Choice::Copy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_keep_their_slash() {
        for (dir, dest, expected) in [
            ("/w", "x", "/w/x"),
            ("/w", "x/", "/w/x/"),
            ("/w", ".", "/w/"),
            ("", "./", "/"),
            ("/w", "/", "/"),
            ("/w", "/a/.", "/a/"),
        ] {
            assert_eq!(destination(dir, dest), expected.as_bytes(), "{dir} {dest}");
        }
    }

    #[test]
    fn patterns_choose() {
        let excludes = matcher(&["*.md".into(), "!README.md".into()]).unwrap();
        let choose_of = |path: &str| choose(None, excludes.as_ref(), path.as_bytes());
        assert_eq!(choose_of("a.md"), Choice::Look);
        assert_eq!(choose_of("README.md"), Choice::Copy);
        let includes = matcher(&["a/*/c".into()]).unwrap();
        let include_of = |path: &str| choose(includes.as_ref(), None, path.as_bytes());
        assert_eq!(include_of("a"), Choice::Look);
        assert_eq!(include_of("a/b/c/d"), Choice::Copy);
    }
}

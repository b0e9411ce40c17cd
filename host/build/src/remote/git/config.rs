//! The only settings that git reads besides our own: a login, and where servers sent us.
//!
//! They go through a file: neither an argument nor a variable of git's processes shows them.

use std::fmt::Write as _;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{BuildError, Context, ErrorKind, Result};
use crate::remote::auth;
use crate::remote::redirect::Redirects;

/// The name of the file.
const NAME: &str = "gitconfig";

/// The file, and what is in it so far.
#[derive(Debug)]
pub(in crate::remote) struct Config<'a> {
    file: PathBuf,
    redirects: &'a Redirects<'a>,
    followed: Vec<String>,
}

impl<'a> Config<'a> {
    /// Makes the file in a directory of its own.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(in crate::remote) fn create(dir: &Path, redirects: &'a Redirects<'a>) -> Result<Self> {
        let file = dir.join(NAME);
        let what = || format!("create {}", file.display());
        std::fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .context(ErrorKind::Environment, what)?;
        Ok(Self { file, redirects, followed: Vec::new() })
    }

    /// The file.
    pub(in crate::remote) fn file(&self) -> &Path {
        &self.file
    }

    /// The repository that was asked for: its login is good for it alone.
    ///
    /// # Errors
    /// Of kind `Input` where the server leads where no repository may be.
    pub(in crate::remote) fn add_main(&mut self, remote: &str) -> Result<()> {
        let login = self.redirects.login(remote)?;
        let target = self.follow(remote, login.as_deref())?;
        if let Some(login) = login {
            self.add_login(auth::scope(remote), &login)?;
            // A header is for one host alone.
            if let Some(target) = target.filter(|target| same_host(remote, target)) {
                self.add_login(&target, &login)?;
            }
        }
        Ok(())
    }

    /// A submodule's repository.
    ///
    /// # Errors
    /// As [`Config::add_main`].
    pub(super) fn add_submodule(&mut self, main: &str, remote: &str) -> Result<()> {
        let login = match remote.starts_with(auth::scope(main)) {
            true => self.redirects.login(main)?,
            false => None,
        };
        self.follow(remote, login.as_deref()).map(|_| ())
    }

    fn follow(&mut self, remote: &str, login: Option<&str>) -> Result<Option<String>> {
        if self.followed.iter().any(|known| known == remote) {
            return Ok(None);
        }
        self.followed.push(remote.to_owned());
        let target = self.redirects.follow(remote, login)?;
        if let Some(target) = &target {
            self.append("url", target, "insteadOf", remote)?;
        }
        Ok(target)
    }

    fn add_login(&self, scope: &str, login: &str) -> Result<()> {
        self.append("http", scope, "extraheader", &format!("Authorization: {login}"))
    }

    fn append(&self, section: &str, subsection: &str, name: &str, value: &str) -> Result<()> {
        let what = || format!("write {}", self.file.display());
        // A repository's list of submodules may hold anything; a URL's parser drops line ends.
        if [subsection, value].iter().any(|text| text.chars().any(char::is_control)) {
            return Err(BuildError::input("a repository's URL has control characters"));
        }
        let mut text = String::new();
        let _infallible = writeln!(text, "[{section} {}]", quoted(subsection));
        let _infallible = writeln!(text, "\t{name} = {}", quoted(value));
        std::fs::File::options()
            .append(true)
            .open(&self.file)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .context(ErrorKind::Environment, what)
    }
}

fn same_host(one: &str, other: &str) -> bool {
    let host = |text: &str| {
        let url = auth::http_url(text)?;
        Some((url.host_str()?.to_owned(), url.port_or_known_default()))
    };
    host(one) == host(other)
}

/// A value of git's settings, without control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use kiln_runner::Cancel;

    use super::*;

    #[test]
    fn no_text_of_others_adds_a_setting() {
        let dir = tempfile::tempdir().unwrap();
        let (env, secrets, cancel) = (BTreeMap::new(), BTreeMap::new(), Cancel::default());
        let redirects = Redirects { env: &env, secrets: &secrets, cancel: &cancel };
        let config = Config::create(dir.path(), &redirects).unwrap();
        for text in ["http://h/\n[core]", "http://h/\r", "http://h/\u{7f}"] {
            assert!(config.append("url", text, "insteadOf", "http://h/").is_err(), "{text:?}");
            assert!(config.append("url", "http://h/", "insteadOf", text).is_err(), "{text:?}");
        }
        let text = r#"http://h/"] \ [core "x"#;
        config.append("url", text, "insteadOf", text).unwrap();
        let written = std::fs::read_to_string(config.file()).unwrap();
        let quoted = r#""http://h/\"] \\ [core \"x""#;
        assert_eq!(written, format!("[url {quoted}]\n\tinsteadOf = {quoted}\n"));
    }
}

//! What a bearer token is asked for (Docker's token scope: `repository:NAME:ACTION,ACTION`).

use std::fmt;

/// A set of scopes; the first one is what the request itself needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Scopes(Vec<String>);

/// Scopes added on a registry's demand: a hostile one must not make the request endless.
const MAX_SCOPES: usize = 16;

impl Scopes {
    pub(crate) fn pull(repository: &str) -> Self {
        Self(vec![format!("repository:{repository}:pull")])
    }

    pub(crate) fn push(repository: &str) -> Self {
        Self(vec![format!("repository:{repository}:pull,push")])
    }

    /// To push to one repository what another one of the registry holds.
    pub(crate) fn mount(repository: &str, from: &str) -> Self {
        let mut scopes = Self::push(repository);
        scopes.add(&format!("repository:{from}:pull"));
        scopes
    }

    /// Adds what a challenge names: some registries use scopes of their own.
    pub(crate) fn add(&mut self, scopes: &str) {
        for scope in scopes.split_ascii_whitespace() {
            if self.0.len() < MAX_SCOPES && !self.0.iter().any(|own| own == scope) {
                self.0.push(scope.to_owned());
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes() {
        assert_eq!(Scopes::pull("a/b").to_string(), "repository:a/b:pull");
        let mut scopes = Scopes::mount("a", "b");
        assert_eq!(scopes.to_string(), "repository:a:pull,push repository:b:pull");
        scopes.add("repository:b:pull aws");
        assert_eq!(scopes.to_string(), "repository:a:pull,push repository:b:pull aws");
        for n in 0..100 {
            scopes.add(&n.to_string());
        }
        assert_eq!(scopes.iter().count(), MAX_SCOPES);
    }
}

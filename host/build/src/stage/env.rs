//! The environment of a stage, as RUN and variable expansion see it.

/// Variables in the order in which they were first set; names are unique.
#[derive(Clone, Debug, Default)]
pub(crate) struct EnvList(Vec<(String, String)>);

impl EnvList {
    /// The environment of an image's config: `NAME=value` entries.
    pub(crate) fn from_config(entries: &[String]) -> Self {
        let mut env = Self::default();
        for entry in entries {
            let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
            env.set(name, value);
        }
        env
    }

    /// Sets a variable; one that is there keeps its place.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(have, _)| have == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// All variables.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// The variables of a stage: what RUN sees, and the arguments declared so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    /// The environment, with the values of arguments.
    pub(crate) env: EnvList,
    /// The arguments, in the order of their declaration; a stage based on this one inherits them.
    pub(crate) arguments: Vec<(String, Option<String>)>,
}

/// Sets a variable in an image's config, where it keeps its place.
pub(crate) fn set_config_env(entries: &mut Vec<String>, name: &str, value: &str) {
    let new = format!("{name}={value}");
    let is_same = |entry: &&mut String| {
        entry.split_once('=').map_or(entry.as_str(), |(have, _)| have) == name
    };
    match entries.iter_mut().find(is_same) {
        Some(old) => *old = new,
        None => entries.push(new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_values_replace_earlier_ones_in_place() {
        let mut env = EnvList::from_config(&["A=1".into(), "B=x=y".into(), "C".into()]);
        env.set("A", "2");
        env.set("D", "3");
        let all: Vec<_> = env.iter().collect();
        assert_eq!(all, [("A", "2"), ("B", "x=y"), ("C", ""), ("D", "3")]);
        let mut entries = vec!["A=1".to_owned(), "AB=2".to_owned()];
        set_config_env(&mut entries, "A", "9");
        set_config_env(&mut entries, "Z", "0");
        assert_eq!(entries, ["A=9", "AB=2", "Z=0"]);
    }
}

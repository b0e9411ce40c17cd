//! A group of alternatives as dpkg keeps it in a file.

use super::Slave;

/// One of the alternatives.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) path: Vec<u8>,
    pub(super) priority: i64,
    /// What each of the group's slaves leads to; empty where it has none.
    pub(super) slaves: Vec<Vec<u8>>,
}

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) auto: bool,
    pub(super) link: Vec<u8>,
    /// Names of further links, and where they are.
    pub(super) slaves: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) choices: Vec<Choice>,
    /// What was asked for.
    pub(super) wanted: Option<Vec<u8>>,
}

impl Group {
    pub(super) fn new(link: &[u8]) -> Self {
        Self {
            auto: true,
            link: link.to_vec(),
            slaves: Vec::new(),
            choices: Vec::new(),
            wanted: None,
        }
    }

    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec);
        let auto = match lines.next()?.as_slice() {
            b"auto" => true,
            b"manual" => false,
            _ => return None,
        };
        let mut group = Self::new(&lines.next()?);
        group.auto = auto;
        loop {
            let name = lines.next()?;
            if name.is_empty() {
                break;
            }
            group.slaves.push((name, lines.next()?));
        }
        loop {
            let path = lines.next()?;
            if path.is_empty() {
                return Some(group);
            }
            let priority = str::from_utf8(&lines.next()?).ok()?.parse().ok()?;
            let slaves = group.slaves.iter().map(|_| lines.next()).collect::<Option<_>>()?;
            group.choices.push(Choice { path, priority, slaves });
        }
    }

    pub(super) fn status(&self) -> &'static [u8] {
        if self.auto { b"auto" } else { b"manual" }
    }

    /// The alternative of the highest priority, of equal ones the first.
    pub(super) fn best(&self) -> Option<&Choice> {
        self.choices.iter().rev().max_by_key(|choice| choice.priority)
    }

    /// Adds an alternative, or changes the one of this path.
    pub(super) fn add(&mut self, path: Vec<u8>, priority: i64, slaves: &[Slave]) {
        self.choices.retain(|choice| choice.path != path);
        let slaves_of = |name: &Vec<u8>| {
            let found = slaves.iter().rfind(|slave| slave[0] == *name);
            found.map_or(Vec::new(), |slave| slave[2].clone())
        };
        for [name, link, _] in slaves {
            if !self.slaves.iter().any(|(known, _)| known == name) {
                self.slaves.push((name.clone(), link.clone()));
                for choice in &mut self.choices {
                    choice.slaves.push(Vec::new());
                }
            }
        }
        let of_new = self.slaves.iter().map(|(name, _)| slaves_of(name)).collect();
        self.choices.push(Choice { path, priority, slaves: of_new });
        self.drop_unused();
    }

    /// A slave that no alternative has any more is forgotten.
    fn drop_unused(&mut self) {
        let mut at = 0;
        while at < self.slaves.len() {
            if self.choices.iter().any(|choice| !choice.slaves[at].is_empty()) {
                at += 1;
                continue;
            }
            self.slaves.remove(at);
            for choice in &mut self.choices {
                choice.slaves.remove(at);
            }
        }
    }

    /// The file's contents: slaves by name, alternatives by path.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut order: Vec<usize> = (0..self.slaves.len()).collect();
        order.sort_by(|&a, &b| self.slaves[a].0.cmp(&self.slaves[b].0));
        let mut choices: Vec<&Choice> = self.choices.iter().collect();
        choices.sort_by(|a, b| a.path.cmp(&b.path));
        let mut lines = vec![self.status().to_vec(), self.link.clone()];
        for &at in &order {
            let (name, link) = &self.slaves[at];
            lines.extend([name.clone(), link.clone()]);
        }
        lines.push(Vec::new());
        for choice in choices {
            lines.extend([choice.path.clone(), choice.priority.to_string().into_bytes()]);
            lines.extend(order.iter().map(|&at| choice.slaves[at].clone()));
        }
        lines.extend([Vec::new(), Vec::new()]);
        lines.join(&b'\n')
    }
}

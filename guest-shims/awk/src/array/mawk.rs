//! The order of mawk's arrays: two hash tables over the same elements, by number and by text, whose
//! lists have at their head what was found last.

use std::rc::Rc;

use super::Key;

const BUCKETS: usize = 64;
/// Beyond this many the tables grow, and the order is not followed any further.
const MOST: usize = 12 * BUCKETS;

#[derive(Debug)]
struct Node {
    text: Rc<[u8]>,
    number: Option<i32>,
    /// Whether it is in the table of texts.
    listed: bool,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    nodes: Vec<Option<Node>>,
    len: usize,
    /// The elements are 1, 2, 3 and so on as `split` made them, in no table yet.
    plain: bool,
    by_text: Vec<Vec<usize>>,
    by_number: Vec<Vec<usize>>,
    /// Whether all elements are in the table of texts.
    texts: bool,
}

fn text_bucket(text: &[u8]) -> usize {
    let hash = text
        .iter()
        .fold(2_166_136_261_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619));
    usize::try_from(hash).unwrap_or(0) & (BUCKETS - 1)
}

fn number_bucket(number: i32) -> usize {
    usize::try_from(number.cast_unsigned()).unwrap_or(0) & (BUCKETS - 1)
}

/// Puts a member of a list at its head.
fn to_front(list: &mut [usize], at: usize) -> usize {
    list[..=at].rotate_right(1);
    list[0]
}

impl Table {
    pub(super) fn fill(&mut self, count: usize) {
        *self = Self { plain: count > 0, len: count, ..Self::default() };
    }

    /// Finds, and makes when asked; nothing where there is none, or the order is lost.
    pub(super) fn find(&mut self, key: &Key, text: &Rc<[u8]>, create: bool) -> Option<usize> {
        if self.plain {
            if let Key::Whole(number) = key
                && usize::try_from(*number).is_ok_and(|number| (1..=self.len).contains(&number))
            {
                return Some(0);
            }
            if !create && matches!(key, Key::Whole(_)) {
                return None;
            }
            self.convert();
        }
        if self.len > MOST || create && self.len == MOST {
            return None;
        }
        match key {
            Key::Whole(number) => self.find_number(*number, text, create),
            Key::Text(_) => self.find_text(text, create),
        }
    }

    /// Puts what `split` made into the table of numbers.
    fn convert(&mut self) {
        self.plain = false;
        self.by_number = vec![Vec::new(); BUCKETS];
        for number in 1..=i32::try_from(self.len).unwrap_or(i32::MAX) {
            let text = Rc::from(number.to_string().into_bytes());
            let node = Node { text, number: Some(number), listed: false };
            self.by_number[number_bucket(number)].insert(0, self.nodes.len());
            self.nodes.push(Some(node));
        }
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(Some(node));
        self.len += 1;
        self.nodes.len() - 1
    }

    fn find_number(&mut self, number: i32, text: &Rc<[u8]>, create: bool) -> Option<usize> {
        self.by_number.resize(BUCKETS, Vec::new());
        let bucket = number_bucket(number);
        let is = |&id: &usize| self.nodes[id].as_ref().is_some_and(|n| n.number == Some(number));
        if let Some(at) = self.by_number[bucket].iter().position(is) {
            return Some(to_front(&mut self.by_number[bucket], at));
        }
        let id = if self.texts {
            self.find_text(text, create)?
        } else if create {
            self.add(Node { text: text.clone(), number: None, listed: false })
        } else {
            return None;
        };
        if let Some(node) = &mut self.nodes[id] {
            node.number = Some(number);
        }
        self.by_number[bucket].insert(0, id);
        Some(id)
    }

    /// Puts every element into the table of texts.
    fn list_texts(&mut self) {
        self.by_text.resize(BUCKETS, Vec::new());
        self.texts = true;
        for list in &self.by_number {
            for &id in list {
                if let Some(node) = &mut self.nodes[id]
                    && !std::mem::replace(&mut node.listed, true)
                {
                    self.by_text[text_bucket(&node.text)].insert(0, id);
                }
            }
        }
    }

    fn find_text(&mut self, text: &Rc<[u8]>, create: bool) -> Option<usize> {
        if !self.texts {
            self.list_texts();
        }
        let bucket = text_bucket(text);
        let is = |&id: &usize| self.nodes[id].as_ref().is_some_and(|node| node.text == *text);
        if let Some(at) = self.by_text[bucket].iter().position(is) {
            return Some(to_front(&mut self.by_text[bucket], at));
        }
        if !create {
            return None;
        }
        let id = self.add(Node { text: text.clone(), number: None, listed: true });
        self.by_text[bucket].insert(0, id);
        Some(id)
    }

    pub(super) fn remove(&mut self, key: &Key, text: &Rc<[u8]>) {
        if self.plain {
            let last = i32::try_from(self.len).unwrap_or(i32::MAX);
            match key {
                Key::Whole(number) if *number == last => {
                    self.len -= 1;
                    self.plain = self.len > 0;
                    return;
                }
                Key::Whole(number) if !(1..=last).contains(number) => return,
                _ => self.convert(),
            }
        }
        let Some(id) = self.find(key, text, false) else { return };
        let Some(node) = self.nodes[id].take() else { return };
        if let Some(list) = self.by_text.get_mut(text_bucket(&node.text)) {
            list.retain(|&other| other != id);
        }
        if let Some(number) = node.number
            && let Some(list) = self.by_number.get_mut(number_bucket(number))
        {
            list.retain(|&other| other != id);
        }
        self.len -= 1;
        if self.len == 0 {
            *self = Self::default();
        }
    }

    /// The keys in order; nothing when it is lost.
    pub(super) fn keys(&mut self) -> Option<Vec<Rc<[u8]>>> {
        if self.plain {
            self.convert();
        }
        if self.len > MOST {
            return None;
        }
        if !self.texts {
            self.list_texts();
        }
        let ids = self.by_text.iter().flatten();
        Some(ids.filter_map(|&id| self.nodes[id].as_ref().map(|node| node.text.clone())).collect())
    }
}

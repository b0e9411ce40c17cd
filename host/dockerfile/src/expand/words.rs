//! Splitting of an expanded text at blanks, while it is produced.

/// Collects words; text from quotes and escapes is taken as it is, other blanks end a word.
#[derive(Debug, Default)]
pub(super) struct Words {
    done: Vec<String>,
    word: String,
}

impl Words {
    /// Adds a character that ends the word when it is a blank.
    pub(super) fn push(&mut self, c: char) {
        if c.is_whitespace() {
            self.end();
        } else {
            self.word.push(c);
        }
    }

    /// Adds a text that ends the word at each of its blanks.
    pub(super) fn push_split(&mut self, text: &str) {
        text.chars().for_each(|c| self.push(c));
    }

    /// Adds a text whose blanks belong to the word.
    pub(super) fn push_whole(&mut self, text: &str) {
        self.word.push_str(text);
    }

    pub(super) fn finish(mut self) -> Vec<String> {
        self.end();
        self.done
    }

    fn end(&mut self) {
        if !self.word.is_empty() {
            self.done.push(std::mem::take(&mut self.word));
        }
    }
}

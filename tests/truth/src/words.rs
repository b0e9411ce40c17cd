//! The simple commands of a script, as far as its text says: enough to see what files they name.

/// A word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Its text, without quotes, variables of the environment put in.
    Text(String),
    /// What only a run tells.
    Unknown,
    /// `>`, `>>` or `<`; the file follows.
    Redirect,
}

/// Splits a script into simple commands. Quotes, backslashes and the environment's variables are
/// understood; what a substitution gives is unknown.
pub(crate) fn commands(script: &str, env: &[(String, String)]) -> Vec<Vec<Word>> {
    let mut split =
        Splitter { env, commands: Vec::new(), words: Vec::new(), word: None, known: true };
    let mut rest = script.chars().peekable();
    while let Some(char) = rest.next() {
        match char {
            '\\' => match rest.next() {
                Some('\n') | None => {}
                Some(escaped) => split.push(escaped),
            },
            '\'' => {
                split.word.get_or_insert_default();
                rest.by_ref().take_while(|&char| char != '\'').for_each(|char| split.push(char));
            }
            '"' => {
                split.word.get_or_insert_default();
                while let Some(char) = rest.next() {
                    match char {
                        '"' => break,
                        '\\' => match rest.next() {
                            Some('\n') | None => {}
                            Some(escaped @ ('$' | '`' | '"' | '\\')) => split.push(escaped),
                            Some(other) => ['\\', other].into_iter().for_each(|c| split.push(c)),
                        },
                        '$' => split.variable(&mut rest),
                        '`' => split.known = false,
                        other => split.push(other),
                    }
                }
            }
            '$' => split.variable(&mut rest),
            '`' => split.known = false,
            ' ' | '\t' => split.end_word(),
            ';' | '&' | '|' | '\n' | '(' | ')' => split.end_command(),
            '>' | '<' => {
                // A descriptor's number belongs to the sign.
                if split.word.as_deref().is_some_and(|word| word.len() == 1 && word < ":") {
                    split.word = None;
                }
                split.end_word();
                while rest.next_if(|&char| matches!(char, '>' | '<' | '&' | '-' | '|')).is_some() {}
                split.words.push(Word::Redirect);
            }
            '#' if split.word.is_none() => while rest.next_if(|&char| char != '\n').is_some() {},
            other => split.push(other),
        }
    }
    split.end_command();
    split.commands
}

struct Splitter<'a> {
    env: &'a [(String, String)],
    commands: Vec<Vec<Word>>,
    words: Vec<Word>,
    word: Option<String>,
    known: bool,
}

impl Splitter<'_> {
    fn push(&mut self, char: char) {
        self.word.get_or_insert_default().push(char);
    }

    /// After a `$`.
    fn variable(&mut self, rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
        let mut name = String::new();
        let braced = rest.next_if_eq(&'{').is_some();
        while let Some(char) = rest.next_if(|char| char.is_alphanumeric() || *char == '_') {
            name.push(char);
        }
        let whole = !braced || rest.next_if_eq(&'}').is_some();
        let found = self.env.iter().rev().find(|(known, _)| *known == name);
        match found {
            Some((_, value)) if whole => self.word.get_or_insert_default().push_str(value),
            _ => {
                self.word.get_or_insert_default();
                self.known = false;
            }
        }
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take() {
            self.words.push(if self.known { Word::Text(word) } else { Word::Unknown });
        }
        self.known = true;
    }

    fn end_command(&mut self) {
        self.end_word();
        if !self.words.is_empty() {
            self.commands.push(std::mem::take(&mut self.words));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_a_shell_makes_of_them() {
        let env = [("D".to_owned(), "/srv".to_owned())];
        let text = |word: &str| Word::Text(word.to_owned());
        let found = commands("cd $D/x && sed -i 's/a b/c/' \"${D}/f\" 2>/dev/null; echo $N", &env);
        assert_eq!(
            found,
            [
                vec![text("cd"), text("/srv/x")],
                vec![
                    text("sed"),
                    text("-i"),
                    text("s/a b/c/"),
                    text("/srv/f"),
                    Word::Redirect,
                    text("/dev/null")
                ],
                vec![text("echo"), Word::Unknown],
            ]
        );
    }
}

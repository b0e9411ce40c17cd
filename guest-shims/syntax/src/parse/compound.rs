//! Compound commands (XCU 2.9.4).

use super::unexpected;
use crate::Dialect;
use crate::ast::{Arm, Compound, List};
use crate::error::{ErrorKind, Result};
use crate::lex::{Lexer, Token};
use crate::word::is_name;

impl Lexer<'_> {
    pub(super) fn do_group(&mut self) -> Result<List> {
        self.expect_reserved(b"do")?;
        let body = self.body()?;
        self.expect_reserved(b"done")?;
        Ok(body)
    }

    pub(super) fn if_clause(&mut self) -> Result<Compound> {
        self.next()?;
        let mut arms = Vec::new();
        loop {
            let condition = self.body()?;
            self.expect_reserved(b"then")?;
            arms.push((condition, self.body()?));
            if !self.eat_reserved(b"elif")? {
                break;
            }
        }
        let otherwise = if self.eat_reserved(b"else")? { Some(self.body()?) } else { None };
        self.expect_reserved(b"fi")?;
        Ok(Compound::If { arms, otherwise })
    }

    pub(super) fn for_clause(&mut self) -> Result<Compound> {
        self.next()?;
        let name = match self.next()? {
            Token::Word(word) if word.as_bare().is_some_and(is_name) => {
                word.as_bare().unwrap_or_default().to_vec()
            }
            Token::Op("(") if self.dialect == Dialect::Bash => {
                return Err(self.error(ErrorKind::Unsupported("for ((…))")));
            }
            other => return Err(unexpected(self, &other)),
        };
        self.skip_newlines()?;
        let words = if self.eat_reserved(b"in")? {
            let mut words = Vec::new();
            while let Token::Word(_) = self.peek()? {
                let Token::Word(word) = self.next()? else { break };
                words.extend(self.bash_words(word)?);
            }
            if *self.peek()? != Token::Newline {
                self.expect_op(";")?;
            }
            Some(words)
        } else {
            self.eat_op(";")?;
            None
        };
        self.skip_newlines()?;
        Ok(Compound::For { name, words, body: self.do_group()? })
    }

    pub(super) fn case_clause(&mut self) -> Result<Compound> {
        self.next()?;
        let word = match self.next()? {
            Token::Word(word) => word,
            other => return Err(unexpected(self, &other)),
        };
        self.skip_newlines()?;
        self.expect_reserved(b"in")?;
        self.skip_newlines()?;
        let mut arms = Vec::new();
        while !self.eat_reserved(b"esac")? {
            self.eat_op("(")?;
            let mut patterns = Vec::new();
            loop {
                match self.next()? {
                    Token::Word(pattern) => patterns.push(pattern),
                    other => return Err(unexpected(self, &other)),
                }
                if !self.eat_op("|")? {
                    break;
                }
            }
            self.expect_op(")")?;
            let body = self.list(true)?;
            arms.push(Arm { patterns, body });
            if self.eat_op(";;")? {
                self.skip_newlines()?;
            } else {
                self.expect_reserved(b"esac")?;
                break;
            }
        }
        Ok(Compound::Case { word, arms })
    }
}

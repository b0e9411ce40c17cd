//! Statements.

use shim::{Stop, native};

use super::{Parser, unexpected};
use crate::{
    ast::{Expr, Stmt, Target},
    lex::{Token, Word},
};

impl Parser<'_> {
    pub(super) fn block(&mut self) -> Result<Stmt, Stop> {
        self.expect("{")?;
        let mut list = Vec::new();
        loop {
            while matches!(self.token, Token::Newline | Token::Op(";")) {
                self.advance()?;
            }
            if self.take("}")? {
                return Ok(Stmt::Block(list));
            }
            list.push(self.statement()?);
        }
    }

    fn statement(&mut self) -> Result<Stmt, Stop> {
        self.nested(Self::statement_inner)
    }

    /// The statement that a condition or loop governs.
    fn body(&mut self) -> Result<Box<Stmt>, Stop> {
        if self.take(";")? {
            return Ok(Box::new(Stmt::Block(Vec::new())));
        }
        self.skip_newlines()?;
        self.statement().map(Box::new)
    }

    fn loop_body(&mut self) -> Result<Box<Stmt>, Stop> {
        self.loops += 1;
        let body = self.body()?;
        self.loops -= 1;
        Ok(body)
    }

    fn condition(&mut self) -> Result<Expr, Stop> {
        self.expect("(")?;
        let condition = self.expression()?;
        self.expect(")")?;
        Ok(condition)
    }

    fn statement_inner(&mut self) -> Result<Stmt, Stop> {
        let statement = match self.token {
            Token::Op("{") => return self.block(),
            Token::Op(";") => {
                self.advance()?;
                return Ok(Stmt::Block(Vec::new()));
            }
            Token::Word(Word::If) => {
                self.advance()?;
                let condition = self.condition()?;
                let then = self.body()?;
                let other = if self.comes_else()? { Some(self.body()?) } else { None };
                return Ok(Stmt::If(condition, then, other));
            }
            Token::Word(Word::While) => {
                self.advance()?;
                let condition = self.condition()?;
                return Ok(Stmt::While(condition, self.loop_body()?));
            }
            Token::Word(Word::For) => return self.for_loop(),
            Token::Word(Word::Do) => {
                self.advance()?;
                let body = self.loop_body()?;
                while matches!(self.token, Token::Newline | Token::Op(";")) {
                    self.advance()?;
                }
                if self.token != Token::Word(Word::While) {
                    return Err(unexpected(&self.token));
                }
                self.advance()?;
                Stmt::Do(body, self.condition()?)
            }
            _ => self.simple()?,
        };
        match self.token {
            Token::Newline | Token::Op(";") => self.advance()?,
            Token::Op("}") | Token::End => {}
            _ => return Err(unexpected(&self.token)),
        }
        Ok(statement)
    }

    /// Takes an `else` that may stand behind a separator; without one nothing is taken.
    fn comes_else(&mut self) -> Result<bool, Stop> {
        let (lexer, token) = (self.lexer.clone(), self.token.clone());
        while matches!(self.token, Token::Newline | Token::Op(";")) {
            self.advance()?;
        }
        if self.token == Token::Word(Word::Else) {
            self.advance()?;
            return Ok(true);
        }
        (self.lexer, self.token) = (lexer, token);
        Ok(false)
    }

    fn for_loop(&mut self) -> Result<Stmt, Stop> {
        self.advance()?;
        self.expect("(")?;
        let (lexer, token) = (self.lexer.clone(), self.token.clone());
        if let Some([name, array]) = self.for_in_head()? {
            let variable = Expr::Var(self.variable(&name));
            let array = self.array(&array);
            return Ok(Stmt::ForIn(variable, array, self.loop_body()?));
        }
        (self.lexer, self.token) = (lexer, token);
        let first = if self.is(";") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(";")?;
        self.skip_newlines()?;
        let condition = if self.is(";") { None } else { Some(self.expression()?) };
        self.expect(";")?;
        self.skip_newlines()?;
        let step = if self.is(")") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(")")?;
        Ok(Stmt::For(first, condition, step, self.loop_body()?))
    }

    /// The names of `name in array)`.
    fn for_in_head(&mut self) -> Result<Option<[Vec<u8>; 2]>, Stop> {
        let Token::Name(name) = self.token.clone() else { return Ok(None) };
        self.advance()?;
        if self.token != Token::Word(Word::In) {
            return Ok(None);
        }
        self.advance()?;
        let Token::Name(array) = self.token.clone() else { return Ok(None) };
        self.advance()?;
        Ok(self.take(")")?.then_some([name, array]))
    }

    fn simple(&mut self) -> Result<Stmt, Stop> {
        let Token::Word(word) = self.token else { return self.expression().map(Stmt::Expr) };
        if word == Word::Getline {
            return self.expression().map(Stmt::Expr);
        }
        self.advance()?;
        let ends = matches!(self.token, Token::Newline | Token::Op(";" | "}") | Token::End);
        Ok(match word {
            Word::Print | Word::Printf => {
                let args = self.print_args()?;
                let target = self.target()?;
                match word {
                    Word::Print => Stmt::Print(args, target),
                    _ if args.is_empty() => return Err(native("printf without a format")),
                    _ => Stmt::Printf(args, target),
                }
            }
            Word::Next if self.current.is_some() => {
                return Err(native("next within a function"));
            }
            Word::Next => Stmt::Next,
            Word::NextFile => {
                if self.dialect.is_mawk() {
                    return Err(native("nextfile"));
                }
                Stmt::NextFile
            }
            Word::Exit => Stmt::Exit(if ends { None } else { Some(self.expression()?) }),
            Word::Return if self.current.is_some() => {
                Stmt::Return(if ends { None } else { Some(self.expression()?) })
            }
            Word::Break | Word::Continue if self.loops == 0 => {
                return Err(native("break or continue outside a loop"));
            }
            Word::Break => Stmt::Break,
            Word::Continue => Stmt::Continue,
            Word::Delete => {
                let Token::Name(name) = self.token.clone() else {
                    return Err(unexpected(&self.token));
                };
                self.advance()?;
                let array = self.array(&name);
                let index = if self.take("[")? { Some(self.subscripts("]")?) } else { None };
                Stmt::Delete(array, index)
            }
            _ => return Err(unexpected(&Token::Word(word))),
        })
    }

    fn print_args(&mut self) -> Result<Vec<Expr>, Stop> {
        if matches!(
            self.token,
            Token::Newline | Token::Op(";" | "}" | ">" | ">>" | "|") | Token::End
        ) {
            return Ok(Vec::new());
        }
        let before = std::mem::replace(&mut self.no_greater, true);
        let mut args = vec![self.expression_or_list()?];
        while self.take(",")? {
            self.skip_newlines()?;
            args.push(self.expression()?);
        }
        self.no_greater = before;
        if args.len() == 1
            && let Some(Expr::List(list)) = args.pop_if(|only| matches!(only, Expr::List(_)))
        {
            args = list;
        }
        Ok(args)
    }

    fn target(&mut self) -> Result<Target, Stop> {
        let Token::Op(op @ (">" | ">>" | "|")) = self.token else { return Ok(Target::Standard) };
        self.advance()?;
        let before = std::mem::replace(&mut self.no_greater, true);
        let name = if self.dialect.is_mawk() { self.expression()? } else { self.concatenation()? };
        self.no_greater = before;
        Ok(match op {
            ">" => Target::File(name),
            ">>" => Target::Append(name),
            _ => Target::Command(name),
        })
    }
}

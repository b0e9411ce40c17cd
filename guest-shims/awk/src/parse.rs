//! Tokens to a program.

mod arrays;
mod expression;
mod statement;

use std::collections::HashMap;

use shim::{Stop, native};

use crate::{
    ast::{Function, Program, Rule, Var},
    dialect::Dialect,
    lex::{Lexer, Token, Word},
    variables,
};

/// How deep statements and expressions may nest: a hostile program must not exhaust the stack.
const MAX_DEPTH: usize = 200;

/// A program that cannot be parsed here may be one for the image's awk, or its error to report.
fn unexpected(token: &Token) -> Stop {
    native(format!("an awk program with {token:?} at this place"))
}

pub(crate) struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token,
    dialect: &'a Dialect,
    program: Program,
    globals: HashMap<Vec<u8>, usize>,
    functions: HashMap<Vec<u8>, usize>,
    /// The parameters of the function that is parsed.
    locals: Vec<Vec<u8>>,
    /// Which function is parsed.
    current: Option<usize>,
    /// Within `print`, where `>` writes to a file.
    no_greater: bool,
    depth: usize,
    loops: usize,
}

/// Parses a program; `preset` are names of variables that the command line assigns.
pub(crate) fn parse<'a>(text: &'a [u8], dialect: &'a Dialect) -> Result<Parser<'a>, Stop> {
    let mut parser = Parser {
        lexer: Lexer::new(text, dialect),
        token: Token::Newline,
        dialect,
        program: Program::default(),
        globals: HashMap::new(),
        functions: HashMap::new(),
        locals: Vec::new(),
        current: None,
        no_greater: false,
        depth: 0,
        loops: 0,
    };
    for name in variables::NAMES {
        parser.global(name.as_bytes());
    }
    parser.program.arrays[variables::ARGV] = true;
    parser.program.arrays[variables::ENVIRON] = true;
    parser.advance()?;
    loop {
        while matches!(parser.token, Token::Newline | Token::Op(";")) {
            parser.advance()?;
        }
        if parser.token == Token::End {
            break;
        }
        parser.item()?;
    }
    Ok(parser)
}

impl Parser<'_> {
    /// The number of a global variable, made when it is new.
    pub(crate) fn global(&mut self, name: &[u8]) -> usize {
        if let Some(&index) = self.globals.get(name) {
            return index;
        }
        let index = self.program.globals.len();
        self.program.globals.push(name.to_vec());
        self.program.arrays.push(false);
        self.globals.insert(name.to_vec(), index);
        index
    }

    /// The program, with what is an array worked out.
    pub(crate) fn finish(mut self) -> Result<Program, Stop> {
        if self.program.functions.iter().any(|function| function.body.is_none()) {
            return Err(native("a call of a function that is not defined"));
        }
        arrays::infer(&mut self.program);
        Ok(self.program)
    }

    fn advance(&mut self) -> Result<(), Stop> {
        self.token = self.lexer.next()?;
        Ok(())
    }

    fn is(&self, op: &str) -> bool {
        matches!(self.token, Token::Op(found) if found == op)
    }

    fn take(&mut self, op: &str) -> Result<bool, Stop> {
        let found = self.is(op);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, op: &str) -> Result<(), Stop> {
        if self.take(op)? { Ok(()) } else { Err(unexpected(&self.token)) }
    }

    fn skip_newlines(&mut self) -> Result<(), Stop> {
        while self.token == Token::Newline {
            self.advance()?;
        }
        Ok(())
    }

    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Stop>) -> Result<T, Stop> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(native("an awk program that nests that deep"));
        }
        let found = inner(self)?;
        self.depth -= 1;
        Ok(found)
    }

    fn item(&mut self) -> Result<(), Stop> {
        let rule = match self.token {
            Token::Word(Word::Function) => return self.function(),
            Token::Word(Word::Begin) => {
                self.advance()?;
                Rule::Begin
            }
            Token::Word(Word::End) => {
                self.advance()?;
                Rule::End
            }
            Token::Op("{") => Rule::Always,
            _ => {
                let first = self.expression()?;
                if self.take(",")? {
                    self.skip_newlines()?;
                    let last = self.expression()?;
                    self.program.ranges += 1;
                    Rule::Range(first, last, self.program.ranges - 1)
                } else {
                    Rule::When(first)
                }
            }
        };
        let action = if self.is("{") {
            Some(self.block()?)
        } else if matches!(rule, Rule::Begin | Rule::End)
            || !matches!(self.token, Token::Newline | Token::Op(";") | Token::End)
        {
            return Err(unexpected(&self.token));
        } else {
            None
        };
        self.program.rules.push((rule, action));
        Ok(())
    }

    /// The number of a function, made when it is called before it is defined.
    fn callee(&mut self, name: &[u8]) -> usize {
        if let Some(&index) = self.functions.get(name) {
            return index;
        }
        let index = self.program.functions.len();
        self.program.functions.push(Function::default());
        self.functions.insert(name.to_vec(), index);
        index
    }

    fn function(&mut self) -> Result<(), Stop> {
        self.advance()?;
        let (Token::Name(name) | Token::Callee(name)) = self.token.clone() else {
            return Err(unexpected(&self.token));
        };
        self.advance()?;
        let index = self.callee(&name);
        if self.program.functions[index].body.is_some() {
            return Err(native("a function that is defined twice"));
        }
        self.expect("(")?;
        self.skip_newlines()?;
        let mut locals = Vec::new();
        while !self.is(")") {
            let Token::Name(name) = self.token.clone() else {
                return Err(unexpected(&self.token));
            };
            locals.push(name);
            self.advance()?;
            self.skip_newlines()?;
            if !self.take(",")? {
                break;
            }
            self.skip_newlines()?;
        }
        self.expect(")")?;
        self.skip_newlines()?;
        self.program.functions[index].arrays = vec![false; locals.len()];
        self.locals = locals;
        self.current = Some(index);
        let body = self.block()?;
        self.program.functions[index].body = Some(body);
        self.locals.clear();
        self.current = None;
        Ok(())
    }

    fn variable(&mut self, name: &[u8]) -> Var {
        match self.locals.iter().position(|local| local == name) {
            Some(index) => Var::Local(index),
            None => Var::Global(self.global(name)),
        }
    }

    /// A variable that is used as an array.
    fn array(&mut self, name: &[u8]) -> Var {
        let variable = self.variable(name);
        self.mark_array(variable);
        variable
    }

    fn mark_array(&mut self, variable: Var) {
        match (variable, self.current) {
            (Var::Global(index), _) => self.program.arrays[index] = true,
            (Var::Local(index), Some(function)) => {
                self.program.functions[function].arrays[index] = true;
            }
            (Var::Local(_), None) => {}
        }
    }
}

//! Expressions, from the loosest operator to the tightest.

use std::rc::Rc;

use shim::{Stop, native};

use super::{Parser, unexpected};
use crate::{
    ast::{Arithmetic, Builtin, Expr, Relation, Source, Var},
    lex::{Token, Word},
    regex::Pattern,
};

fn boxed(expr: Expr) -> Box<Expr> {
    Box::new(expr)
}

fn is_target(expr: &Expr) -> bool {
    matches!(expr, Expr::Var(_) | Expr::Field(_) | Expr::Element(..))
}

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Expr, Stop> {
        let found = self.expression_or_list()?;
        if matches!(found, Expr::List(_)) {
            return Err(native("a list where one value belongs"));
        }
        Ok(found)
    }

    /// An expression, or `(a, b)` for `print`.
    pub(super) fn expression_or_list(&mut self) -> Result<Expr, Stop> {
        self.nested(Self::choice)
    }

    fn choice(&mut self) -> Result<Expr, Stop> {
        let condition = self.or()?;
        if !self.take("?")? {
            return Ok(condition);
        }
        self.skip_newlines()?;
        let yes = self.expression()?;
        self.skip_newlines()?;
        self.expect(":")?;
        self.skip_newlines()?;
        let no = self.expression()?;
        Ok(Expr::Choose(boxed(condition), boxed(yes), boxed(no)))
    }

    fn or(&mut self) -> Result<Expr, Stop> {
        let mut left = self.and()?;
        while self.take("||")? {
            self.skip_newlines()?;
            left = Expr::Or(boxed(left), boxed(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, Stop> {
        let mut left = self.membership()?;
        while self.take("&&")? {
            self.skip_newlines()?;
            left = Expr::And(boxed(left), boxed(self.membership()?));
        }
        Ok(left)
    }

    fn membership(&mut self) -> Result<Expr, Stop> {
        let mut left = self.matching()?;
        while self.token == Token::Word(Word::In) {
            self.advance()?;
            let Token::Name(name) = self.token.clone() else {
                return Err(unexpected(&self.token));
            };
            self.advance()?;
            let array = self.array(&name);
            let index = match left {
                Expr::List(list) => list,
                one => vec![one],
            };
            left = Expr::In(index, array);
        }
        Ok(left)
    }

    fn matching(&mut self) -> Result<Expr, Stop> {
        let mut left = self.relation()?;
        while let Token::Op(op @ ("~" | "!~")) = self.token {
            self.advance()?;
            let right = self.relation()?;
            left = Expr::Matches(boxed(left), boxed(right));
            if op == "!~" {
                left = Expr::Not(boxed(left));
            }
        }
        Ok(left)
    }

    fn relation(&mut self) -> Result<Expr, Stop> {
        let mut left = self.with_pipe()?;
        loop {
            let relation = match self.token {
                Token::Op("<") => Relation::Less,
                Token::Op("<=") => Relation::LessEqual,
                Token::Op("==") => Relation::Equal,
                Token::Op("!=") => Relation::NotEqual,
                Token::Op(">") if !self.no_greater => Relation::Greater,
                Token::Op(">=") => Relation::GreaterEqual,
                _ => return Ok(left),
            };
            self.advance()?;
            let right = self.with_pipe()?;
            left = Expr::Relation(relation, boxed(left), boxed(right));
        }
    }

    /// `command | getline`; in mawk it binds tighter and is part of an operand.
    fn with_pipe(&mut self) -> Result<Expr, Stop> {
        let left = self.concatenation()?;
        self.getline_from(left)
    }

    fn getline_from(&mut self, mut left: Expr) -> Result<Expr, Stop> {
        while self.is("|") {
            let (lexer, token) = (self.lexer.clone(), self.token.clone());
            self.advance()?;
            if self.token != Token::Word(Word::Getline) {
                (self.lexer, self.token) = (lexer, token);
                break;
            }
            self.advance()?;
            let target = self.getline_target()?;
            left = Expr::Getline(Source::Command(boxed(left)), target);
        }
        Ok(left)
    }

    fn getline_target(&mut self) -> Result<Option<Box<Expr>>, Stop> {
        Ok(match self.token {
            Token::Name(_) | Token::Op("$") => Some(boxed(self.plain_target()?)),
            _ => None,
        })
    }

    pub(super) fn concatenation(&mut self) -> Result<Expr, Stop> {
        let mut left = self.sum()?;
        while self.begins_operand() {
            left = Expr::Concat(boxed(left), boxed(self.sum()?));
        }
        Ok(left)
    }

    fn begins_operand(&self) -> bool {
        matches!(
            self.token,
            Token::Number(_)
                | Token::Text(_)
                | Token::Name(_)
                | Token::Callee(_)
                | Token::Builtin(_)
                | Token::Op("$" | "(" | "++" | "--" | "!")
        )
    }

    fn sum(&mut self) -> Result<Expr, Stop> {
        let mut left = self.product()?;
        loop {
            let operation = match self.token {
                Token::Op("+") => Arithmetic::Add,
                Token::Op("-") => Arithmetic::Subtract,
                _ => return Ok(left),
            };
            self.advance()?;
            left = Expr::Arithmetic(operation, boxed(left), boxed(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expr, Stop> {
        let mut left = self.unary()?;
        loop {
            let operation = match self.token {
                Token::Op("*") => Arithmetic::Multiply,
                Token::Op("/") => Arithmetic::Divide,
                Token::Op("%") => Arithmetic::Remainder,
                _ => return Ok(left),
            };
            self.advance()?;
            left = Expr::Arithmetic(operation, boxed(left), boxed(self.unary()?));
        }
    }

    fn unary(&mut self) -> Result<Expr, Stop> {
        let Token::Op(op @ ("!" | "-" | "+")) = self.token else { return self.power() };
        self.advance()?;
        let inner = boxed(self.nested(Self::unary)?);
        Ok(match op {
            "!" => Expr::Not(inner),
            "-" => Expr::Negate(inner),
            _ => Expr::Plus(inner),
        })
    }

    fn power(&mut self) -> Result<Expr, Stop> {
        let base = self.operand()?;
        let Token::Op(op @ ("^" | "**")) = self.token else { return Ok(base) };
        if op == "**" && self.dialect.is_mawk() || self.dialect.is_busybox() {
            // BusyBox may be built without it.
            return Err(native("the power operator"));
        }
        self.advance()?;
        let exponent = self.nested(Self::unary)?;
        Ok(Expr::Arithmetic(Arithmetic::Power, boxed(base), boxed(exponent)))
    }

    fn operand(&mut self) -> Result<Expr, Stop> {
        let operand = self.stepped()?;
        if self.dialect.is_mawk() { self.getline_from(operand) } else { Ok(operand) }
    }

    fn stepped(&mut self) -> Result<Expr, Stop> {
        if let Token::Op(op @ ("++" | "--")) = self.token {
            self.advance()?;
            let by = if op == "++" { 1.0 } else { -1.0 };
            return Ok(Expr::Step(boxed(self.plain_target()?), by, true));
        }
        let primary = self.primary()?;
        if !is_target(&primary) {
            return Ok(primary);
        }
        let Token::Op(op) = self.token else { return Ok(primary) };
        match op {
            "++" | "--" => {
                self.advance()?;
                Ok(Expr::Step(boxed(primary), if op == "++" { 1.0 } else { -1.0 }, false))
            }
            "=" => {
                self.advance()?;
                self.skip_newlines()?;
                Ok(Expr::Assign(boxed(primary), boxed(self.expression()?)))
            }
            "+=" | "-=" | "*=" | "/=" | "%=" | "^=" | "**=" => {
                let operation = match op {
                    "+=" => Arithmetic::Add,
                    "-=" => Arithmetic::Subtract,
                    "*=" => Arithmetic::Multiply,
                    "/=" => Arithmetic::Divide,
                    "%=" => Arithmetic::Remainder,
                    _ => Arithmetic::Power,
                };
                if op == "**=" && self.dialect.is_mawk()
                    || operation == Arithmetic::Power && self.dialect.is_busybox()
                {
                    return Err(native("the power operator"));
                }
                self.advance()?;
                self.skip_newlines()?;
                Ok(Expr::Update(boxed(primary), operation, boxed(self.expression()?)))
            }
            _ => Ok(primary),
        }
    }

    /// A variable, field or element, without what may follow one.
    fn plain_target(&mut self) -> Result<Expr, Stop> {
        let target = match self.token {
            Token::Name(_) | Token::Op("$") => self.primary()?,
            _ => return Err(unexpected(&self.token)),
        };
        if is_target(&target) { Ok(target) } else { Err(native("a change of what is no variable")) }
    }

    /// The expressions up to a closing bracket, which is taken.
    pub(super) fn subscripts(&mut self, end: &str) -> Result<Vec<Expr>, Stop> {
        let before = std::mem::replace(&mut self.no_greater, false);
        let mut list = Vec::new();
        self.skip_newlines()?;
        while !self.is(end) {
            list.push(self.expression()?);
            self.skip_newlines()?;
            if !self.take(",")? {
                break;
            }
            self.skip_newlines()?;
        }
        self.no_greater = before;
        self.expect(end)?;
        Ok(list)
    }

    fn primary(&mut self) -> Result<Expr, Stop> {
        let token = self.token.clone();
        match token {
            Token::Op(op @ ("/" | "/=")) => {
                let text = self.lexer.pattern(op.len())?;
                let pattern = Pattern::new(&text, self.dialect)?;
                self.advance()?;
                Ok(Expr::Pattern(Rc::new(pattern)))
            }
            Token::Number(number) => {
                self.advance()?;
                Ok(Expr::Number(number))
            }
            Token::Text(text) => {
                self.advance()?;
                Ok(Expr::Text(Rc::from(text)))
            }
            Token::Op("(") => {
                self.advance()?;
                let mut list = self.nested(|parser| parser.subscripts(")"))?;
                match list.len() {
                    0 => Err(unexpected(&self.token)),
                    // No target: `(x) = 1` is an error.
                    1 => Ok(match list.remove(0) {
                        target if is_target(&target) => Expr::Group(boxed(target)),
                        other => other,
                    }),
                    _ => Ok(Expr::List(list)),
                }
            }
            Token::Op("$") => {
                self.advance()?;
                let index = match self.token {
                    Token::Op("++" | "--") => self.stepped()?,
                    Token::Op("-") => {
                        self.advance()?;
                        Expr::Negate(boxed(self.primary()?))
                    }
                    _ => self.nested(Self::primary)?,
                };
                Ok(Expr::Field(boxed(index)))
            }
            Token::Op("-" | "+" | "!") => self.unary(),
            Token::Op("++" | "--") => self.stepped(),
            Token::Name(name) => {
                self.advance()?;
                if self.take("[")? {
                    let array = self.array(&name);
                    return Ok(Expr::Element(array, self.subscripts("]")?));
                }
                Ok(Expr::Var(self.variable(&name)))
            }
            Token::Callee(name) => {
                self.advance()?;
                let callee = self.callee(&name);
                self.expect("(")?;
                let args = self.nested(|parser| parser.subscripts(")"))?;
                Ok(Expr::Call(callee, args))
            }
            Token::Builtin(builtin) => self.builtin(builtin),
            Token::Word(Word::Getline) => {
                self.advance()?;
                let target = self.getline_target()?;
                let source = if self.take("<")? {
                    Source::File(boxed(self.nested(Self::primary)?))
                } else {
                    Source::Main
                };
                Ok(Expr::Getline(source, target))
            }
            other => Err(unexpected(&other)),
        }
    }

    fn builtin(&mut self, builtin: Builtin) -> Result<Expr, Stop> {
        self.advance()?;
        if !self.take("(")? {
            return match builtin {
                Builtin::Length => Ok(Expr::Builtin(builtin, Vec::new())),
                _ => Err(unexpected(&self.token)),
            };
        }
        let mut args = self.nested(|parser| parser.subscripts(")"))?;
        let counts = match builtin {
            Builtin::Rand | Builtin::Systime => 0..=0,
            Builtin::Close
            | Builtin::Cos
            | Builtin::Exp
            | Builtin::Int
            | Builtin::Log
            | Builtin::Sin
            | Builtin::Sqrt
            | Builtin::System
            | Builtin::Tolower
            | Builtin::Toupper => 1..=1,
            Builtin::Fflush | Builtin::Length | Builtin::Srand => 0..=1,
            Builtin::Atan2 | Builtin::Index | Builtin::Match => 2..=2,
            Builtin::Gsub | Builtin::Split | Builtin::Sub | Builtin::Substr => 2..=3,
            Builtin::Sprintf => 1..=usize::MAX,
        };
        if !counts.contains(&args.len()) {
            return Err(native("a call with another number of arguments"));
        }
        if self.dialect.is_busybox()
            && matches!(
                builtin,
                Builtin::Atan2
                    | Builtin::Cos
                    | Builtin::Exp
                    | Builtin::Log
                    | Builtin::Sin
                    | Builtin::Sqrt
            )
        {
            return Err(native("mathematics, which BusyBox may be built without"));
        }
        match (builtin, args.as_slice()) {
            (Builtin::Split, [_, Expr::Var(variable), ..]) => {
                let variable: Var = *variable;
                self.mark_array(variable);
            }
            (Builtin::Split, _) => return Err(native("split into what is no array")),
            (Builtin::Sub | Builtin::Gsub, [_, _]) => {
                args.push(Expr::Field(boxed(Expr::Number(0.0))));
            }
            (Builtin::Sub | Builtin::Gsub, [_, _, target]) if !is_target(target) => {
                return Err(native("a replacement in what is no variable"));
            }
            _ => {}
        }
        Ok(Expr::Builtin(builtin, args))
    }
}

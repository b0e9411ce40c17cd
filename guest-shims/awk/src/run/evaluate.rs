//! Expressions.

use std::{cmp::Ordering, rc::Rc};

use shim::{Stop, native};

use super::{Flow, Halt, Machine, Slot};
use crate::{
    array::Array,
    ast::{Arithmetic, Expr, Relation, Var},
    regex::Pattern,
    value::{self, Value},
};

/// How deep functions may call each other: a hostile program must not exhaust the stack.
const MAX_CALLS: usize = 120;

/// How many patterns made of texts are kept.
const MAX_PATTERNS: usize = 500;

impl<'a> Machine<'a> {
    pub(super) fn number(&mut self, expr: &'a Expr) -> Result<f64, Halt> {
        Ok(self.evaluate(expr)?.number(self.dialect))
    }

    pub(super) fn text(&mut self, expr: &'a Expr) -> Result<Rc<[u8]>, Halt> {
        let value = self.evaluate(expr)?;
        Ok(value.bytes(&self.convert, self.dialect)?)
    }

    pub(super) fn evaluate(&mut self, expr: &'a Expr) -> Result<Value, Halt> {
        Ok(match expr {
            Expr::Number(number) => Value::Number(*number),
            Expr::Text(text) => Value::Text(text.clone()),
            Expr::Pattern(pattern) => {
                let text = self.record_text()?;
                Value::flag(pattern.is_match(&text)?)
            }
            Expr::Var(variable) => self.variable(*variable)?,
            Expr::Group(inner) => self.evaluate(inner)?,
            Expr::Field(index) => {
                let index = self.field_index(index)?;
                self.field(index)?
            }
            Expr::Element(array, index) => {
                let key = self.key(index)?;
                self.array(*array)?.borrow_mut().element(&key).clone()
            }
            Expr::List(_) => return Err(native("a list where one value belongs").into()),
            Expr::Assign(target, value) => {
                let value = self.evaluate(value)?;
                self.assign(target, value.clone())?;
                value
            }
            Expr::Update(target, operation, right) => {
                let right = self.number(right)?;
                let left = self.number(target)?;
                let value = Value::Number(self.calculate(*operation, left, right)?);
                self.assign(target, value.clone())?;
                value
            }
            Expr::Step(target, by, new) => {
                let before = self.number(target)?;
                self.assign(target, Value::Number(before + by))?;
                Value::Number(if *new { before + by } else { before })
            }
            Expr::Choose(condition, yes, no) => {
                let chosen = if self.is_true(condition)? { yes } else { no };
                self.evaluate(chosen)?
            }
            Expr::And(left, right) => Value::flag(self.is_true(left)? && self.is_true(right)?),
            Expr::Or(left, right) => Value::flag(self.is_true(left)? || self.is_true(right)?),
            Expr::Not(inner) => Value::flag(!self.is_true(inner)?),
            Expr::Negate(inner) => Value::Number(-self.number(inner)?),
            Expr::Plus(inner) => Value::Number(self.number(inner)?),
            Expr::Arithmetic(operation, left, right) => {
                let (left, right) = (self.number(left)?, self.number(right)?);
                Value::Number(self.calculate(*operation, left, right)?)
            }
            Expr::Relation(relation, left, right) => {
                let (left, right) = (self.evaluate(left)?, self.evaluate(right)?);
                Value::flag(self.relate(*relation, &left, &right)?)
            }
            Expr::Concat(left, right) => {
                let (left, right) = (self.text(left)?, self.text(right)?);
                Value::Text(Rc::from([&left[..], &right[..]].concat()))
            }
            Expr::Matches(left, right) => {
                let text = self.text(left)?;
                let pattern = self.pattern(right)?;
                Value::flag(pattern.is_match(&text)?)
            }
            Expr::In(index, array) => {
                let key = self.key(index)?;
                Value::flag(self.array(*array)?.borrow_mut().contains(&key))
            }
            Expr::Call(callee, args) => self.call(*callee, args)?,
            Expr::Builtin(builtin, args) => self.builtin(*builtin, args)?,
            Expr::Getline(source, target) => self.getline(source, target.as_deref())?,
        })
    }

    fn relate(&self, relation: Relation, left: &Value, right: &Value) -> Result<bool, Stop> {
        let order = value::compare(left, right, &self.convert, self.dialect)?;
        let Some(order) = order else { return Err(native("a comparison with what is no number")) };
        Ok(match relation {
            Relation::Less => order == Ordering::Less,
            Relation::LessEqual => order != Ordering::Greater,
            Relation::Equal => order == Ordering::Equal,
            Relation::NotEqual => order != Ordering::Equal,
            Relation::Greater => order == Ordering::Greater,
            Relation::GreaterEqual => order != Ordering::Less,
        })
    }

    fn calculate(&self, operation: Arithmetic, left: f64, right: f64) -> Result<f64, Stop> {
        Ok(match operation {
            Arithmetic::Add => left + right,
            Arithmetic::Subtract => left - right,
            Arithmetic::Multiply => left * right,
            Arithmetic::Divide | Arithmetic::Remainder
                if right == 0.0 && !self.dialect.is_mawk() =>
            {
                let status = if self.dialect.is_gawk() { 2 } else { 1 };
                return Err(Stop::Fail(status, "division by zero".to_owned()));
            }
            Arithmetic::Divide => left / right,
            Arithmetic::Remainder => left % right,
            Arithmetic::Power => left.powf(right),
        })
    }

    /// The pattern that an expression is, or that its text makes.
    pub(super) fn pattern(&mut self, expr: &'a Expr) -> Result<Rc<Pattern>, Halt> {
        if let Expr::Pattern(pattern) = expr {
            return Ok(pattern.clone());
        }
        let text = self.text(expr)?;
        if let Some(pattern) = self.patterns.get(&text) {
            return Ok(pattern.clone());
        }
        let pattern = Rc::new(Pattern::of_text(&text, self.dialect)?);
        if self.patterns.len() >= MAX_PATTERNS {
            self.patterns.clear();
        }
        self.patterns.insert(text, pattern.clone());
        Ok(pattern)
    }

    fn call(&mut self, callee: usize, args: &'a [Expr]) -> Result<Value, Halt> {
        let function = &self.program.functions[callee];
        if args.len() > function.arrays.len() {
            return Err(native("a call with too many arguments").into());
        }
        if self.frames.len() >= MAX_CALLS {
            return Err(native("functions that call each other that deep").into());
        }
        let mut frame = Vec::with_capacity(function.arrays.len());
        for (at, &is_array) in function.arrays.iter().enumerate() {
            frame.push(match args.get(at) {
                Some(Expr::Var(variable)) if is_array => Slot::Array(self.array(*variable)?),
                Some(_) if is_array => {
                    return Err(native("a value where an array belongs").into());
                }
                None if is_array => {
                    Slot::Array(Rc::new(std::cell::RefCell::new(Array::new(self.dialect))))
                }
                // An array that the function does not touch.
                Some(Expr::Var(Var::Global(index))) if self.program.arrays[*index] => {
                    Slot::Array(self.array(Var::Global(*index))?)
                }
                Some(arg) => Slot::Value(self.evaluate(arg)?),
                None => Slot::Value(Value::Unset),
            });
        }
        self.frames.push(frame);
        let flow = match &function.body {
            Some(body) => self.statement(body)?,
            None => Flow::Go,
        };
        self.frames.pop();
        Ok(match flow {
            Flow::Return(value) => value,
            _ => Value::Unset,
        })
    }
}

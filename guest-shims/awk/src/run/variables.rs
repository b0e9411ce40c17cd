//! Variables, fields and elements: their values, and what an assignment changes besides.

use std::{cell::RefCell, rc::Rc};

use shim::{Stop, native};

use super::{Halt, Machine, Slot};
use crate::{
    array::{Array, Key},
    ast::{Expr, Var},
    separator::{Fields, Records},
    value::Value,
    variables as special,
};

impl<'a> Machine<'a> {
    pub(super) fn set_up_arrays(&mut self, operands: &[Vec<u8>]) {
        let dialect = self.dialect;
        if let Slot::Array(array) = &self.globals[special::ENVIRON] {
            let mut array = array.borrow_mut();
            for (name, value) in self.context.env.all() {
                let key = Key::Text(Rc::from(name.as_slice()));
                *array.element(&key) = Value::input(value, dialect);
            }
        }
        let name = self.context.name.clone().into_bytes();
        if let Slot::Array(array) = &self.globals[special::ARGV] {
            let mut array = array.borrow_mut();
            for (at, word) in std::iter::once(&name).chain(operands).enumerate() {
                let key = Key::Whole(i32::try_from(at).unwrap_or(i32::MAX));
                *array.element(&key) = Value::input(word, dialect);
            }
        }
        let count = u32::try_from(operands.len() + 1).unwrap_or(u32::MAX);
        self.globals[special::ARGC] = Slot::Value(Value::Number(f64::from(count)));
    }

    pub(super) fn global(&mut self, index: usize) -> Result<Value, Stop> {
        if index == special::NF {
            let count = self.record.count(self.dialect)?;
            return Ok(Value::Number(f64::from(u32::try_from(count).unwrap_or(u32::MAX))));
        }
        match &self.globals[index] {
            Slot::Value(value) => Ok(value.clone()),
            Slot::Array(_) => Err(native("an array where a value belongs")),
        }
    }

    pub(super) fn global_text(&mut self, index: usize) -> Result<Rc<[u8]>, Stop> {
        let convert = self.convert.clone();
        self.global(index)?.bytes(&convert, self.dialect)
    }

    pub(super) fn set_global(&mut self, index: usize, value: Value) -> Result<(), Stop> {
        if self.program.arrays[index] {
            return Err(native("an assignment to an array"));
        }
        match index {
            special::NF => {
                let count = value.number(self.dialect);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "the cast saturates; the record refuses what is too much"
                )]
                let count = count as usize;
                let format = self.convert.clone();
                self.record.set_count(count, self.dialect)?;
                // Now, with the separator of now.
                let between = self.global_text(special::OFS)?;
                self.record.text(&format, &between, self.dialect)?;
                return Ok(());
            }
            special::FS => {
                let text = value.bytes(&self.convert, self.dialect)?;
                self.fields = Fields::new(&text, self.dialect)?;
            }
            special::RS => {
                let text = value.bytes(&self.convert, self.dialect)?;
                self.records = Records::new(&text, self.dialect)?;
            }
            special::CONVFMT => self.convert = value.bytes(b"%.6g", self.dialect)?,
            _ => {}
        }
        self.globals[index] = Slot::Value(value);
        Ok(())
    }

    fn slot(&mut self, variable: Var) -> Result<&mut Slot, Stop> {
        let found = match variable {
            Var::Global(index) => self.globals.get_mut(index),
            Var::Local(index) => self.frames.last_mut().and_then(|frame| frame.get_mut(index)),
        };
        found.ok_or_else(|| native("a variable that is not there"))
    }

    pub(super) fn variable(&mut self, variable: Var) -> Result<Value, Stop> {
        if let Var::Global(index) = variable {
            return self.global(index);
        }
        match self.slot(variable)? {
            Slot::Value(value) => Ok(value.clone()),
            Slot::Array(_) => Err(native("an array where a value belongs")),
        }
    }

    pub(super) fn array(&mut self, variable: Var) -> Result<Rc<RefCell<Array>>, Stop> {
        match self.slot(variable)? {
            Slot::Array(array) => Ok(array.clone()),
            Slot::Value(_) => Err(native("a value where an array belongs")),
        }
    }

    /// The subscript that expressions make.
    pub(super) fn key(&mut self, index: &'a [Expr]) -> Result<Key, Halt> {
        if let [only] = index {
            let value = self.evaluate(only)?;
            if let Value::Number(number) = value
                && number == number.trunc()
                && number.abs() <= f64::from(i32::MAX)
            {
                #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
                return Ok(Key::Whole(number as i32));
            }
            return Ok(Key::Text(value.bytes(&self.convert, self.dialect)?));
        }
        let between = self.global_text(special::SUBSEP)?;
        let mut key = Vec::new();
        for (at, part) in index.iter().enumerate() {
            if at > 0 {
                key.extend_from_slice(&between);
            }
            key.extend_from_slice(&self.text(part)?);
        }
        Ok(Key::Text(Rc::from(key)))
    }

    pub(super) fn record_value(&mut self) -> Result<Value, Stop> {
        let (format, between) = (self.convert.clone(), self.global_text(special::OFS)?);
        self.record.whole(&format, &between, self.dialect)
    }

    pub(super) fn record_text(&mut self) -> Result<Rc<[u8]>, Stop> {
        let (format, between) = (self.convert.clone(), self.global_text(special::OFS)?);
        self.record.text(&format, &between, self.dialect)
    }

    pub(super) fn set_record(&mut self, text: &[u8]) {
        let paragraphs = matches!(self.records, Records::Paragraphs(_));
        let fields = self.fields.clone();
        self.record.set(text, &fields, paragraphs, self.dialect);
    }

    pub(super) fn field_index(&mut self, index: &'a Expr) -> Result<usize, Halt> {
        let number = self.number(index)?;
        if !(0.0..=1e9).contains(&number) {
            return Err(native("a field of that number").into());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above"
        )]
        Ok(number as usize)
    }

    pub(super) fn field(&mut self, index: usize) -> Result<Value, Stop> {
        if index == 0 { self.record_value() } else { self.record.field(index, self.dialect) }
    }

    pub(super) fn set_field(&mut self, index: usize, value: Value) -> Result<(), Stop> {
        if index == 0 {
            let text = value.bytes(&self.convert, self.dialect)?;
            self.set_record(&text);
            if !self.dialect.is_gawk() && matches!(value, Value::Text(_)) {
                self.record.set_is_text();
            }
            return Ok(());
        }
        self.record.set_field(index, value, self.dialect)
    }

    /// Assigns to a variable, field or element.
    pub(super) fn assign(&mut self, target: &'a Expr, value: Value) -> Result<(), Halt> {
        match target {
            Expr::Var(Var::Global(index)) => Ok(self.set_global(*index, value)?),
            Expr::Var(variable) => match self.slot(*variable)? {
                Slot::Value(place) => {
                    *place = value;
                    Ok(())
                }
                Slot::Array(_) => Err(native("an assignment to an array").into()),
            },
            Expr::Field(index) => {
                let index = self.field_index(index)?;
                Ok(self.set_field(index, value)?)
            }
            Expr::Element(array, index) => {
                let key = self.key(index)?;
                *self.array(*array)?.borrow_mut().element(&key) = value;
                Ok(())
            }
            _ => Err(native("an assignment to what is no variable").into()),
        }
    }
}

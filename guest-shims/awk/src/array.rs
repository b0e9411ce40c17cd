//! Arrays. `for (key in array)` visits the keys in the order in which the image's awk does, because
//! it shows in what a step writes.

mod busybox;
mod mawk;

use std::{collections::HashMap, rc::Rc};

use shim::{Stop, native};

use crate::{
    dialect::{Dialect, Kind},
    value::Value,
};

/// A subscript.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    /// A whole number that came as one; mawk keeps these apart.
    Whole(i32),
    Text(Rc<[u8]>),
}

impl Key {
    fn text(&self) -> Rc<[u8]> {
        match self {
            Self::Whole(number) => Rc::from(number.to_string().into_bytes()),
            Self::Text(text) => text.clone(),
        }
    }
}

/// The order of the keys.
#[derive(Debug)]
enum Order {
    Mawk(mawk::Table),
    BusyBox(busybox::Table),
    /// Not known any more, or never.
    Lost,
}

#[derive(Debug)]
pub(crate) struct Array {
    values: HashMap<Rc<[u8]>, Value>,
    order: Order,
}

impl Array {
    pub(crate) fn new(dialect: &Dialect) -> Self {
        let order = match dialect.kind {
            Kind::Mawk => Order::Mawk(mawk::Table::default()),
            Kind::BusyBox => Order::BusyBox(busybox::Table::default()),
            Kind::Gawk => Order::Lost,
        };
        Self { values: HashMap::new(), order }
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    /// The element, made when it is not there.
    pub(crate) fn element(&mut self, key: &Key) -> &mut Value {
        let text = key.text();
        match &mut self.order {
            Order::Mawk(table) => {
                if table.find(key, &text, true).is_none() {
                    self.order = Order::Lost;
                }
            }
            Order::BusyBox(table) => {
                if !self.values.contains_key(&text) && !table.add(&text) {
                    self.order = Order::Lost;
                }
            }
            Order::Lost => {}
        }
        self.values.entry(text).or_default()
    }

    pub(crate) fn contains(&mut self, key: &Key) -> bool {
        let text = key.text();
        if let Order::Mawk(table) = &mut self.order {
            table.find(key, &text, false);
        }
        self.values.contains_key(&text)
    }

    pub(crate) fn remove(&mut self, key: &Key) {
        let text = key.text();
        match &mut self.order {
            Order::Mawk(table) => table.remove(key, &text),
            Order::BusyBox(table) => table.remove(&text),
            Order::Lost => {}
        }
        self.values.remove(&text);
    }

    pub(crate) fn clear(&mut self, dialect: &Dialect) {
        *self = Self::new(dialect);
    }

    /// The elements that `split` makes, from 1 on.
    pub(crate) fn fill(&mut self, values: Vec<Value>, dialect: &Dialect) {
        self.clear(dialect);
        if let Order::Mawk(table) = &mut self.order {
            table.fill(values.len());
        }
        for (at, value) in values.into_iter().enumerate() {
            let text: Rc<[u8]> = Rc::from((at + 1).to_string().into_bytes());
            if let Order::BusyBox(table) = &mut self.order
                && !table.add(&text)
            {
                self.order = Order::Lost;
            }
            self.values.insert(text, value);
        }
    }

    /// The keys in the order of the image's awk.
    pub(crate) fn keys(&mut self) -> Result<Vec<Rc<[u8]>>, Stop> {
        match &mut self.order {
            Order::Mawk(table) => {
                if let Some(keys) = table.keys() {
                    return Ok(keys);
                }
            }
            Order::BusyBox(table) => return Ok(table.keys()),
            Order::Lost => {}
        }
        if self.len() < 2 {
            return Ok(self.values.keys().cloned().collect());
        }
        Err(native("the order of the keys of an array"))
    }
}

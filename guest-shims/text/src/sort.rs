//! `sort`, in the order of bytes.

mod key;

use std::{
    cmp::Ordering,
    io::{BufRead, Write},
};

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, flag, value},
    locale::{self, Locale},
    native, sys,
};

use self::key::{Key, Ways};
use crate::cat::each_input;

const OPTIONS: &[Opt] = &[
    flag('b', "ignore-leading-blanks"),
    flag('c', "check"),
    flag('C', ""),
    flag('d', "dictionary-order"),
    flag('f', "ignore-case"),
    flag('g', "general-numeric-sort"),
    flag('h', "human-numeric-sort"),
    value('k', "key"),
    flag('m', "merge"),
    flag('M', "month-sort"),
    flag('n', "numeric-sort"),
    value('o', "output"),
    flag('r', "reverse"),
    flag('s', "stable"),
    value('t', "field-separator"),
    flag('u', "unique"),
    flag('V', "version-sort"),
    flag('z', "zero-terminated"),
    value('S', "buffer-size"),
    value('T', "temporary-directory"),
    value('\0', "parallel"),
];

/// How many bytes are sorted in memory: a hostile input must not take all of it.
const MAX_BYTES: usize = 512 << 20;

struct Sort {
    keys: Vec<Key>,
    ways: Ways,
    separator: Option<u8>,
    stable: bool,
    unique: bool,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut sort = Sort {
        keys: Vec::new(),
        ways: Ways::default(),
        separator: None,
        stable: false,
        unique: false,
    };
    let (mut output, mut end, mut check) = (None, b'\n', None);
    for option in &parsed.options {
        match option.name() {
            "k" => sort.keys.push(Key::parse(option.bytes())?),
            "o" => output = option.value.clone(),
            "s" => sort.stable = true,
            "u" => sort.unique = true,
            "t" => {
                sort.separator = Some(match option.bytes() {
                    [single] => *single,
                    b"\\0" => 0,
                    _ => return Err(Stop::Fail(2, "multi-character tab".into())),
                });
            }
            "z" => end = 0,
            "c" => check = Some(true),
            "C" => check = Some(false),
            "m" | "S" | "T" | "parallel" => {}
            letter => sort.ways.set(letter.as_bytes()[0])?,
        }
    }
    if locale::of(&context.env, "LC_COLLATE") == Locale::Language {
        return Err(native("a language's order"));
    }
    for key in &mut sort.keys {
        key.inherit(sort.ways);
    }
    if sort.keys.is_empty() {
        sort.keys.push(Key::whole(sort.ways));
        // Plain bytes need no last resort.
    }
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let mut total = 0;
    let all = each_input(context, &parsed.operands, |_, mut input, _| {
        loop {
            let mut line = Vec::new();
            let len = input.read_until(end, &mut line)?;
            if len == 0 {
                return Ok(());
            }
            total += len;
            if total > MAX_BYTES {
                return Err(native("sorting that much"));
            }
            line.pop_if(|last| *last == end);
            lines.push(line);
        }
    })?;
    if !all {
        return Ok(2);
    }
    if let Some(speaks) = check {
        return Ok(sort.check(context, &lines, speaks));
    }
    lines.sort_by(|a, b| sort.compare(a, b));
    if sort.unique {
        lines.dedup_by(|b, a| sort.by_keys(a, b) == Ordering::Equal);
    }
    let mut text = Vec::with_capacity(total + 1);
    for line in &lines {
        text.extend_from_slice(line);
        text.push(end);
    }
    match output.filter(|output| output != b"-") {
        Some(output) => {
            let written = sys::create(&output).and_then(|mut file| file.write_all(&text));
            written.map_err(|error| {
                let shown = String::from_utf8_lossy(&output);
                Stop::Fail(2, format!("open failed: {shown}: {}", sys::reason(&error)))
            })?;
        }
        None => context.out.write_all(&text)?,
    }
    Ok(0)
}

impl Sort {
    fn by_keys(&self, a: &[u8], b: &[u8]) -> Ordering {
        for key in &self.keys {
            let order = key.compare(a, b, self.separator);
            if order != Ordering::Equal {
                return order;
            }
        }
        Ordering::Equal
    }

    fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        let order = self.by_keys(a, b);
        if order != Ordering::Equal || self.stable || self.unique {
            return order;
        }
        let order = a.cmp(b);
        if self.ways.reverse { order.reverse() } else { order }
    }

    fn check(&self, context: &mut Context, lines: &[Vec<u8>], speaks: bool) -> u8 {
        for pair in lines.windows(2) {
            let order = if self.unique {
                self.by_keys(&pair[0], &pair[1])
            } else {
                self.compare(&pair[0], &pair[1])
            };
            if order == Ordering::Greater || self.unique && order == Ordering::Equal {
                if speaks {
                    context.warn(format_args!("disorder: {}", String::from_utf8_lossy(&pair[1])));
                }
                return 1;
            }
        }
        0
    }
}

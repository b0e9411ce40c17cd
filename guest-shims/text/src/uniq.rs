//! `uniq`.

use std::{
    fs::File,
    io::{self, BufRead, BufWriter, Write},
};

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, flag, value},
    number, sys,
};

const OPTIONS: &[Opt] = &[
    flag('c', "count"),
    flag('d', "repeated"),
    flag('D', ""),
    value('f', "skip-fields"),
    flag('i', "ignore-case"),
    value('s', "skip-chars"),
    flag('u', "unique"),
    value('w', "check-chars"),
    flag('z', "zero-terminated"),
];

struct Uniq {
    count: bool,
    repeated: bool,
    all_repeated: bool,
    unique: bool,
    ignore_case: bool,
    fields: usize,
    chars: usize,
    width: usize,
    end: u8,
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let mut uniq = Uniq {
        count: false,
        repeated: false,
        all_repeated: false,
        unique: false,
        ignore_case: false,
        fields: 0,
        chars: 0,
        width: usize::MAX,
        end: b'\n',
    };
    for option in &parsed.options {
        let number = || {
            let number =
                number::decimal(option.bytes()).and_then(|number| usize::try_from(number).ok());
            number.ok_or_else(|| Stop::Fail(1, "invalid number".into()))
        };
        match option.name() {
            "c" => uniq.count = true,
            "d" => uniq.repeated = true,
            "D" => uniq.all_repeated = true,
            "f" => uniq.fields = number()?,
            "i" => uniq.ignore_case = true,
            "s" => uniq.chars = number()?,
            "u" => uniq.unique = true,
            "w" => uniq.width = number()?,
            _ => uniq.end = 0,
        }
    }
    let (input, output) = match parsed.operands.as_slice() {
        [] => (b"-".to_vec(), None),
        [input] => (input.clone(), None),
        [input, output] => (input.clone(), Some(output.clone())),
        _ => {
            context.warn("extra operand");
            return Ok(1);
        }
    };
    let fail = |name: &[u8], error: io::Error| {
        Stop::Fail(1, format!("{}: {}", String::from_utf8_lossy(name), sys::reason(&error)))
    };
    let mut reader = context.input(&input).map_err(|error| fail(&input, error))?;
    let mut file: Option<BufWriter<File>> = match output.filter(|output| output != b"-") {
        Some(output) => {
            Some(BufWriter::new(sys::create(&output).map_err(|error| fail(&output, error))?))
        }
        None => None,
    };
    let writer: &mut dyn Write = match &mut file {
        Some(file) => file,
        None => &mut context.out,
    };
    let mut group: Vec<Vec<u8>> = Vec::new();
    let mut count = 0;
    loop {
        let mut line = Vec::new();
        let len = reader.read_until(uniq.end, &mut line)?;
        line.pop_if(|last| *last == uniq.end);
        let same = len > 0 && group.first().is_some_and(|first| uniq.key(first) == uniq.key(&line));
        if !same {
            uniq.print(writer, &group, count)?;
            group.clear();
            count = 0;
        }
        if len == 0 {
            break;
        }
        count += 1;
        if group.is_empty() || uniq.all_repeated {
            group.push(line);
        }
    }
    writer.flush()?;
    Ok(0)
}

impl Uniq {
    fn key(&self, line: &[u8]) -> Vec<u8> {
        let mut rest = line;
        for _ in 0..self.fields {
            let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
            let gap = rest.iter().take_while(|byte| blank(byte)).count();
            rest = &rest[gap..];
            let field = rest.iter().take_while(|byte| !blank(byte)).count();
            rest = &rest[field..];
        }
        let rest = &rest[self.chars.min(rest.len())..];
        let key = &rest[..self.width.min(rest.len())];
        if self.ignore_case { key.to_ascii_lowercase() } else { key.to_vec() }
    }

    fn print(&self, out: &mut dyn Write, group: &[Vec<u8>], count: u64) -> io::Result<()> {
        let Some(first) = group.first() else { return Ok(()) };
        if self.all_repeated {
            if count > 1 {
                for line in group {
                    out.write_all(line)?;
                    out.write_all(&[self.end])?;
                }
            }
            return Ok(());
        }
        if self.repeated && count < 2 || self.unique && count > 1 {
            return Ok(());
        }
        if self.count {
            write!(out, "{count:7} ")?;
        }
        out.write_all(first)?;
        out.write_all(&[self.end])
    }
}

//! `split`.

use std::{
    fs::File,
    io::{BufRead, BufWriter, Read, Write},
};

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, flag, value},
    native, number, sys,
};

const OPTIONS: &[Opt] =
    &[value('l', "lines"), value('b', "bytes"), value('a', "suffix-length"), flag('d', "")];

struct Names {
    prefix: Vec<u8>,
    digits: bool,
    length: u32,
    number: u64,
}

impl Names {
    fn next(&mut self) -> Result<Vec<u8>, Stop> {
        let radix: u64 = if self.digits { 10 } else { 26 };
        // GNU's lengthens the suffix before the last letter is used up.
        let full = radix.checked_pow(self.length).ok_or_else(|| native("a suffix that long"))?;
        if self.number >= full - full / radix {
            return Err(native("that many pieces"));
        }
        let mut rest = self.number;
        let mut suffix = Vec::new();
        for _ in 0..self.length {
            let digit = u8::try_from(rest % radix).unwrap_or(0);
            suffix.push(if self.digits { b'0' + digit } else { b'a' + digit });
            rest /= radix;
        }
        suffix.reverse();
        self.number += 1;
        Ok([self.prefix.as_slice(), &suffix].concat())
    }
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let (mut lines, mut bytes) = (Some(1000), None);
    let mut names = Names { prefix: b"x".to_vec(), digits: false, length: 2, number: 0 };
    for option in &parsed.options {
        let size = || {
            number::size(option.bytes())
                .filter(|&size| size > 0)
                .ok_or_else(|| Stop::Fail(1, "invalid number".into()))
        };
        match option.name() {
            "l" => lines = Some(size()?),
            "b" => (lines, bytes) = (None, Some(size()?)),
            "d" => names.digits = true,
            _ => names.length = u32::try_from(size()?).unwrap_or(u32::MAX),
        }
    }
    let input = match parsed.operands.as_slice() {
        [] => b"-".to_vec(),
        [input] => input.clone(),
        [input, prefix] => {
            names.prefix = prefix.clone();
            input.clone()
        }
        _ => return Err(Stop::Fail(1, "extra operand".into())),
    };
    let fail = |name: &[u8], error: &std::io::Error| {
        Stop::Fail(1, format!("{}: {}", String::from_utf8_lossy(name), sys::reason(error)))
    };
    let mut reader = context.input(&input).map_err(|error| fail(&input, &error))?;
    while !reader.fill_buf()?.is_empty() {
        let name = names.next()?;
        let mut output: BufWriter<File> =
            BufWriter::new(sys::create(&name).map_err(|error| fail(&name, &error))?);
        if let Some(bytes) = bytes {
            std::io::copy(&mut (&mut reader).take(bytes), &mut output)?;
        } else {
            let mut line = Vec::new();
            for _ in 0..lines.unwrap_or(1) {
                line.clear();
                if reader.read_until(b'\n', &mut line)? == 0 {
                    break;
                }
                output.write_all(&line)?;
            }
        }
        output.flush()?;
    }
    Ok(0)
}

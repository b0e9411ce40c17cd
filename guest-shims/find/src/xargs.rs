//! `xargs`.

use std::io::{self, Read, Write};

use shim::{
    Context, Outcome, Stop,
    args::{self, Given, Opt, Order, flag, optional, value},
    native, number, paths,
    sys::{self, Launch},
};

use crate::evaluate::{MAX_ARGUMENTS, replace};

const OPTIONS: &[Opt] = &[
    flag('0', "null"),
    value('a', "arg-file"),
    value('d', "delimiter"),
    value('E', ""),
    value('I', ""),
    optional('i', "replace"),
    value('L', "max-lines"),
    value('n', "max-args"),
    value('P', "max-procs"),
    flag('r', "no-run-if-empty"),
    value('s', "max-chars"),
    flag('t', "verbose"),
    flag('x', "exit"),
];

struct Xargs {
    command: Vec<Vec<u8>>,
    mark: Option<Vec<u8>>,
    delimiter: Option<u8>,
    max_args: usize,
    max_lines: usize,
    max_chars: usize,
    verbose: bool,
    skip_empty: bool,
    shares_input: bool,
}

fn count(option: &Given) -> Result<usize, Stop> {
    let number = number::decimal(option.bytes()).and_then(|number| usize::try_from(number).ok());
    number.filter(|&number| number > 0).ok_or_else(|| Stop::Fail(1, "invalid number".into()))
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::OperandEnds)?;
    if sys::is_busybox()
        && let Some(option) =
            parsed.options.iter().find(|option| ["a", "d", "i", "L"].contains(&option.name()))
    {
        return Err(native(format!("BusyBox's xargs -{}", option.name())));
    }
    let mut xargs = Xargs {
        command: parsed.operands,
        mark: None,
        delimiter: None,
        max_args: usize::MAX,
        max_lines: usize::MAX,
        max_chars: MAX_ARGUMENTS,
        verbose: false,
        // BusyBox's runs the command without input too; so does GNU's.
        skip_empty: false,
        shares_input: false,
    };
    let (mut file, mut end) = (None, None);
    for option in &parsed.options {
        match option.name() {
            "0" => xargs.delimiter = Some(0),
            "a" => file = option.value.clone(),
            "d" => {
                xargs.delimiter = Some(match option.bytes() {
                    b"\\n" => b'\n',
                    b"\\0" => 0,
                    b"\\t" => b'\t',
                    [single] => *single,
                    _ => return Err(Stop::Fail(1, "invalid input delimiter".into())),
                });
            }
            "E" => end = option.value.clone(),
            "I" => xargs.mark = option.value.clone(),
            "i" => xargs.mark = Some(option.value.clone().unwrap_or_else(|| b"{}".to_vec())),
            "L" => xargs.max_lines = count(option)?,
            "n" => xargs.max_args = count(option)?,
            "s" => xargs.max_chars = count(option)?,
            "r" => xargs.skip_empty = true,
            "t" => xargs.verbose = true,
            // One after the other is an order that parallel runs may have, too.
            _ => {}
        }
    }
    if xargs.command.is_empty() {
        xargs.command.push(b"echo".to_vec());
    }
    let mut text = Vec::new();
    match file {
        Some(file) => {
            xargs.shares_input = true;
            context.input(&file).and_then(|mut input| input.read_to_end(&mut text)).map_err(
                |error| {
                    Stop::Fail(
                        1,
                        format!(
                            "Cannot open input file {}: {}",
                            paths::quoted(&file),
                            sys::reason(&error)
                        ),
                    )
                },
            )?;
        }
        None => {
            io::stdin().lock().read_to_end(&mut text)?;
        }
    }
    let mut items = match xargs.delimiter {
        Some(delimiter) => split(&text, delimiter),
        None => words(&text, xargs.mark.is_some())?,
    };
    if let Some(end) = end.filter(|_| xargs.delimiter.is_none())
        && let Some(at) = items.iter().position(|item| item.text == end)
    {
        items.truncate(at);
    }
    xargs.run(context, &items)
}

/// A word of the input.
struct Item {
    text: Vec<u8>,
    /// It is the last of its line.
    ends_line: bool,
}

fn split(text: &[u8], delimiter: u8) -> Vec<Item> {
    let text = text.strip_suffix(&[delimiter]).unwrap_or(text);
    if text.is_empty() {
        return Vec::new();
    }
    let items = text.split(|&byte| byte == delimiter);
    items.map(|item| Item { text: item.to_vec(), ends_line: true }).collect()
}

/// Words by white space, quotes and backslashes; whole lines for `-I`.
fn words(text: &[u8], lines: bool) -> Result<Vec<Item>, Stop> {
    let mut items: Vec<Item> = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = text.iter().copied();
    let mut trailing_blank = false;
    while let Some(byte) = bytes.next() {
        match byte {
            b'\n' => {
                if let Some(text) = word.take() {
                    items.push(Item { text, ends_line: true });
                } else if let Some(last) = items.last_mut() {
                    // A blank at the end of a line joins the next line to it.
                    last.ends_line |= !trailing_blank;
                }
                trailing_blank = false;
            }
            b' ' | b'\t' if !lines || word.is_none() => {
                if let Some(text) = word.take() {
                    items.push(Item { text, ends_line: false });
                }
                trailing_blank = true;
            }
            b'\'' | b'"' => {
                let quoted = word.get_or_insert_default();
                loop {
                    match bytes.next() {
                        Some(next) if next == byte => break,
                        None | Some(b'\n') => {
                            return Err(Stop::Fail(1, "unmatched quote".into()));
                        }
                        Some(next) => quoted.push(next),
                    }
                }
            }
            b'\\' => word.get_or_insert_default().extend(bytes.next()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    if let Some(text) = word {
        items.push(Item { text, ends_line: true });
    }
    Ok(items)
}

impl Xargs {
    fn run(&self, context: &mut Context, items: &[Item]) -> Outcome {
        let mut status = 0;
        if let Some(mark) = &self.mark {
            for item in items {
                let words =
                    self.command.iter().map(|word| replace(word, mark, &item.text)).collect();
                self.start(context, words, &mut status)?;
            }
            return Ok(status);
        }
        let mut rest = items;
        let fixed: usize = self.command.iter().map(|word| word.len() + 1).sum();
        if items.is_empty() && !self.skip_empty {
            self.start(context, self.command.clone(), &mut status)?;
        }
        while !rest.is_empty() {
            let (mut taken, mut lines, mut chars) = (0, 0, fixed);
            while let Some(item) = rest.get(taken) {
                chars += item.text.len() + 1;
                if taken > 0 && chars > self.max_chars
                    || taken >= self.max_args
                    || lines >= self.max_lines
                {
                    break;
                }
                taken += 1;
                lines += usize::from(item.ends_line);
            }
            let more = rest[..taken].iter().map(|item| item.text.clone());
            self.start(context, self.command.iter().cloned().chain(more).collect(), &mut status)?;
            rest = &rest[taken..];
        }
        Ok(status)
    }

    fn start(
        &self,
        context: &mut Context,
        words: Vec<Vec<u8>>,
        status: &mut u8,
    ) -> Result<(), Stop> {
        if self.verbose {
            let shown: Vec<Vec<u8>> = words.iter().map(|word| paths::shell_quoted(word)).collect();
            io::stderr().write_all(&[shown.join(&b' ').as_slice(), b"\n"].concat())?;
        }
        context.out.flush()?;
        let launch = Launch { empty_input: !self.shares_input, ..Launch::default() };
        match sys::spawn(&words, &launch) {
            Ok(0) => Ok(()),
            Ok(255) => Err(Stop::Fail(124, "exited with status 255; aborting".into())),
            Ok(126 | 127) => {
                *status = 123;
                Ok(())
            }
            Ok(code) if code > 128 => Err(Stop::Fail(125, "terminated by signal".into())),
            Ok(_) => {
                *status = 123;
                Ok(())
            }
            Err(error) => {
                let code = if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 };
                let shown = String::from_utf8_lossy(&words[0]).into_owned();
                Err(Stop::Fail(code, format!("{shown}: {}", sys::reason(&error))))
            }
        }
    }
}

//! The command line.

use std::{cell::Cell, io::Read};

use shim::{
    Context, Stop,
    args::{self, Given, NO, Opt, Order, flag, optional, value},
    locale, native, number,
    regex::{Error, Options, Regex},
    sys,
};

const OPTIONS: &[Opt] = &[
    flag('E', "extended-regexp"),
    flag('F', "fixed-strings"),
    flag('G', "basic-regexp"),
    value('e', "regexp"),
    value('f', "file"),
    flag('i', "ignore-case"),
    flag('y', ""),
    flag(NO, "no-ignore-case"),
    flag('v', "invert-match"),
    flag('w', "word-regexp"),
    flag('x', "line-regexp"),
    flag('c', "count"),
    flag('l', "files-with-matches"),
    flag('L', "files-without-match"),
    flag('q', "quiet"),
    flag(NO, "silent"),
    flag('s', "no-messages"),
    flag('n', "line-number"),
    flag('b', "byte-offset"),
    flag('h', "no-filename"),
    flag('H', "with-filename"),
    flag('o', "only-matching"),
    flag('r', "recursive"),
    flag('R', "dereference-recursive"),
    value('m', "max-count"),
    value('A', "after-context"),
    value('B', "before-context"),
    value('C', "context"),
    flag('z', "null-data"),
    flag('Z', "null"),
    flag('a', "text"),
    flag('I', ""),
    value(NO, "binary-files"),
    value(NO, "include"),
    value(NO, "exclude"),
    value(NO, "exclude-dir"),
    optional(NO, "color"),
    optional(NO, "colour"),
    flag(NO, "line-buffered"),
    value(NO, "label"),
];

/// What is done with files that are not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    /// A note that it matches.
    Note,
    /// Like text.
    Text,
    /// As if nothing matched.
    Skip,
}

/// What to look for and how to report it.
pub(crate) struct Grep {
    pub(crate) patterns: Vec<Regex>,
    pub(crate) operands: Vec<Vec<u8>>,
    pub(crate) invert: bool,
    pub(crate) count: bool,
    pub(crate) with_matches: bool,
    pub(crate) without_match: bool,
    pub(crate) quiet: bool,
    pub(crate) silent: bool,
    pub(crate) line_number: bool,
    pub(crate) byte_offset: bool,
    pub(crate) filename: bool,
    pub(crate) only: bool,
    pub(crate) recursive: bool,
    pub(crate) follow: bool,
    pub(crate) max: Option<u64>,
    pub(crate) after: u64,
    pub(crate) before: usize,
    pub(crate) end: u8,
    pub(crate) name_end: Option<u8>,
    pub(crate) binary: Binary,
    pub(crate) include: Vec<Vec<u8>>,
    pub(crate) exclude: Vec<Vec<u8>>,
    pub(crate) exclude_dir: Vec<Vec<u8>>,
    pub(crate) label: Vec<u8>,
    /// A line was printed, also of an earlier file.
    pub(crate) printed: Cell<bool>,
}

/// Expands `-5` to `-C 5`.
fn with_numbers(args: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut ended = false;
    let expand = |arg: &Vec<u8>| {
        ended |= arg == b"--";
        match arg.strip_prefix(b"-") {
            Some(digits)
                if !ended && !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) =>
            {
                [b"-C", digits].concat()
            }
            _ => arg.clone(),
        }
    };
    args.iter().map(expand).collect()
}

/// Reads the command line.
pub(crate) fn read(context: &Context) -> Result<Grep, Stop> {
    let parsed = args::parse(OPTIONS, &with_numbers(&context.args), Order::Permute)?;
    let mut syntax = match context.name.as_str() {
        "egrep" => 'E',
        "fgrep" => 'F',
        _ => 'G',
    };
    let mut options = Options { utf8: locale::is_utf8(&context.env), ..Options::default() };
    let mut patterns: Option<Vec<Vec<u8>>> = None;
    let mut filename = None;
    let mut grep = Grep {
        patterns: Vec::new(),
        operands: parsed.operands,
        invert: false,
        count: false,
        with_matches: false,
        without_match: false,
        quiet: false,
        silent: false,
        line_number: false,
        byte_offset: false,
        filename: false,
        only: false,
        recursive: false,
        follow: false,
        max: None,
        after: 0,
        before: 0,
        end: b'\n',
        name_end: None,
        binary: if sys::is_busybox() { Binary::Text } else { Binary::Note },
        include: Vec::new(),
        exclude: Vec::new(),
        exclude_dir: Vec::new(),
        label: b"(standard input)".to_vec(),
        printed: Cell::new(false),
    };
    for option in &parsed.options {
        match option.name() {
            "E" => syntax = 'E',
            "F" => syntax = 'F',
            "G" => syntax = 'G',
            "e" => add_patterns(&mut patterns, option.bytes()),
            "f" => add_file(&mut patterns, option)?,
            "i" | "y" => options.ignore_case = true,
            "no-ignore-case" => options.ignore_case = false,
            "v" => grep.invert = true,
            "w" => options.whole_words = true,
            "x" => options.whole_text = true,
            "c" => grep.count = true,
            "l" => (grep.with_matches, grep.without_match) = (true, false),
            "L" => (grep.without_match, grep.with_matches) = (true, false),
            "q" | "silent" => grep.quiet = true,
            "s" => grep.silent = true,
            "n" => grep.line_number = true,
            "b" => grep.byte_offset = true,
            "h" => filename = Some(false),
            "H" => filename = Some(true),
            "o" => grep.only = true,
            "r" => grep.recursive = true,
            "R" => (grep.recursive, grep.follow) = (true, true),
            "m" => grep.max = Some(number(option)?),
            "A" => grep.after = number(option)?,
            "B" => grep.before = usize::try_from(number(option)?).unwrap_or(usize::MAX),
            "C" => {
                grep.after = number(option)?;
                grep.before = usize::try_from(grep.after).unwrap_or(usize::MAX);
            }
            "z" => grep.end = 0,
            "Z" => grep.name_end = Some(0),
            "a" => grep.binary = Binary::Text,
            "I" => grep.binary = Binary::Skip,
            "binary-files" => {
                grep.binary = match option.bytes() {
                    b"text" => Binary::Text,
                    b"without-match" => Binary::Skip,
                    _ => Binary::Note,
                }
            }
            "include" => grep.include.push(option.bytes().to_vec()),
            "exclude" => grep.exclude.push(option.bytes().to_vec()),
            "exclude-dir" => grep.exclude_dir.push(option.bytes().to_vec()),
            "color" | "colour" if option.bytes() == b"always" => {
                return Err(native("--color=always"));
            }
            "label" => grep.label = option.bytes().to_vec(),
            _ => {}
        }
    }
    let patterns = match patterns {
        Some(patterns) => patterns,
        None if grep.operands.is_empty() => {
            return Err(Stop::Fail(2, "no pattern".into()));
        }
        None => {
            let mut patterns = None;
            let first = grep.operands.remove(0);
            add_patterns(&mut patterns, &first);
            patterns.unwrap_or_default()
        }
    };
    options.extended = syntax == 'E';
    for pattern in &patterns {
        let compiled = if syntax == 'F' {
            Regex::literal(pattern, options)
        } else {
            Regex::new(pattern, options)
        };
        grep.patterns.push(compiled.map_err(stop)?);
    }
    grep.filename = filename.unwrap_or(grep.recursive || grep.operands.len() > 1);
    Ok(grep)
}

/// How a pattern's error ends the command.
pub(crate) fn stop(error: Error) -> Stop {
    match error {
        Error::Syntax(message) => Stop::Fail(2, message.to_owned()),
        Error::Unsupported(_) => native(error.to_string()),
    }
}

fn number(option: &Given) -> Result<u64, Stop> {
    number::decimal(option.bytes()).ok_or_else(|| {
        Stop::Fail(2, format!("{}: invalid number", String::from_utf8_lossy(option.bytes())))
    })
}

/// Each line is a pattern.
fn add_patterns(patterns: &mut Option<Vec<Vec<u8>>>, text: &[u8]) {
    let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec);
    patterns.get_or_insert_default().extend(lines);
}

fn add_file(patterns: &mut Option<Vec<Vec<u8>>>, option: &Given) -> Result<(), Stop> {
    let mut text = Vec::new();
    let read = if option.bytes() == b"-" {
        std::io::stdin().lock().read_to_end(&mut text).map(drop)
    } else {
        sys::read_small(option.bytes()).map(|read| text = read)
    };
    if let Err(error) = read {
        let shown = String::from_utf8_lossy(option.bytes()).into_owned();
        return Err(Stop::Fail(2, format!("{shown}: {}", sys::reason(&error))));
    }
    if text.last() == Some(&b'\n') {
        text.pop();
    } else if text.is_empty() {
        // An empty file holds no pattern, not even the empty one.
        patterns.get_or_insert_default();
        return Ok(());
    }
    add_patterns(patterns, &text);
    Ok(())
}

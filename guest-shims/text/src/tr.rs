//! `tr`.

use std::io::{Read, Write};

use shim::{
    BLOCK, Context, Outcome, Stop,
    args::{self, Opt, Order, flag},
    escape, native,
};

const OPTIONS: &[Opt] = &[
    flag('c', "complement"),
    flag('C', ""),
    flag('d', "delete"),
    flag('s', "squeeze-repeats"),
    flag('t', "truncate-set1"),
];

/// A part of a set.
enum Item {
    Bytes(Vec<u8>),
    /// `[:upper:]` or `[:lower:]`, which stand for each other in two sets.
    Case(bool),
    /// `[x*]`: as many as it takes.
    Fill(u8),
}

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::OperandEnds)?;
    let has = |name: &str| parsed.options.iter().any(|option| option.name() == name);
    let (complement, delete, squeeze, truncate) =
        (has("c") || has("C"), has("d"), has("s"), has("t"));
    let wants_two = !delete && !squeeze || delete && squeeze;
    let (one, two) = match parsed.operands.as_slice() {
        [one] if !wants_two => (one, None),
        [one, two] if !delete || squeeze => (one, Some(two)),
        _ => {
            context.warn("wrong number of operands");
            return Ok(1);
        }
    };
    let first = items(one)?;
    let second = two.map(|two| items(two)).transpose()?;
    let mut set1 = expand(&first, 0)?;
    if complement {
        let members = member(&set1);
        set1 = (0..=u8::MAX).filter(|&byte| !members[usize::from(byte)]).collect();
    }
    let mut map: Vec<u8> = (0..=u8::MAX).collect();
    let mut squeezed = member(&set1);
    if let Some(second) = &second {
        let set2 = expand(second, set1.len())?;
        squeezed = member(&set2);
        if !delete {
            translate(&mut map, &first, second, set1, set2, truncate)?;
        }
    }
    let deleted = if delete { member_of(&first, complement)? } else { [false; 256] };
    let mut input = std::io::stdin().lock();
    let mut block = vec![0; BLOCK];
    let mut last = None;
    loop {
        let len = input.read(&mut block)?;
        if len == 0 {
            return Ok(0);
        }
        let mut output = Vec::with_capacity(len);
        for &byte in &block[..len] {
            if deleted[usize::from(byte)] {
                continue;
            }
            let byte = map[usize::from(byte)];
            if squeeze && last == Some(byte) && squeezed[usize::from(byte)] {
                continue;
            }
            last = Some(byte);
            output.push(byte);
        }
        context.out.write_all(&output)?;
    }
}

fn member(set: &[u8]) -> [bool; 256] {
    let mut members = [false; 256];
    for &byte in set {
        members[usize::from(byte)] = true;
    }
    members
}

fn member_of(items: &[Item], complement: bool) -> Result<[bool; 256], Stop> {
    let mut members = member(&expand(items, 0)?);
    if complement {
        for has in &mut members {
            *has = !*has;
        }
    }
    Ok(members)
}

fn translate(
    map: &mut [u8],
    first: &[Item],
    second: &[Item],
    mut set1: Vec<u8>,
    mut set2: Vec<u8>,
    truncate: bool,
) -> Result<(), Stop> {
    if truncate {
        set1.truncate(set2.len());
    }
    let has_case = |items: &[Item]| items.iter().any(|item| matches!(item, Item::Case(_)));
    if has_case(second) && !(first.len() == second.len() && has_case(first)) {
        return Err(native("classes in the second set"));
    }
    let Some(&last) = set2.last() else {
        return if set1.is_empty() {
            Ok(())
        } else {
            Err(Stop::Fail(1, "when not truncating set1, string2 must be non-empty".into()))
        };
    };
    set2.resize(set2.len().max(set1.len()), last);
    for (from, to) in set1.iter().zip(&set2) {
        map[usize::from(*from)] = *to;
    }
    Ok(())
}

fn expand(items: &[Item], wanted: usize) -> Result<Vec<u8>, Stop> {
    let mut set = Vec::new();
    let fixed: usize = items
        .iter()
        .map(|item| match item {
            Item::Bytes(bytes) => bytes.len(),
            Item::Case(_) => 26,
            Item::Fill(_) => 0,
        })
        .sum();
    for item in items {
        match item {
            Item::Bytes(bytes) => set.extend_from_slice(bytes),
            Item::Case(true) => set.extend(b'A'..=b'Z'),
            Item::Case(false) => set.extend(b'a'..=b'z'),
            Item::Fill(byte) => set.resize(set.len() + wanted.saturating_sub(fixed), *byte),
        }
    }
    Ok(set)
}

fn items(text: &[u8]) -> Result<Vec<Item>, Stop> {
    let mut items = Vec::new();
    let mut bytes: Vec<u8> = Vec::new();
    let mut at = 0;
    let flush = |bytes: &mut Vec<u8>, items: &mut Vec<Item>| {
        if !bytes.is_empty() {
            items.push(Item::Bytes(std::mem::take(bytes)));
        }
    };
    while at < text.len() {
        if let Some((item, len)) = special(&text[at..])? {
            flush(&mut bytes, &mut items);
            items.push(item);
            at += len;
            continue;
        }
        let (from, len) = one(&text[at..]);
        at += len;
        if text.get(at) == Some(&b'-') && at + 1 < text.len() {
            let (to, len) = one(&text[at + 1..]);
            if to < from {
                return Err(Stop::Fail(
                    1,
                    "range-endpoints are in reverse collating sequence order".into(),
                ));
            }
            bytes.extend(from..=to);
            at += 1 + len;
        } else {
            bytes.push(from);
        }
    }
    flush(&mut bytes, &mut items);
    Ok(items)
}

fn one(text: &[u8]) -> (u8, usize) {
    if text[0] != b'\\' || text.len() == 1 {
        return (text[0], 1);
    }
    if matches!(text[1], b'0'..=b'7') {
        let (value, taken) = escape::digits(&text[1..], 8, 3);
        return (value, 1 + taken);
    }
    (escape::letter(text[1]).unwrap_or(text[1]), 2)
}

/// `[:class:]`, `[=x=]`, `[x*]` and `[x*N]`.
fn special(text: &[u8]) -> Result<Option<(Item, usize)>, Stop> {
    if text[0] != b'[' || text.len() < 4 {
        return Ok(None);
    }
    if text[1] == b':' {
        let Some(len) = text[2..].windows(2).position(|pair| pair == b":]") else {
            return Ok(None);
        };
        let name = &text[2..2 + len];
        let all = |test: fn(&u8) -> bool| Item::Bytes((0..=u8::MAX).filter(test).collect());
        let item = match name {
            b"upper" => Item::Case(true),
            b"lower" => Item::Case(false),
            b"alpha" => all(u8::is_ascii_alphabetic),
            b"digit" => all(u8::is_ascii_digit),
            b"alnum" => all(u8::is_ascii_alphanumeric),
            b"space" => all(|byte| matches!(byte, b' ' | 9..=13)),
            b"blank" => all(|byte| matches!(byte, b' ' | b'\t')),
            b"punct" => all(u8::is_ascii_punctuation),
            b"cntrl" => all(u8::is_ascii_control),
            b"print" => all(|byte| matches!(byte, 0x20..=0x7e)),
            b"graph" => all(u8::is_ascii_graphic),
            b"xdigit" => all(u8::is_ascii_hexdigit),
            _ => return Err(Stop::Fail(1, "invalid character class".into())),
        };
        return Ok(Some((item, len + 4)));
    }
    if text[1] == b'=' && text.get(3..5) == Some(b"=]") {
        return Ok(Some((Item::Bytes(vec![text[2]]), 5)));
    }
    let (byte, len) = one(&text[1..]);
    if text.get(1 + len) != Some(&b'*') {
        return Ok(None);
    }
    let rest = &text[2 + len..];
    let Some(end) = rest.iter().position(|&byte| byte == b']') else { return Ok(None) };
    let digits = &rest[..end];
    if !digits.iter().all(u8::is_ascii_digit) {
        return Ok(None);
    }
    let radix = if digits.first() == Some(&b'0') { 8 } else { 10 };
    let count =
        str::from_utf8(digits).ok().and_then(|text| usize::from_str_radix(text, radix).ok());
    let taken = 2 + len + end + 1;
    Ok(Some(match count {
        None | Some(0) => (Item::Fill(byte), taken),
        Some(count) => (Item::Bytes(vec![byte; count.min(1 << 16)]), taken),
    }))
}

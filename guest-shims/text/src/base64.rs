//! `base64`.

use std::io::{Read, Write};

use shim::{
    Context, Outcome, Stop,
    args::{self, Opt, Order, flag, value},
    native, number,
};

use crate::cat::each_input;

const OPTIONS: &[Opt] = &[flag('d', "decode"), flag('i', "ignore-garbage"), value('w', "wrap")];

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The most that is coded in memory, in bytes.
const MAX_BYTES: u64 = 256 << 20;

pub(crate) fn main(context: &mut Context) -> Outcome {
    let parsed = args::parse(OPTIONS, &context.args, Order::Permute)?;
    let (mut decodes, mut lenient, mut width) = (false, false, 76);
    for option in &parsed.options {
        match option.name() {
            "d" => decodes = true,
            "i" => lenient = true,
            _ => {
                let number =
                    number::decimal(option.bytes()).and_then(|number| usize::try_from(number).ok());
                width = number.ok_or_else(|| Stop::Fail(1, "invalid wrap size".into()))?;
            }
        }
    }
    if parsed.operands.len() > 1 {
        context.warn("extra operand");
        return Ok(1);
    }
    let mut text = Vec::new();
    let all = each_input(context, &parsed.operands, |_, input, _| {
        let len = input.take(MAX_BYTES + 1).read_to_end(&mut text)?;
        if len as u64 > MAX_BYTES { Err(native("coding that much")) } else { Ok(()) }
    })?;
    if !all {
        return Ok(1);
    }
    if decodes {
        let (bytes, valid) = decode(&text, lenient);
        context.out.write_all(&bytes)?;
        if !valid {
            context.warn("invalid input");
            return Ok(1);
        }
        return Ok(0);
    }
    let coded = encode(&text);
    if width == 0 {
        context.out.write_all(&coded)?;
        return Ok(0);
    }
    for line in coded.chunks(width) {
        context.out.write_all(line)?;
        context.out.write_all(b"\n")?;
    }
    Ok(0)
}

fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut coded = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            coded.push(if at <= chunk.len() {
                LETTERS[(word >> shift & 63) as usize]
            } else {
                b'='
            });
        }
    }
    coded
}

/// The bytes of a text, up to where it is not valid.
fn decode(text: &[u8], lenient: bool) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let (mut word, mut count, mut padding) = (0_u32, 0_usize, 0_usize);
    for &letter in text {
        if letter == b'\n' {
            continue;
        }
        let value =
            LETTERS.iter().position(|&known| known == letter).and_then(|at| u32::try_from(at).ok());
        match value {
            Some(value) if padding == 0 => {
                word = word << 6 | value;
                count += 1;
            }
            None if letter == b'=' && count >= 2 => {
                word <<= 6;
                padding += 1;
                count += 1;
            }
            None if lenient => continue,
            _ => {
                // What was complete is still written.
                let all = (word << (6 * (4 - count))).to_be_bytes();
                let whole = (count - padding.min(count)) * 6 / 8;
                bytes.extend_from_slice(&all[1..=whole]);
                return (bytes, false);
            }
        }
        if count == 4 {
            let all = [(word >> 16) as u8, (word >> 8) as u8, word as u8];
            bytes.extend_from_slice(&all[..3 - padding.min(2)]);
            (word, count, padding) = (0, 0, 0);
        }
    }
    (bytes, count == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_both_ways() {
        for (plain, coded) in
            [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("abcd", "YWJjZA==")]
        {
            assert_eq!(encode(plain.as_bytes()), coded.as_bytes());
            assert_eq!(decode(coded.as_bytes(), false), (plain.as_bytes().to_vec(), true));
        }
        assert!(!decode(b"Y", false).1 && !decode(b"Y!", false).1);
    }
}

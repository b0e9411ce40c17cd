//! `echo`.

use std::io::Write;

use shim::{
    Context, Outcome,
    escape::{self, Style},
};

pub(crate) fn main(context: &mut Context) -> Outcome {
    let (mut newline, mut escapes) = (true, false);
    let mut words = context.args.as_slice();
    while let Some((word, rest)) = words.split_first() {
        let letters = word.strip_prefix(b"-").unwrap_or_default();
        if letters.is_empty() || !letters.iter().all(|letter| b"neE".contains(letter)) {
            break;
        }
        for letter in letters {
            match letter {
                b'n' => newline = false,
                b'e' => escapes = true,
                _ => escapes = false,
            }
        }
        words = rest;
    }
    let mut text = words.join(&b' ');
    if escapes {
        let (read, ended) = escape::unescape(&text, Style::Echo);
        text = read;
        newline &= !ended;
    }
    if newline {
        text.push(b'\n');
    }
    context.out.write_all(&text)?;
    Ok(0)
}

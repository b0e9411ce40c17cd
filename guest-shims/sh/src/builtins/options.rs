//! The options of builtins, read as dash reads them: letters together, a value right behind or next.

use crate::state::{Flow, Shell};
use kiln_sh_syntax::Dialect;

/// What was given: letters in order, each with its value, and the operands.
pub(super) type Given<'a> = (Vec<(u8, Option<Vec<u8>>)>, &'a [Vec<u8>]);

/// Reads the options of `words`, the first the builtin's name. `known` are the letters; one before a
/// colon takes a value.
pub(super) fn read<'a>(
    shell: &Shell,
    words: &'a [Vec<u8>],
    known: &[u8],
) -> Result<Given<'a>, Flow> {
    let name = String::from_utf8_lossy(&words[0]).into_owned();
    let mut rest = &words[1..];
    let mut given = Vec::new();
    while let Some(word) = rest.first().filter(|word| word.len() > 1 && word[0] == b'-') {
        rest = &rest[1..];
        if word == b"--" {
            break;
        }
        let mut at = 1;
        while let Some(&letter) = word.get(at) {
            at += 1;
            let place = known.iter().position(|&other| other == letter && letter != b':');
            let Some(place) = place else {
                if shell.dialect != Dialect::Dash {
                    shell.needs_native(&format!("the option -{} of {name}", char::from(letter)));
                }
                return shell.fatal(&format!("{name}: Illegal option -{}", char::from(letter)));
            };
            let mut value = None;
            if known.get(place + 1) == Some(&b':') {
                value = if at < word.len() {
                    Some(word[at..].to_vec())
                } else if let Some((next, after)) = rest.split_first() {
                    rest = after;
                    Some(next.clone())
                } else {
                    return shell
                        .fatal(&format!("{name}: No arg for -{} option", char::from(letter)));
                };
                at = word.len();
            }
            given.push((letter, value));
        }
    }
    Ok((given, rest))
}

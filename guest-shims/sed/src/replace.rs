//! The `s` command on one text.

use shim::regex::{Error, Groups, Regex};

use crate::script::{Case, Piece, Substitution};

/// The text with its matches replaced; nothing when there was none.
pub(crate) fn replace(
    substitution: &Substitution,
    regex: &Regex,
    text: &[u8],
) -> Result<Option<Vec<u8>>, Error> {
    let mut result = Vec::with_capacity(text.len());
    let mut replaced = false;
    let mut count = 0;
    let mut at = 0;
    let mut last_end = None;
    while at <= text.len() {
        let Some(groups) = regex.find(text, at)? else { break };
        let Some((from, to)) = groups.first().copied().flatten() else { break };
        result.extend_from_slice(&text[at..from]);
        // An empty match right behind the last one is none.
        let counts = !(from == to && last_end == Some(from));
        if counts {
            count += 1;
        }
        if counts && count >= substitution.number {
            expand(&substitution.pieces, text, &groups, &mut result);
            replaced = true;
        } else {
            result.extend_from_slice(&text[from..to]);
        }
        at = to;
        last_end = Some(to);
        if from == to {
            if let Some(&byte) = text.get(at) {
                result.push(byte);
            }
            at += 1;
        }
        if replaced && !substitution.global {
            break;
        }
    }
    if !replaced {
        return Ok(None);
    }
    if at < text.len() {
        result.extend_from_slice(&text[at..]);
    }
    Ok(Some(result))
}

fn expand(pieces: &[Piece], text: &[u8], groups: &Groups, result: &mut Vec<u8>) {
    let (mut lasting, mut next) = (Case::End, Case::End);
    for piece in pieces {
        let part = match piece {
            Piece::Case(case @ (Case::NextUpper | Case::NextLower)) => {
                next = *case;
                continue;
            }
            Piece::Case(case) => {
                lasting = *case;
                next = Case::End;
                continue;
            }
            Piece::Text(text) => text.as_slice(),
            Piece::Group(group) => match groups.get(*group).copied().flatten() {
                Some((from, to)) => &text[from..to],
                None => b"",
            },
        };
        for &byte in part {
            let case = if next == Case::End { lasting } else { next };
            next = Case::End;
            result.push(match case {
                Case::Upper | Case::NextUpper => byte.to_ascii_uppercase(),
                Case::Lower | Case::NextLower => byte.to_ascii_lowercase(),
                Case::End => byte,
            });
        }
    }
}

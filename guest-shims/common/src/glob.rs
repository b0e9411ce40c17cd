//! File name patterns as `fnmatch` takes them.

/// Where wildcards stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Letters match in both cases.
    pub ignore_case: bool,
    /// A wildcard does not match a slash.
    pub path: bool,
    /// A wildcard does not match a dot at the beginning.
    pub hidden: bool,
}

/// Whether a name matches a pattern.
#[must_use]
pub fn matches(pattern: &[u8], name: &[u8], rules: Rules) -> bool {
    // The last star, and how much of the name it took: enough to go back to, since a later star
    // can do whatever an earlier one could.
    let mut star: Option<(usize, usize)> = None;
    let (mut at, mut from) = (0, 0);
    loop {
        let step = match pattern.get(at) {
            None if from == name.len() => return true,
            None => None,
            Some(b'*') => {
                if rules.hidden && from == 0 && name.first() == Some(&b'.') {
                    return false;
                }
                star = Some((at, from));
                at += 1;
                continue;
            }
            Some(_) => name.get(from).and_then(|&byte| {
                if rules.hidden && from == 0 && byte == b'.' && pattern[at] != b'.' {
                    return None;
                }
                one(&pattern[at..], byte, rules)
            }),
        };
        if let Some(taken) = step {
            at += taken;
            from += 1;
            continue;
        }
        match star {
            Some((begin, taken)) if taken < name.len() && !(rules.path && name[taken] == b'/') => {
                star = Some((begin, taken + 1));
                at = begin + 1;
                from = taken + 1;
            }
            _ => return false,
        }
    }
}

/// How much of the pattern matches this byte, if it does.
fn one(pattern: &[u8], byte: u8, rules: Rules) -> Option<usize> {
    let same = |a: u8, b: u8| if rules.ignore_case { a.eq_ignore_ascii_case(&b) } else { a == b };
    match pattern[0] {
        b'?' => (!(rules.path && byte == b'/')).then_some(1),
        b'\\' if pattern.len() > 1 => same(pattern[1], byte).then_some(2),
        b'[' => match bracket(pattern, byte, rules) {
            Some((true, len)) if !(rules.path && byte == b'/') => Some(len),
            Some(_) => None,
            None => same(b'[', byte).then_some(1),
        },
        literal => same(literal, byte).then_some(1),
    }
}

/// Whether a bracket expression holds a byte, and its length; nothing when it has no end.
fn bracket(pattern: &[u8], byte: u8, rules: Rules) -> Option<(bool, usize)> {
    let mut at = 1;
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    at += usize::from(negated);
    let begin = at;
    let mut found = false;
    loop {
        let &from = pattern.get(at)?;
        if from == b']' && at > begin {
            return Some((found != negated, at + 1));
        }
        if from == b'[' && pattern.get(at + 1) == Some(&b':') {
            let len = pattern.get(at + 2..)?.windows(2).position(|pair| pair == b":]")?;
            found |= class(&pattern[at + 2..at + 2 + len], byte);
            at += len + 4;
            continue;
        }
        let mut from = from;
        at += 1;
        if from == b'\\' {
            from = *pattern.get(at)?;
            at += 1;
        }
        let mut to = from;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|&next| next != b']') {
            to = pattern[at + 1];
            at += 2;
            if to == b'\\' {
                to = *pattern.get(at)?;
                at += 1;
            }
        }
        found |= (from..=to).contains(&byte);
        if rules.ignore_case {
            found |= (from..=to).contains(&byte.to_ascii_lowercase());
            found |= (from..=to).contains(&byte.to_ascii_uppercase());
        }
    }
}

fn class(name: &[u8], byte: u8) -> bool {
    match name {
        b"alpha" => byte.is_ascii_alphabetic(),
        b"digit" => byte.is_ascii_digit(),
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"upper" => byte.is_ascii_uppercase(),
        b"lower" => byte.is_ascii_lowercase(),
        b"space" => matches!(byte, b' ' | 9..=13),
        b"blank" => byte == b' ' || byte == b'\t',
        b"punct" => byte.is_ascii_punctuation(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        b"print" => matches!(byte, 0x20..=0x7e),
        b"graph" => matches!(byte, 0x21..=0x7e),
        b"cntrl" => byte.is_ascii_control(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_fnmatch_says() {
        for (pattern, name, expected) in [
            ("*", "abc", true),
            ("*.c", "a.c", true),
            ("*.c", "a.h", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbY", false),
            ("?", "", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[[:digit:]]*", "1a", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("[", "[", true),
            ("a[", "a[", true),
            ("*", "a/b", true),
            ("**", "", true),
        ] {
            let name = name.as_bytes();
            assert_eq!(matches(pattern.as_bytes(), name, Rules::default()), expected, "{pattern}");
        }
        let rules = Rules { path: true, ..Rules::default() };
        assert!(!matches(b"*", b"a/b", rules) && matches(b"*/b", b"a/b", rules));
        let rules = Rules { ignore_case: true, ..Rules::default() };
        assert!(matches(b"A[B]c", b"abC", rules));
        let rules = Rules { hidden: true, ..Rules::default() };
        assert!(!matches(b"*", b".a", rules) && matches(b".*", b".a", rules));
    }
}

//! `did you mean ...?`: the nearest known word to a misspelt one.

/// Edits above which a word counts as another word rather than as a misspelling.
const MAX_DISTANCE: usize = 2;

/// Options beyond these are not looked at: a file may define thousands of names, and misspell them.
const MAX_OPTIONS: usize = 1000;

/// Words longer than this get no suggestion: the comparison costs the product of the lengths.
const MAX_WORD: usize = 128;

/// The option nearest to `value`, at most two edits away; none when `value` is itself an option.
///
/// Of several at one distance it takes one with swapped letters (`RNU` is `RUN`, not `ENV`).
pub fn nearest<'a>(value: &str, options: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let mut found = None;
    let mut best = (MAX_DISTANCE + 1, 0);
    for option in options.into_iter().take(MAX_OPTIONS) {
        if option == value {
            return None;
        }
        let distance = (distance(value, option), usize::from(!is_permutation(value, option)));
        if distance < best {
            best = distance;
            found = Some(option);
        }
    }
    found
}

/// As [`nearest`], without regard to case; the answer takes the case of `value`.
pub fn nearest_ignoring_case<'a>(
    value: &str,
    options: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let lower: Vec<String> = options.into_iter().map(str::to_lowercase).collect();
    let found = nearest(&value.to_lowercase(), lower.iter().map(String::as_str))?;
    let is_upper = value != value.to_lowercase() && value == value.to_uppercase();
    Some(if is_upper { found.to_uppercase() } else { found.to_owned() })
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(MAX_WORD + 1).collect();
    let a: Vec<char> = a.chars().take(MAX_WORD + 1).collect();
    if a.len().abs_diff(b.len()) > MAX_DISTANCE || a.len().max(b.len()) > MAX_WORD {
        return MAX_DISTANCE + 1;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

fn is_permutation(a: &str, b: &str) -> bool {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found() {
        let table =
            [("mout", Some("mount")), ("mount", None), ("xyz", None), ("form", Some("from"))];
        for (value, expected) in table {
            assert_eq!(nearest(value, ["mount", "from"]), expected, "{value}");
        }
    }

    #[test]
    fn case_follows_the_value() {
        assert_eq!(nearest_ignoring_case("RNU", ["ENV", "RUN"]).as_deref(), Some("RUN"));
        assert_eq!(nearest_ignoring_case("rn", ["RUN"]).as_deref(), Some("run"));
        assert_eq!(nearest_ignoring_case("run", ["RUN"]), None);
    }
}

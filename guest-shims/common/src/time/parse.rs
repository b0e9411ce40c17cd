//! Dates as people write them for `date -d` and `touch -d`.

use super::{Civil, DAY, MONTHS, WEEKDAYS};
use crate::sys::Time;

/// The time that `touch -t [[CC]YY]MMDDhhmm[.ss]` names.
#[must_use]
pub fn parse_stamp(text: &[u8], now: Time) -> Option<Time> {
    let text = str::from_utf8(text).ok()?;
    let (digits, second) = match text.split_once('.') {
        Some((digits, second)) => (digits, two(second, 0).filter(|_| second.len() == 2)?),
        None => (text, 0),
    };
    let (year, rest) = match digits.len() {
        8 => (Civil::from_secs(now.secs).year, digits),
        10 => {
            let short = two(digits, 0)?;
            (if short < 69 { 2000 + short } else { 1900 + short }, &digits[2..])
        }
        12 => (two(digits, 0)? * 100 + two(digits, 2)?, &digits[4..]),
        _ => return None,
    };
    let (month, day) = (two(rest, 0)?, two(rest, 2)?);
    let (hour, minute) = (two(rest, 4)?, two(rest, 6)?);
    Some(Time { secs: checked(year, month, day, hour, minute, second)?, nanos: 0 })
}

fn two(text: &str, at: usize) -> Option<i64> {
    let digits = text.get(at..at + 2)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn checked(year: i64, month: i64, day: i64, hour: i64, minute: i64, second: i64) -> Option<i64> {
    let civil = Civil { year, month, day, hour, minute, second, weekday: 0, yearday: 0 };
    let secs = civil.to_secs();
    let same = Civil::from_secs(secs);
    let valid =
        same.month == month && same.day == day && same.hour == hour && same.minute == minute;
    (valid || second == 60).then_some(secs)
}

#[derive(Default)]
struct Parts {
    date: Option<(i64, i64, i64)>,
    clock: Option<(i64, i64, i64, u32)>,
    offset: i64,
    zone: bool,
    epoch: Option<Time>,
    months: i64,
    seconds: i64,
    weekday: Option<i64>,
    relative: bool,
}

/// The time that a date of `date -d` names; nothing for what is not understood, which is for the
/// native tool to judge. Without a zone it is UTC.
#[must_use]
pub fn parse(text: &[u8], now: Time) -> Option<Time> {
    let text = str::from_utf8(text).ok()?.to_ascii_lowercase();
    let text = text.replace(',', " ");
    let mut parts = Parts::default();
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut at = 0;
    while let Some(&word) = words.get(at) {
        at += 1 + take(&mut parts, word, &words[at + 1..], now)?;
    }
    if let Some(epoch) = parts.epoch {
        if parts.date.is_some() || parts.clock.is_some() {
            return None;
        }
        return Some(Time { secs: epoch.secs.checked_add(parts.seconds)?, nanos: epoch.nanos });
    }
    let today = Civil::from_secs(now.secs);
    let (year, month, mut day) = parts.date.unwrap_or((today.year, today.month, today.day));
    let keeps_clock = parts.relative && parts.date.is_none() && parts.weekday.is_none();
    let (hour, minute, second, nanos) = match parts.clock {
        Some(clock) => clock,
        None if keeps_clock => (today.hour, today.minute, today.second, now.nanos),
        None => (0, 0, 0, 0),
    };
    if text.trim().is_empty() {
        day = today.day;
    }
    checked(year, month, day, hour, minute, second)?;
    let civil = Civil {
        year,
        month: month + parts.months,
        day,
        hour,
        minute,
        second,
        weekday: 0,
        yearday: 0,
    };
    let mut secs = civil.to_secs();
    if let Some(weekday) = parts.weekday {
        let days = (weekday - Civil::from_secs(secs).weekday).rem_euclid(7);
        if parts.date.is_none() {
            secs += days * DAY;
        }
    }
    Some(Time { secs: (secs - parts.offset).checked_add(parts.seconds)?, nanos })
}

/// Takes a word, and says how many of the following words it took with it.
fn take(parts: &mut Parts, word: &str, next: &[&str], now: Time) -> Option<usize> {
    if let Some(epoch) = word.strip_prefix('@') {
        let (whole, fraction) = epoch.split_once('.').unwrap_or((epoch, ""));
        parts.epoch = Some(Time { secs: whole.parse().ok()?, nanos: nanos(fraction)? });
        return Some(0);
    }
    let day = |days: i64| {
        let civil = Civil::from_secs(now.secs + days * DAY);
        (civil.year, civil.month, civil.day)
    };
    match word {
        "now" | "today" => {
            parts.relative = true;
            return Some(0);
        }
        "yesterday" | "tomorrow" => {
            parts.seconds += if word == "tomorrow" { DAY } else { -DAY };
            parts.relative = true;
            return Some(0);
        }
        "midnight" => {
            parts.date.get_or_insert(day(0));
            parts.clock = Some((0, 0, 0, 0));
            return Some(0);
        }
        "utc" | "gmt" | "z" => {
            parts.zone = true;
            return Some(0);
        }
        _ => {}
    }
    if let Some((date, clock)) = word.split_once('t').filter(|(date, _)| iso_date(date).is_some()) {
        parts.date = Some(iso_date(date)?);
        clock_and_zone(parts, clock)?;
        return Some(0);
    }
    if let Some(date) = iso_date(word).or_else(|| slashed(word)) {
        return parts.date.replace(date).is_none().then_some(0);
    }
    if word.contains(':') {
        let taken = clock_and_zone(parts, word).map(|()| 0)?;
        return Some(taken);
    }
    if parts.clock.is_some() && (word.starts_with('+') || word.starts_with('-')) && word.len() == 5
    {
        parts.offset = zone(word)?;
        return Some(0);
    }
    if word == "am" || word == "pm" {
        let clock = parts.clock.as_mut()?;
        clock.0 = clock.0 % 12 + if word == "pm" { 12 } else { 0 };
        return Some(0);
    }
    if let Some(weekday) = named(word, &WEEKDAYS) {
        parts.weekday = Some(weekday);
        return Some(0);
    }
    month_date(parts, word, next, now).or_else(|| relative(parts, word, next))
}

/// `Nov 14 2023`, `14 Nov 2023`, `14 Nov`, `14-Nov-2023`.
fn month_date(parts: &mut Parts, word: &str, next: &[&str], now: Time) -> Option<usize> {
    let this_year = Civil::from_secs(now.secs).year;
    let pieces: Vec<&str> = word.split('-').collect();
    if let &[day, month, year] = pieces.as_slice() {
        parts.date = Some((year.parse().ok()?, named(month, &MONTHS)? + 1, day.parse().ok()?));
        return Some(0);
    }
    let year = |word: Option<&&str>| {
        let word = word.filter(|word| word.len() == 4)?;
        word.parse::<i64>().ok()
    };
    let (month, day) = if let Some(month) = named(word, &MONTHS) {
        (month + 1, next.first()?.parse().ok()?)
    } else {
        let day = word.parse::<i64>().ok().filter(|_| word.len() <= 2)?;
        (named(next.first()?, &MONTHS)? + 1, day)
    };
    if parts.date.is_some() {
        return None;
    }
    // `Tue Nov 14 22:13:20 UTC 2023`: the year may come last.
    let last = next.last().filter(|_| next.len() > 2);
    if let Some(year) = year(next.get(1)) {
        parts.date = Some((year, month, day));
        return Some(2);
    }
    if let Some(year) = year(last) {
        for word in &next[1..next.len() - 1] {
            match *word {
                "utc" | "gmt" => parts.zone = true,
                clock => clock_and_zone(parts, clock)?,
            }
        }
        parts.date = Some((year, month, day));
        return Some(next.len());
    }
    parts.date = Some((this_year, month, day));
    Some(1)
}

/// `1 day ago`, `+3 hours`, `next week`, `-2 months`.
fn relative(parts: &mut Parts, word: &str, next: &[&str]) -> Option<usize> {
    let split = word.find(|letter: char| letter.is_ascii_alphabetic());
    let (count, unit, mut taken) = match (word, split) {
        ("next", _) => (1, *next.first()?, 1),
        ("last", _) => (-1, *next.first()?, 1),
        (_, Some(0)) => (1, word, 0),
        (_, Some(at)) => (word[..at].parse::<i64>().ok()?, &word[at..], 0),
        (_, None) => (word.parse::<i64>().ok()?, *next.first()?, 1),
    };
    let mut count = count;
    if next.get(taken) == Some(&"ago") {
        count = -count;
        taken += 1;
    }
    let seconds = match unit.strip_suffix('s').unwrap_or(unit) {
        "sec" | "second" => 1,
        "min" | "minute" => 60,
        "hour" => 3600,
        "day" => DAY,
        "week" => 7 * DAY,
        "fortnight" => 14 * DAY,
        "month" => {
            parts.months = parts.months.checked_add(count)?;
            0
        }
        "year" => {
            parts.months = parts.months.checked_add(count.checked_mul(12)?)?;
            0
        }
        _ => return None,
    };
    parts.seconds = parts.seconds.checked_add(count.checked_mul(seconds)?)?;
    parts.relative = true;
    Some(taken)
}

fn named(word: &str, names: &[&str]) -> Option<i64> {
    let word = word.strip_suffix('.').unwrap_or(word);
    let at = names.iter().position(|name| {
        let name = name.to_ascii_lowercase();
        word == name || word == &name[..3]
    })?;
    i64::try_from(at).ok()
}

fn iso_date(word: &str) -> Option<(i64, i64, i64)> {
    if word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some((word[..4].parse().ok()?, two(word, 4)?, two(word, 6)?));
    }
    let mut pieces = word.split('-');
    let (year, month, day) = (pieces.next()?, pieces.next()?, pieces.next()?);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let valid =
        pieces.next().is_none() && year.len() == 4 && [year, month, day].into_iter().all(digits);
    valid.then_some((year.parse().ok()?, month.parse().ok()?, day.parse().ok()?))
}

/// `11/14/2023`, `2023/11/14`.
fn slashed(word: &str) -> Option<(i64, i64, i64)> {
    let pieces: Vec<i64> = word.split('/').map(str::parse).collect::<Result<_, _>>().ok()?;
    match *pieces.as_slice() {
        [year, month, day] if word.find('/') == Some(4) => Some((year, month, day)),
        [month, day, year] if year >= 1000 => Some((year, month, day)),
        _ => None,
    }
}

fn clock_and_zone(parts: &mut Parts, word: &str) -> Option<()> {
    let (word, half) = match (word.strip_suffix("am"), word.strip_suffix("pm")) {
        (Some(rest), _) => (rest, Some(0)),
        (_, Some(rest)) => (rest, Some(12)),
        _ => (word, None),
    };
    let (clock, offset) = if let Some(clock) = word.strip_suffix('z') {
        (clock, Some(0))
    } else if let Some(at) = word.rfind(['+', '-']) {
        (&word[..at], Some(zone(&word[at..])?))
    } else {
        (word, None)
    };
    if let Some(offset) = offset {
        parts.offset = offset;
        parts.zone = true;
    }
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let fields: Vec<i64> = whole.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let (mut hour, minute, second) = match *fields.as_slice() {
        [hour] if offset.is_some() || half.is_some() => (hour, 0, 0),
        [hour, minute] => (hour, minute, 0),
        [hour, minute, second] => (hour, minute, second),
        _ => return None,
    };
    if let Some(half) = half {
        hour = hour % 12 + half;
    }
    if hour > 23 || minute > 59 || second > 60 || parts.clock.is_some() {
        return None;
    }
    parts.clock = Some((hour, minute, second, nanos(fraction)?));
    Some(())
}

fn zone(word: &str) -> Option<i64> {
    let sign = if word.starts_with('-') { -1 } else { 1 };
    let digits = word[1..].replace(':', "");
    let (hours, minutes) = match digits.len() {
        2 => (two(&digits, 0)?, 0),
        4 => (two(&digits, 0)?, two(&digits, 2)?),
        _ => return None,
    };
    Some(sign * (hours * 3600 + minutes * 60))
}

fn nanos(fraction: &str) -> Option<u32> {
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time { secs: 1_700_000_000, nanos: 7 };

    #[test]
    fn dates_are_read_as_gnu_date_reads_them() {
        for (text, expected) in [
            ("@0", Some(0)),
            ("@1700000000.5", Some(1_700_000_000)),
            ("1970-01-01", Some(0)),
            ("1970-01-02 00:00:01", Some(86_401)),
            ("2023-11-14T22:13:20Z", Some(1_700_000_000)),
            ("2023-11-14T22:13:20+01:00", Some(1_699_996_400)),
            ("2023-11-14 22:13:20 UTC", Some(1_700_000_000)),
            ("2023-11-14 22:13:20 +0100", Some(1_699_996_400)),
            ("Tue, 14 Nov 2023 22:13:20 +0000", Some(1_700_000_000)),
            ("Tue Nov 14 22:13:20 UTC 2023", Some(1_700_000_000)),
            ("Nov 14 2023", Some(1_699_920_000)),
            ("20231114", Some(1_699_920_000)),
            ("11/14/2023", Some(1_699_920_000)),
            ("now", Some(1_700_000_000)),
            ("1 day ago", Some(1_699_913_600)),
            ("yesterday", Some(1_699_913_600)),
            ("+2 hours", Some(1_700_007_200)),
            ("2023-11-14 1 day", Some(1_700_006_400)),
            ("1 month ago", Some(1_697_321_600)),
            ("2023-11-14 10:13pm", Some(1_699_999_980)),
            ("2023-13-01", None),
            ("gibberish", None),
        ] {
            assert_eq!(parse(text.as_bytes(), NOW).map(|time| time.secs), expected, "{text}");
        }
    }

    #[test]
    fn stamps_are_read_as_touch_reads_them() {
        for (text, expected) in [
            ("202311142213.20", Some(1_700_000_000)),
            ("2311142213.20", Some(1_700_000_000)),
            ("11142213", Some(1_699_999_980)),
            ("7001010000", Some(0)),
            ("197001010000", Some(0)),
            ("13142213", None),
            ("1", None),
            ("202311142213.2", None),
        ] {
            assert_eq!(parse_stamp(text.as_bytes(), NOW).map(|time| time.secs), expected, "{text}");
        }
    }
}

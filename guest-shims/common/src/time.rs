//! Calendar time in UTC. A step with another time zone needs the native tools.

mod parse;

pub use parse::{parse, parse_stamp};

use crate::{Context, Stop, native, sys};

/// A date and a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// The year.
    pub year: i64,
    /// The month, 1 to 12.
    pub month: i64,
    /// The day of the month, from 1.
    pub day: i64,
    /// The hour, 0 to 23.
    pub hour: i64,
    /// The minute.
    pub minute: i64,
    /// The second.
    pub second: i64,
    /// The day of the week, 0 is Sunday.
    pub weekday: i64,
    /// The day of the year, from 1.
    pub yearday: i64,
}

const DAY: i64 = 86_400;
const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Days from 1970-01-01 to a date of the Gregorian calendar; months beyond the year carry over.
#[must_use]
pub fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

impl Civil {
    /// The date and time of day of seconds since 1970.
    #[must_use]
    pub fn from_secs(secs: i64) -> Self {
        let days = secs.div_euclid(DAY);
        let rest = secs.rem_euclid(DAY);
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            weekday: (days + 4).rem_euclid(7),
            yearday: days - days_from_civil(year, 1, 1) + 1,
        }
    }

    /// Seconds since 1970; fields beyond their range carry over.
    #[must_use]
    pub fn to_secs(self) -> i64 {
        days_from_civil(self.year, self.month, self.day) * DAY
            + self.hour * 3600
            + self.minute * 60
            + self.second
    }

    /// The week of the year that ISO 8601 counts, with its year.
    #[must_use]
    pub fn iso_week(&self) -> (i64, i64) {
        let weekday = (self.weekday + 6) % 7;
        let week = (self.yearday - 1 - weekday + 10) / 7;
        let long = |year: i64| {
            let last = |year: i64| {
                (year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400)) % 7
            };
            last(year) == 4 || last(year - 1) == 3
        };
        if week < 1 {
            let year = self.year - 1;
            (year, if long(year) { 53 } else { 52 })
        } else if week == 53 && !long(self.year) {
            (self.year + 1, 1)
        } else {
            (self.year, week)
        }
    }
}

/// The name of a month, 1 to 12, in full.
#[must_use]
pub fn month_name(month: i64) -> &'static str {
    usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or("?")
}

/// The name of a day of the week, 0 is Sunday, in full.
#[must_use]
pub fn weekday_name(weekday: i64) -> &'static str {
    usize::try_from(weekday).ok().and_then(|at| WEEKDAYS.get(at)).copied().unwrap_or("?")
}

/// Makes sure that local time is UTC.
///
/// # Errors
///
/// Needs native when the environment or `/etc/localtime` names another zone.
pub fn require_utc(context: &Context) -> Result<(), Stop> {
    match context.env.get("TZ") {
        Some(b"") => Ok(()),
        Some(zone) => {
            let zone = zone.strip_prefix(b":").unwrap_or(zone);
            if zone == b"UTC" || zone == b"UTC0" || zone == b"Etc/UTC" {
                return Ok(());
            }
            let shown = String::from_utf8_lossy(zone).into_owned();
            Err(native(format!("time zone {shown}")))
        }
        None => match sys::read_small(b"/etc/localtime") {
            Ok(zone) if !zone.ends_with(b"\nUTC0\n") => {
                Err(native("the time zone of /etc/localtime"))
            }
            _ => Ok(()),
        },
    }
}

/// Seconds and nanoseconds by a `strftime` format, with GNU `date`'s flags and widths.
///
/// # Errors
///
/// Needs native for a conversion that is not known.
pub fn format(format: &[u8], time: sys::Time) -> Result<Vec<u8>, Stop> {
    let civil = Civil::from_secs(time.secs);
    let mut shown = Vec::new();
    let mut rest = format;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            shown.push(byte);
            continue;
        }
        let (flag, after) = match rest.split_first() {
            Some((flag @ (b'-' | b'_' | b'0' | b'^' | b'#'), after)) => (*flag, after),
            _ => (0, rest),
        };
        let colons = after.iter().take_while(|&&byte| byte == b':').count();
        let after = &after[colons..];
        let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let width =
            crate::number::decimal(&after[..digits]).and_then(|width| usize::try_from(width).ok());
        let Some((&letter, after)) = after[digits..].split_first() else {
            shown.push(b'%');
            continue;
        };
        rest = after;
        convert(&mut shown, &civil, time, (letter, colons), flag, width)?;
    }
    Ok(shown)
}

fn convert(
    shown: &mut Vec<u8>,
    civil: &Civil,
    time: sys::Time,
    (letter, colons): (u8, usize),
    flag: u8,
    width: Option<usize>,
) -> Result<(), Stop> {
    let hour12 = if civil.hour % 12 == 0 { 12 } else { civil.hour % 12 };
    let iso = civil.iso_week();
    let nested = |text: &[u8]| self::format(text, time);
    // A number with its usual width and the fill that is usual for it.
    let (value, usual, fill) = match letter {
        b'Y' => (civil.year, 1, b'0'),
        b'C' => (civil.year.div_euclid(100), 2, b'0'),
        b'y' => (civil.year.rem_euclid(100), 2, b'0'),
        b'm' => (civil.month, 2, b'0'),
        b'd' => (civil.day, 2, b'0'),
        b'e' => (civil.day, 2, b' '),
        b'H' => (civil.hour, 2, b'0'),
        b'k' => (civil.hour, 2, b' '),
        b'I' => (hour12, 2, b'0'),
        b'l' => (hour12, 2, b' '),
        b'M' => (civil.minute, 2, b'0'),
        b'S' => (civil.second, 2, b'0'),
        b'j' => (civil.yearday, 3, b'0'),
        b's' => (time.secs, 1, b'0'),
        b'u' => ((civil.weekday + 6) % 7 + 1, 1, b'0'),
        b'w' => (civil.weekday, 1, b'0'),
        b'q' => ((civil.month - 1) / 3 + 1, 1, b'0'),
        b'G' => (iso.0, 1, b'0'),
        b'g' => (iso.0.rem_euclid(100), 2, b'0'),
        b'V' => (iso.1, 2, b'0'),
        b'U' => ((civil.yearday + 6 - civil.weekday) / 7, 2, b'0'),
        b'W' => ((civil.yearday + 6 - (civil.weekday + 6) % 7) / 7, 2, b'0'),
        b'N' => {
            let digits = format!("{:09}", time.nanos);
            let width = width.unwrap_or(9);
            let kept = &digits.as_bytes()[..width.min(9)];
            shown.extend_from_slice(kept);
            shown.resize(shown.len() + width.saturating_sub(9), b'0');
            return Ok(());
        }
        _ => {
            let text = match letter {
                b'a' => weekday_name(civil.weekday).as_bytes()[..3].to_vec(),
                b'A' => weekday_name(civil.weekday).into(),
                b'b' | b'h' => month_name(civil.month).as_bytes()[..3].to_vec(),
                b'B' => month_name(civil.month).into(),
                b'p' => if civil.hour < 12 { "AM" } else { "PM" }.into(),
                b'P' => if civil.hour < 12 { "am" } else { "pm" }.into(),
                b'F' => nested(b"%Y-%m-%d")?,
                b'D' | b'x' => nested(b"%m/%d/%y")?,
                b'T' | b'X' => nested(b"%H:%M:%S")?,
                b'R' => nested(b"%H:%M")?,
                b'r' => nested(b"%I:%M:%S %p")?,
                b'c' => nested(b"%a %b %e %H:%M:%S %Y")?,
                b'n' => b"\n".to_vec(),
                b't' => b"\t".to_vec(),
                b'%' => b"%".to_vec(),
                b'z' => match colons {
                    0 => b"+0000".to_vec(),
                    1 => b"+00:00".to_vec(),
                    2 => b"+00:00:00".to_vec(),
                    _ => b"+00".to_vec(),
                },
                b'Z' => b"UTC".to_vec(),
                _ => return Err(native(format!("time format %{}", char::from(letter)))),
            };
            let text = match flag {
                b'^' => text.to_ascii_uppercase(),
                b'#' if letter == b'p' || letter == b'Z' => text.to_ascii_lowercase(),
                b'#' => text.to_ascii_uppercase(),
                _ => text,
            };
            let fill = if flag == b'0' { b'0' } else { b' ' };
            shown.resize(shown.len() + width.unwrap_or(0).saturating_sub(text.len()), fill);
            shown.extend_from_slice(&text);
            return Ok(());
        }
    };
    let fill = match flag {
        b'_' => b' ',
        b'0' => b'0',
        _ => fill,
    };
    let digits = value.to_string();
    let usual = if flag == b'-' { 1 } else { usual };
    let missing = width.unwrap_or(usual).saturating_sub(digits.len());
    shown.resize(shown.len() + missing, fill);
    shown.extend_from_slice(digits.as_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_calendar_agree_both_ways() {
        for secs in [0, 1, -1, 951_782_400, 1_700_000_000, -62_135_596_800, 253_402_300_799] {
            assert_eq!(Civil::from_secs(secs).to_secs(), secs);
        }
        let leap = Civil::from_secs(951_782_400);
        assert_eq!(
            (leap.year, leap.month, leap.day, leap.weekday, leap.yearday),
            (2000, 2, 29, 2, 60)
        );
    }

    #[test]
    fn formats_as_gnu_date_does() {
        let time = sys::Time { secs: 1_700_000_000, nanos: 5_000_000 };
        for (format, expected) in [
            ("%Y-%m-%d %H:%M:%S", "2023-11-14 22:13:20"),
            ("%F %T %z %Z", "2023-11-14 22:13:20 +0000 UTC"),
            ("%a %b %e", "Tue Nov 14"),
            ("%s.%N", "1700000000.005000000"),
            ("%3N", "005"),
            ("%-d %_H %-I%p", "14 22 10PM"),
            ("%j %U %W %V %G %u", "318 46 46 46 2023 2"),
            ("%^a %:z %%", "TUE +00:00 %"),
        ] {
            let shown = super::format(format.as_bytes(), time).unwrap();
            assert_eq!(String::from_utf8_lossy(&shown), expected, "{format}");
        }
    }
}

//! The counts and the reasons, as Markdown.

use std::fmt::Write;

use crate::survey::{Judged, Survey, Verdict};

/// Reasons that a list has, but for differences, which are listed all.
const LISTED: usize = 12;

/// The counts, as a Markdown table.
#[must_use]
pub fn summary(surveys: &[Survey]) -> String {
    let mut text = String::from(
        "| base | files | steps | eligible | share | equal | given up at run time | different | \
         no native result |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for survey in surveys {
        let counts = survey.counts();
        let eligible = counts.steps - counts.refused;
        let share = |part: usize, whole: usize| part as f64 * 100.0 / whole.max(1) as f64;
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.1} % | {} of {} ({:.1} %) | {} | {} | {} |",
            survey.base,
            survey.files,
            counts.steps,
            eligible,
            share(eligible, counts.steps),
            counts.equal,
            counts.compared(),
            share(counts.equal, counts.compared()),
            counts.given_up,
            counts.different,
            counts.no_truth
        );
    }
    text
}

/// Why steps of a corpus were not equal, with how often, without the steps, which are others' text.
#[must_use]
pub fn reasons(surveys: &[Survey]) -> String {
    /// Characters of a reason.
    const SHOWN: usize = 200;
    let short = |why: &str| {
        let mut line: String = why.replace('\n', " ").chars().take(SHOWN).collect();
        if why.chars().count() > SHOWN {
            line.push('…');
        }
        line
    };
    let mut text = String::new();
    for survey in surveys {
        for title in
            ["different", "without a native result", "given up at run time", "refused beforehand"]
        {
            let tally = survey.tally(|verdict| match (verdict, title) {
                (Verdict::Different(found), "different") => Some(short(&found.join("; "))),
                (Verdict::NoTruth(why), "without a native result")
                | (Verdict::Refused(why), "refused beforehand")
                | (Verdict::GivenUp(why), "given up at run time") => Some(short(why)),
                _ => None,
            });
            if !tally.is_empty() {
                let _ = write!(text, "\n#### {}: {title}\n\n", survey.base);
            }
            let rest: usize = tally.iter().skip(LISTED).map(|(_, count)| count).sum();
            let listed = if title == "different" { tally.len() } else { LISTED };
            for (why, count) in tally.iter().take(listed) {
                let _ = writeln!(text, "- {count} × {why}");
            }
            if listed < tally.len() {
                let _ = writeln!(text, "- {rest} × other reasons");
            }
        }
    }
    text
}

/// The counts, and each step that is not equal in all.
#[must_use]
pub fn report(surveys: &[Survey]) -> String {
    let mut text = summary(surveys);
    for survey in surveys {
        for (title, pick) in SECTIONS {
            let lines: Vec<String> = survey.judged.iter().filter_map(pick).collect();
            if !lines.is_empty() {
                let _ = write!(text, "\n### {}: {title}\n\n{}\n", survey.base, lines.join("\n"));
            }
        }
    }
    text
}

type Pick = fn(&Judged) -> Option<String>;

const SECTIONS: [(&str, Pick); 5] = [
    ("different", |judged| match &judged.verdict {
        Verdict::Different(found) => Some(line(judged, &found.join("; "))),
        _ => None,
    }),
    ("without a native result", |judged| match &judged.verdict {
        Verdict::NoTruth(why) => Some(line(judged, why)),
        _ => None,
    }),
    ("refused beforehand", |judged| match &judged.verdict {
        Verdict::Refused(why) => Some(line(judged, why)),
        _ => None,
    }),
    ("given up at run time", |judged| match &judged.verdict {
        Verdict::GivenUp(why) => Some(line(judged, why)),
        _ => None,
    }),
    ("messages in other words", |judged| match &judged.verdict {
        Verdict::Worded(words) => Some(line(judged, words)),
        _ => None,
    }),
];

fn line(judged: &Judged, what: &str) -> String {
    /// Characters of a step that a line of the report shows.
    const SHOWN: usize = 70;
    let mut step: String = judged.text.split_whitespace().collect::<Vec<_>>().join(" ");
    if step.chars().count() > SHOWN {
        step = step.chars().take(SHOWN).chain("…".chars()).collect();
    }
    format!("- {} `{}`: {}", judged.place, step.replace('`', "'"), what.replace('\n', " "))
}

//! A mutator over Dockerfiles: nothing that can be made of real ones makes the parser, the
//! expander, the checks or the readers of values panic, hang or grow.
//!
//! Runs two seconds in `cargo test`; `make fuzz` sets `KILN_FUZZ_SECONDS` and, with
//! `KILN_FUZZ_SEEDS`, a directory of Dockerfiles to start from.

use std::time::{Duration, Instant};

use kiln_dockerfile::args::{BuildArgs, GlobalArgs};
use kiln_dockerfile::chmod::Mode;
use kiln_dockerfile::expand::{Lexer, MAX_EXPANDED};
use kiln_dockerfile::git_ref::{self, GitRef};
use kiln_dockerfile::ignore::{PatternMatcher, read_ignore_file};
use kiln_dockerfile::instruction::{Mount, parse_dockerfile, parse_trigger};
use kiln_dockerfile::lint::{BaseImage, Options, Scope, lint};
use kiln_dockerfile::platform::Platform;
use kiln_dockerfile::port::Ports;
use kiln_dockerfile::{duration, glob};

/// A text that takes longer than this counts as a hang.
const SLOW: Duration = Duration::from_secs(5);
/// Longer texts are cut: the point is form, not length.
const MAX_TEXT: usize = 8 << 10;
/// How long a run is when nobody says.
const USUAL_SECONDS: u64 = 2;

const SEEDS: [&str; 4] = [
    "# syntax=docker/dockerfile:1\n# escape=\\\nARG V=1 W=${V:-2}\nFROM --platform=$BUILDPLATFORM a:${V} AS b\n\
     RUN --mount=type=cache,target=/x,sharing=locked --network=none \\\n  # c\n  make ${V%.*} && \\\n  true\n\
     COPY --from=b --chown=1:2 --chmod=u+x,g=r --link [\"a b\", \"/c/\"]\n",
    "FROM scratch\nRUN <<EOF <<-\"E 2\"\necho $a\nEOF\n\tx\n\tE 2\nCOPY <<'f' /g\n${n}\nf\n\
     ENV a=b c='d e' \"f g\"=h\\ i\nENV old style value\nLABEL a.b=c d=${e##*/} f=${g/x/y}\n",
    "FROM a\nHEALTHCHECK --interval=1m30s --retries=3 CMD [\"x\", \"\\u00e9\"]\nEXPOSE 80 1-3/udp 10.0.0.1:80:8080\n\
     ONBUILD ADD --checksum=sha256:00 --keep-git-dir=true https://h/r.git#v1:sub /d\nSTOPSIGNAL SIGTERM\nSHELL [\"sh\"]\n\
     USER a:b\nVOLUME [\"/v\"]\nWORKDIR d\nMAINTAINER m\nCMD x\nENTRYPOINT [\"y\"]\n",
    "# check=skip=JSONArgsRecommended;error=true\nFROM a AS b\nFROM b\nARG x\nARG x=1 y\nRUN --mount=type=secret,id=s,env=E \
     --mount=type=bind,from=b,source=/,target=/t,rw --mount=type=tmpfs,target=/q,size=1m --mount=type=ssh true\n\
     ADD --unpack=false --exclude=*.md a?b[c-d]* \"e f\"/\n",
];

const PIECES: [&str; 34] = [
    "\\", "\\\n", "`", "$", "${", "}", "\"", "'", "<<", "<<-", "EOF", "\n", "\r\n", "\t", " ", "=",
    ",", "--", "[", "]", "#", ":", "/", "..", "*", "**", "!", "\u{feff}", "\u{0}", "é", "FROM ",
    "ONBUILD ", "RUN ", "@",
];

/// xorshift64*: the same texts from the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or(0)
    }

    /// A place between two characters.
    fn place(&mut self, text: &str) -> usize {
        let mut at = self.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }

    fn range(&mut self, text: &str) -> std::ops::Range<usize> {
        let start = self.place(text);
        let mut end = (start + self.below(24)).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        start..end
    }

    fn mutate(&mut self, text: &mut String, other: &str) {
        match self.below(6) {
            0 => {
                let range = self.range(text);
                text.replace_range(range, "");
            }
            1 => {
                let piece = text[self.range(text)].to_owned();
                text.insert_str(self.place(text), &piece);
            }
            2 => text.insert_str(self.place(text), PIECES[self.below(PIECES.len())]),
            3 => {
                let piece = &other[self.range(other)];
                text.insert_str(self.place(text), piece);
            }
            4 => {
                let range = self.range(text);
                text.replace_range(range, PIECES[self.below(PIECES.len())]);
            }
            _ => {
                let tail = other[self.place(other)..].to_owned();
                text.truncate(self.place(text));
                text.push_str(&tail);
            }
        }
        if text.len() > MAX_TEXT {
            let mut end = MAX_TEXT;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
        }
    }
}

fn whole_file(text: &str) {
    let given = BuildArgs::from([("V".to_owned(), "${x".to_owned())]);
    let platform = Platform::new("linux", "amd64", "");
    let options = Options {
        scope: Scope::All,
        build_args: &given,
        build_platform: platform.clone(),
        target_platform: platform.clone(),
        ignore: None,
        base_image: &|_, _| Some(BaseImage::default()),
    };
    if let Some(error) = lint(text, &options).error {
        assert!(error.render("Dockerfile", text).contains("error: "));
    }
    let file = match parse_dockerfile(text) {
        Ok(file) => file,
        Err(error) => {
            assert!(error.render("Dockerfile", text).starts_with("Dockerfile:"));
            return;
        }
    };
    let mut globals = GlobalArgs::predefined(&platform, &platform, "", &given);
    let _either = globals.declare(&file, &given);
    for command in file.stages.iter().flat_map(|stage| &stage.commands) {
        let _either = command.expand(file.escape, &|name| Some(format!("<{name}>")));
        let _either = parse_trigger(&command.text);
    }
}

fn values(word: &str) {
    for lexer in [Lexer::new('\\'), Lexer::new('`'), Lexer::heredoc()] {
        if let Ok(found) = lexer.expand(word, &|name| Some(name.to_owned())) {
            assert!(found.text.len() <= MAX_EXPANDED);
        }
    }
    let _either = Mount::parse(word);
    let _either = GitRef::parse(word);
    let _either = git_ref::is_http(word);
    let _either = duration::parse(word);
    let _either = glob::match_path(word, word);
    let _either = Platform::parse(word);
    let _either = Ports::parse(word);
    let _either = Mode::parse(word);
    if let Ok(matcher) = PatternMatcher::new(&read_ignore_file(word)) {
        let _either = matcher.matches_or_parent_matches(word);
        let _either = matcher.can_skip_dir("a/b");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long to run is the caller's to say")]
fn mutated_dockerfiles_are_harmless() {
    let seconds =
        std::env::var("KILN_FUZZ_SECONDS").ok().map_or(USUAL_SECONDS, |text| text.parse().unwrap());
    let mut seeds: Vec<String> = SEEDS.map(str::to_owned).to_vec();
    if let Ok(dir) = std::env::var("KILN_FUZZ_SEEDS") {
        let files = std::fs::read_dir(dir).unwrap();
        seeds.extend(files.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok()));
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut tried = 0u64;
    while Instant::now() < end {
        let mut text = seeds[random.below(seeds.len())].clone();
        let other = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(12) {
            random.mutate(&mut text, &other);
        }
        let word = text[random.range(&text)].to_owned();
        let start = Instant::now();
        let outcome = std::panic::catch_unwind(|| {
            whole_file(&text);
            values(&word);
        });
        assert!(outcome.is_ok(), "this text panics: {text:?}, or this word: {word:?}");
        assert!(start.elapsed() < SLOW, "this text takes {:?}: {text:?}", start.elapsed());
        tried += 1;
    }
    println!("{tried} texts from {} seeds in {seconds} s", seeds.len());
    assert!(tried > 0);
}

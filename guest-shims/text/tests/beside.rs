//! The commands beside GNU's on the same input.

use std::path::Path;

use trial::{Case, Family, Trial};

const COMMANDS: &[&str] = &[
    "base64",
    "basename",
    "cat",
    "cmp",
    "comm",
    "cut",
    "date",
    "dirname",
    "env",
    "expr",
    "fold",
    "groups",
    "head",
    "id",
    "md5sum",
    "nice",
    "nl",
    "nohup",
    "nproc",
    "paste",
    "printenv",
    "rev",
    "seq",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "sleep",
    "sort",
    "split",
    "tac",
    "tail",
    "tee",
    "timeout",
    "tr",
    "uname",
    "uniq",
    "wc",
    "whoami",
];

fn compare(family: Family, commands: &[&str], cases: &[Case]) {
    let program = Path::new(env!("CARGO_BIN_EXE_text"));
    Trial { program, commands, family }.compare(cases);
}

const TEXT: &str = "printf 'one\\ntwo words here\\n\\n\\nthree\\tx\\n' >t; printf 'a:b:c\\nd:e\\nf\\n' >c; printf 'no end' >n; \
    seq 30 >s; printf 'b 2\\na 10\\nc 1\\nA 3\\na 9\\nb 2\\n' >k; printf '\\000\\001\\377\\n' >b; : >e";

const WIDE: &str = "printf 'abcdefghij klm no\\n\\tx\\ty\\nab\\bcd\\rxyz\\n\\nno end here' >t; seq -s ' ' 60 >s; : >e; \
    printf 'a \\t  b       c d\\te fghijklmnop q\\n' >b";

const FOLDED: [Case; 3] = [
    (
        WIDE,
        "fold t; fold -w3 t; fold -s -w5 t; fold -b -w4 t; fold -bsw 9 t; fold -w1 t; fold -w 2 -s b",
    ),
    (
        WIDE,
        "fold s; fold -s s; fold -sw 20 s t; fold -w7 <s; fold -s -w 8 b; fold -w 8 b; fold -sbw3 b; fold - <t; fold e",
    ),
    (WIDE, "fold none t; echo $?; seq 99999999 100000009 | tr -d '\\n' | fold -w 10"),
];

#[test]
fn folding() {
    compare(Family::Gnu, COMMANDS, &FOLDED);
    compare(Family::BusyBox, &["fold"], &FOLDED);
}

#[test]
fn running_others() {
    compare(
        Family::Gnu,
        COMMANDS,
        &[
            (
                "",
                "nice -n 5 false; echo $?; nice true; nice --adjustment=3 nonesuch; echo $?; nice -n 1 sh -c 'echo $0 $1; exit 7' a b; echo $?",
            ),
            (
                "",
                "nohup echo a; nohup nonesuch; echo $?; nohup sh -c 'exit 9'; echo $?; nohup ./x; echo $?; echo in | nohup cat; nohup /etc/passwd; echo $?",
            ),
            (
                "",
                "timeout 5 echo a; timeout 5 nonesuch; echo $?; timeout 2s sh -c 'exit 9'; echo $?; timeout 5 /etc/passwd; echo $?; timeout 0 echo z",
            ),
            (
                "",
                "timeout 5 sh -c 'kill -TERM $$'; echo $?; timeout -k 1 1m true; timeout --preserve-status -s KILL 1.5 false; echo $?; echo in | timeout 5 cat; timeout 9 sleep 0.3; echo $?",
            ),
            (
                "",
                "timeout -s TERM --kill-after=3 0.5h sh -c 'echo $1' x --foo; timeout --foreground 1d false; echo $?",
            ),
        ],
    );
    compare(
        Family::BusyBox,
        &["timeout"],
        &[(
            "",
            "timeout 5 echo a; timeout 5 nonesuch; echo $?; timeout 2 sh -c 'exit 9'; echo $?; timeout -s TERM 5 sh -c 'echo $1' x --foo",
        )],
    );
}

#[test]
fn reading() {
    compare(
        Family::Gnu,
        COMMANDS,
        &[
            (
                TEXT,
                "cat t n; cat n t; cat -n t; cat -b t; cat -s t; cat -A t b; cat -E n; cat -T t; cat none t; echo $?; cat <t; cat - <t; cat e; cat .",
            ),
            (
                TEXT,
                "head s; head -n3 s; head -3 s; head -n -27 s; head -c5 s; head -c -75 s; head -n1 t c; head -qn1 t c; head -v -n1 t; head none; echo $?; head -n0 s",
            ),
            (
                TEXT,
                "tail s; tail -n3 s; tail -3 s; tail -n +28 s; tail -c5 s; tail -c +75 s; tail -n1 t c; tail -n2 n; tail +29 s; tail -q -n1 t c; cat s | tail -n2",
            ),
            (
                TEXT,
                "cut -d: -f1 c; cut -d: -f2- c; cut -d: -f1,3 c; cut -sd: -f2 c; cut -c1-3 t; cut -c2 t; cut -b1,3- t; cut -f1 t; cut -d' ' -f2 t; cut --complement -d: -f1 c",
            ),
            (
                TEXT,
                "cut -d: -f1,2 --output-delimiter=/ c; cut -c1,3 --output-delimiter=- t; cut; echo $?; cut -f0 t; echo $?; cut -f2-1 t; echo $?; cut -d: -f-2 c; cut -d : -f 3,1 c; cut -c -2 t",
            ),
            (
                TEXT,
                "sort k; sort -r k; sort -u k; sort -n -k2 k; sort -k2n k; sort -k2,2nr -k1,1 k; sort -f k; sort -t: -k2 c; sort -s -k2,2 k; sort -uk1,1 k; sort -nu -k2 k",
            ),
            (
                TEXT,
                "sort -c k; echo $?; sort -c s; echo $?; sort -cn s; echo $?; sort -o k k; cat k; printf '1K\\n2M\\n3\\n-1\\n' | sort -h; printf 'v1.10\\nv1.9\\nv1.2.3\\n1.0~rc\\n1.0\\n' | sort -V; printf 'MAR\\nJAN\\n' | sort -M",
            ),
            (
                TEXT,
                "sort -b -k2 k; sort -k1.1,1.1 k; sort -t: -k2,2 -k1,1r c; sort t n; sort -z b | od -c; sort none; echo $?; sort -rn s | head -3; printf '10\\n9\\n-5\\n1.5\\n01\\n' | sort -n; sort -d t; sort -nr -k2,2 -k1 k",
            ),
            (
                TEXT,
                "sort k | uniq; sort k | uniq -c; sort k | uniq -d; sort k | uniq -u; uniq -i k; uniq -f1 k; uniq -w1 k; uniq -s1 k; uniq k out; cat out; sort k | uniq -D",
            ),
            (
                TEXT,
                "tr a-z A-Z <t; tr -d '\\n' <t; tr -s ' ' <t; tr -cd 'a-z' <t; tr '[:lower:]' '[:upper:]' <t; tr -d '[:space:]' <t; tr ' ' '\\n' <t; tr -s '\\n' <t; tr -cs 'a-z' '\\n' <t",
            ),
            (
                TEXT,
                "tr abc x <c; tr -t abc x <c; tr ':' '\\t' <c; tr -dc '[:print:]\\n' <b; tr '\\000' x <b | od -c; tr 'a-c' '[x*]' <c; tr -d a-b <c; tr; echo $?; tr a; echo $?; tr -d a b <c; echo $?; tr -ds a b <c; tr / - <c",
            ),
            (
                TEXT,
                "wc t; wc -l t; wc -w t; wc -c t; wc t c n; wc -l <t; cat t | wc; cat t | wc -l; wc -L t; wc -m t; wc -lc t; wc none t; echo $?; wc e; wc -l e s",
            ),
            (
                TEXT,
                "cat t | tee x y | wc -c; cat x; echo more | tee -a x; cat x; echo z | tee none/x; echo $?; echo q | tee -a new >/dev/null; cat new",
            ),
            (
                TEXT,
                "tac t; tac n t; rev c; paste c s | head -4; paste -d, c c; paste -s c; paste -sd, s; paste -d: - <c; nl t; nl -ba t; nl -ba -w2 -s' ' t; nl -v5 t",
            ),
            (
                TEXT,
                "comm c k; sort k >k1; sort s >s1; comm -12 k1 k1; comm -3 k1 s1; comm -23 s1 k1; cmp t t; cmp t c; echo $?; cmp -s t c; echo $?; cmp n none; echo $?; cmp -l c c; printf on >o; cmp t o; echo $?",
            ),
            (
                TEXT,
                "split -l10 s; split -b 20 s y; split -l 12 -d s z; split -a3 -l 20 s w; split -l1 none; echo $?",
            ),
            (
                TEXT,
                "base64 t; base64 <b; base64 -w0 t; base64 -w 10 t; base64 t | base64 -d; echo YQ== | base64 -d; echo 'YQ=!' | base64 -d; echo $?; echo Y | base64 -d; echo $?; base64 none; echo $?; base64 e",
            ),
            (
                TEXT,
                "md5sum t c; sha1sum t; sha256sum t c >sums; cat sums; sha256sum -c sums; echo $?; echo x >>c; sha256sum -c sums; echo $?; sha256sum -c --status sums; echo $?; sha512sum t | sha512sum -c -; sha256sum --tag t",
            ),
            (
                TEXT,
                "sha256sum t >sums; rm t; sha256sum -c sums; echo $?; sha256sum -c --ignore-missing sums; echo $?; echo bad >bad; sha256sum -c bad; echo $?; sha256sum c >>bad; sha256sum -c bad; echo $?; sha256sum -c --strict bad; echo $?; sha256sum --check --quiet sums; sha256sum none; echo $?; cat c | sha256sum; sha256sum - <c; sha256sum -b c; sha256sum --tag c | sha256sum -c",
            ),
        ],
    );
}

#[test]
fn answering() {
    compare(
        Family::Gnu,
        COMMANDS,
        &[
            (
                "",
                "basename /a/b.c .c; basename a/b/; basename /; basename -a x/y z/w; basename -s .c a.c b.c; basename; echo $?; basename a b c; echo $?; basename .c .c; dirname /a/b /a a a/b/ / //a; dirname; echo $?; basename ''; basename -z a | od -c",
            ),
            (
                "",
                "seq 5; seq 2 5; seq 1 2 9; seq 5 -2 1; seq -w 8 11; seq -s, 3; seq 0.5 0.5 2; seq 1 0.25 2; seq 5 1; seq -s ' ' 1 3; seq 10 -5 -10; seq -w -5 5 5; seq 1 0 2; echo $?; seq; echo $?; seq 0 .1 .3; seq 3 | wc -l",
            ),
            (
                "",
                "expr 1 + 2; expr 7 / 2; expr 7 % 3; expr 2 '*' 3; expr 5 - 8; expr 1 '<' 2; expr a = b; echo $?; expr 0; echo $?; expr abc : 'a\\(.\\)c'; expr abc : '.*'; expr abc : x; expr length hello; expr substr hello 2 3; expr index hello l",
            ),
            (
                "",
                "expr '(' 1 + 2 ')' '*' 3; expr 1 '|' 2; expr 0 '|' x; expr '' '|' ''; expr 1 '&' 0; expr 1 / 0; echo $?; expr a + 1; echo $?; expr; echo $?; expr 1 2; echo $?; expr 10 '>=' 9; expr b '>' a; expr -- -1 + 1; expr + match; expr match abc 'a.'",
            ),
            (
                "",
                "date -u -d @0; date -u -d '2001-02-03 04:05:06' +%s; date -u -d @1234567890 '+%Y-%m-%dT%H:%M:%SZ'; date -u -R -d @0; date -u -Iseconds -d @0; date -u --rfc-3339=seconds -d @0; date -u -d '2001-02-03 +1 day' +%F; date -u +%Y | wc -c; date -d @0 +%A,%B,%j,%U,%p",
            ),
            (
                "touch -d 2001-02-03 f",
                "date -u -r f; date -r f +%F; date -u -d '1 Jan 2020 12:00 UTC' +%s; date --date='2020-01-01' --rfc-2822; date -u -d 'last week' >/dev/null; date -u -d 20200101 +%c",
            ),
            (
                "",
                "env -i A=1 B=2 env; env X=y printenv X; env -u HOME printenv HOME; echo $?; env A=b sh -c 'echo $A'; env none; echo $?; env -i; printenv none; echo $?; printenv HOME; env - A=1 printenv; env -C / pwd; env false; echo $?; env sh -c 'exit 7'; echo $?",
            ),
            (
                "",
                "id; id -u; id -g; id -un; id -gn; id -G; id -nG; id root; id www-data; id -u www-data; id none; echo $?; whoami; groups; groups root daemon; id -u 33; id -ru; sleep 0; sleep; echo $?; sleep x; echo $?; nproc; uname; uname -m; uname -s; uname -o; uname -sm",
            ),
        ],
    );
}

#[test]
fn finding() {
    // The trial's own directory of links comes first in PATH, and holds none of these.
    compare(
        Family::Gnu,
        &["which"],
        &[(
            "printf x >here; chmod 755 here; printf y >not",
            "which sh ls; which none; echo $?; which none sh; echo $?; which; echo $?; which ./here; which ./not; echo $?; which /bin/sh; which -a sh; PATH=:/bin which here",
        )],
    );
}

#[test]
fn printing() {
    let commands = &["echo", "printf", "test", "[", "true", "false", "pwd"];
    compare(
        Family::Gnu,
        commands,
        &[
            (
                "",
                "env echo a b; env echo -n x; env echo -e 'a\\tb\\n\\x41\\0101\\c no'; env echo -E 'a\\tb'; env echo -ne 'a\\n'; env echo -x y; env echo; env echo -- x; env echo -; env echo '\\t'",
            ),
            (
                "",
                "env printf '%s\\n' a b c; env printf '%d %5d|%-5d|%05d\\n' 1 2 3 4; env printf '%x %X %o %u\\n' 255 255 8 7; env printf '%s %s\\n' a b c; env printf 'a\\tb\\n'; env printf '%%\\n'; env printf '%b' 'x\\ny\\n'; env printf '%c%c\\n' abc def",
            ),
            (
                "",
                "env printf '%.2f %5.1f|%-8.3f|\\n' 3.14159 2.5 1; env printf '%5s|%-5s|%.2s\\n' ab cd efg; env printf '%d\\n' 0x1f 010 \"'A\" -5; env printf '%+d % d\\n' 5 5; env printf '%#x %#o\\n' 255 8; env printf '%*d\\n' 5 42; env printf '%d\\n' abc; echo $?; env printf '%d\\n' 3x; echo $?",
            ),
            (
                "",
                "env printf; echo $?; env printf 'x\\cy'; env printf '\\101\\x42\\n'; env printf '%s'; env printf '%d\\n'; env printf '%q\\n' 'a b'; env printf '%y\\n' a; echo $?; env printf -- '-%s-\\n' a; env printf '%.3d|%8.3d\\n' 5 5; env printf '%x\\n' -1; env printf '%s\\n' \"\"; env printf 'no args %s|%d|\\n'; env printf '%i\\n' 3",
            ),
            (
                "echo a >f; mkdir d; ln -s f l; ln -s none m; mkfifo p; chmod 755 f; : >e; chmod 4711 e",
                "for t in '-e f' '-f f' '-d d' '-L l' '-h m' '-e m' '-p p' '-s e' '-s f' '-x f' '-x e' '-r f' '-w f' '-u e' '-g e' '-k d' '-b f' '-c /dev/null' '-n x' '-z x' '-f d' '-f l' '-d none' '-O f' '-G f'; do env test $t; echo \"$t $?\"; done",
            ),
            (
                "echo a >f; touch -d 2001-01-01 o",
                "env test a = a; echo $?; env test a != a; echo $?; env test 1 -lt 2; echo $?; env test 2 -gt 10; echo $?; env test f -nt o; echo $?; env test f -ot o; echo $?; env test f -ef ./f; echo $?; env [ a = a ]; echo $?; env [ a; echo $?; env test; echo $?; env test ''; echo $?; env test x -eq 1; echo $?",
            ),
            (
                "",
                "env test ! a; echo $?; env test ! ''; echo $?; env test a -a ''; echo $?; env test a -o ''; echo $?; env test '(' a ')'; echo $?; env test ! -e none; echo $?; env test -n a -a -z ''; echo $?; env test 1 -eq 1 -a 2 -ne 3; echo $?; env test '(' a = b -o c = c ')' -a x; echo $?; env test -n; echo $?; env test = = =; echo $?; env test a b; echo $?; env test a b c d e; echo $?",
            ),
        ],
    );
}

#[test]
fn accounts() {
    compare(
        Family::Gnu,
        &["getent", "arch"],
        &[(
            "",
            "getent passwd root; getent passwd 1; getent passwd nobody none; echo $?; getent group root 0; echo $?; getent group 4242; echo $?; getent passwd | head -3; arch",
        )],
    );
}

#[test]
fn as_busybox() {
    compare(
        Family::BusyBox,
        COMMANDS,
        &[
            (
                TEXT,
                "cat t n; head -n3 s; head -3 s; tail -n3 s; tail -n +28 s; cut -d: -f1 c; cut -c1-3 t; tr a-z A-Z <t; tr -d '\\n' <t; tr -s ' ' <t; tr -cd 'a-z' <t",
            ),
            (
                TEXT,
                "sort k; sort -r k; sort -u k; sort -n -k2 k; sort -t: -k2 c; sort k | uniq; sort k | uniq -c; sort k | uniq -d; wc -l <t; wc -c <t; cat t | wc -l; wc -l t; wc t",
            ),
            (
                TEXT,
                "cat t | tee x | wc -c; tac s | head -2; nl t; base64 t; base64 t | base64 -d; sha256sum t c >sums; sha256sum -c sums; echo $?; echo x >>c; sha256sum -c sums; echo $?; md5sum t; seq 3; seq 1 2 5; seq 3 -1 1; seq -w 8 10",
            ),
            (
                TEXT,
                "basename /a/b.c .c; dirname /a/b; expr 1 + 2; expr abc : 'a\\(.\\)'; expr 1 '<' 2; date -u -d @0; date -u -d @0 +%F; env -i A=1 env; id -u; id -un; whoami; paste -sd, s; cmp -s t c; echo $?; uname -s",
            ),
        ],
    );
}

const DUMP: &str = "printf 'hello\\tworld\\n\\0\\001\\177\\377\\200 end' >b; seq 40 >s; head -c 100 /dev/zero >z; : >e";

/// Cases for both families.
const OD: &[&str] = &[
    "od b; od -c b; od -An -tx1 b; od -A x -t x1 b; od -An -t u1 b; od -b b; od -x b; od -d b; od -o s; od -A d -c s | tail -2",
    "od z; od -v z; od -c z; od e; od -An -tx1 -N 4 b; od -N3 -c s; od -j 3 -N 5 -c b; cat b | od -An -c; od -An -N4 -tu4 s; od -An -tx1 <b | tr -d ' \\n'",
];

#[test]
fn dumps() {
    let cases: Vec<Case> = OD.iter().map(|script| (DUMP, *script)).collect();
    compare(Family::Gnu, &["od"], &cases);
    compare(Family::BusyBox, &["od"], &cases);
    compare(
        Family::Gnu,
        &["od"],
        &[
            (
                DUMP,
                "od -t x1z b; od -t x1 -c b; od -c -t x4 -t d2 s; od -tx2 -tx1 -ta b; od -w8 -tx1 b; od -w -An -tx1 s; od -t d1 b; od -t d8 -t o4 s; od -i s; od -l s; od -s b; od -a b",
            ),
            (
                DUMP,
                "od s b | tail -3; od none; echo $?; od none s | tail -1; od -j 1000 s; echo $?; od -A n -t xC -N 1k s | head -2; od --address-radix=n --format=x1 --read-bytes=2 s; od -t dSuI b; od -ta -tx1z b",
            ),
        ],
    );
}

const PAIRS: &str = "seq 30 >a; sed -e 3d -e '7s/$/x/' -e '20a new' -e '28,29d' a >b; printf 'x\\ny' >n1; printf 'x\\ny\\n' >n2; : >e; printf 'A b\\n c  d\\n' >w1; printf 'a B\\n c d\\n' >w2; \
    printf 'a\\0b' >b1; printf 'a\\0c' >b2; mkdir -p l/s l/only r/s; echo 1 >l/f; echo 2 >r/f; echo same >l/g; echo same >r/g; echo x >l/s/x; echo y >r/s/x; echo o >r/o; \
    printf 'f() {\\n  a\\n}\\n\\ng() {\\n  b\\n}\\n' >c1; printf 'f() {\\n  a\\n}\\n\\nh() {\\n  c\\n}\\n\\ng() {\\n  b\\n}\\n' >c2; find . -exec touch -d '2001-02-03 04:05:06.5' {} +";

/// Cases for both families.
const DIFF: &[&str] = &[
    "diff -q a b; echo $?; diff -q a a; echo $?; diff -q a none; echo $?; diff -q l/f r; echo $?; diff --brief a b >/dev/null || echo differ",
    "diff -u a b | tail -n +3; diff -u a a; echo $?; diff -u n1 n2 | tail -n +3; diff -u e n2 | tail -n +3; diff -u n2 e | tail -n +3; cat a | diff -q - a; echo $?",
    "diff -U1 a b | tail -n +3; diff -U0 a b | tail -n +3; diff -u c1 c2 | tail -n +3; diff -ui w1 w2 | tail -n +3; diff -uw w1 w2 | tail -n +3; diff -iw w1 w2; echo $?; diff -ub w1 w2 | tail -n +3; diff -u -L one -L two n1 n2",
];

#[test]
fn differing() {
    let cases: Vec<Case> = DIFF.iter().map(|script| (PAIRS, *script)).collect();
    compare(Family::Gnu, &["diff"], &cases);
    compare(Family::BusyBox, &["diff"], &cases);
    compare(
        Family::Gnu,
        &["diff"],
        &[
            (
                PAIRS,
                "diff a b; echo $?; diff n1 n2; diff e a | head -3; diff a e | head -3; diff c1 c2; diff b1 b2; echo $?; diff -a b1 b2 | od -c; diff a none; echo $?; diff l r; echo $?; diff -r l r; diff -ru l r; diff -rN -x o l r; diff -ruN l r",
            ),
            (
                PAIRS,
                "diff -s a a; diff -rq l r; echo $?; diff -u a b; diff --unified=1 n1 n2; diff --strip-trailing-cr n1 n2; diff a b >out; cmp -s out /dev/null; echo $?; cmp a b; echo $?; cmp -s a a; echo $?; cmp a e; echo $?; cmp n1 n2; echo $?; cmp -l n1 w1; cmp a none; echo $?",
            ),
        ],
    );
}

/// Many small files with few different lines: where a change could stand at several places.
#[test]
fn differing_anyhow() {
    let script = "for i in $(seq 60); do awk -v s=$i 'BEGIN{srand(s); for(j=0;j<12;j++)print int(rand()*4)}' >a; \
        awk -v s=$i 'BEGIN{srand(s+99); for(j=0;j<12;j++)print int(rand()*4)}' >b; diff a b | grep -c '^[<>]'; done";
    compare(Family::Gnu, &["diff"], &[("", script)]);
}

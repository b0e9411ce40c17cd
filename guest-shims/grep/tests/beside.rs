//! `grep` beside GNU's and BusyBox's on the same input.

use std::path::Path;

use trial::{Case, Family, Trial};

fn compare(family: Family, cases: &[Case]) {
    let program = Path::new(env!("CARGO_BIN_EXE_grep"));
    Trial { program, commands: &["egrep", "fgrep", "grep"], family }.compare(cases);
}

const TEXT: &str = "printf 'one\\ntwo words\\nThree\\n\\nfoo.bar\\nfooXbar\\nabab\\n--dash\\nend' >t; \
    printf 'x\\none more\\n' >u; mkdir -p d/e; printf 'one\\n' >d/a.c; printf 'two\\none\\n' >d/e/b.h; \
    ln -s a.c d/link; printf 'a\\0one\\nb\\n' >bin";

const CASES: &[Case] = &[
    (TEXT, "grep one t; grep zzz t; echo $?"),
    (TEXT, "grep one t u; grep -h one t u; grep -H one t"),
    (TEXT, "grep -c o t; grep -c o t u; grep -l one t u d/a.c; grep -L one t u bin; grep -n o t"),
    (
        TEXT,
        "grep -q one t; echo $?; grep -q zzz t; echo $?; grep -q one none t; echo $?; grep one none; echo $?",
    ),
    (TEXT, "grep -s one none; echo $?; grep -sq one none t; echo $?"),
    (TEXT, "grep -i three t; grep -iv O t; grep -v o t u; grep -vc o t"),
    (
        TEXT,
        "grep -w foo t; grep -w one t u; grep -x one t u; grep -xv one u; grep -wo 'wor[a-z]*' t",
    ),
    (
        TEXT,
        "grep -F foo.bar t; grep foo.bar t; fgrep . t; grep -F -e one -e end t; grep -xF one t u",
    ),
    (
        TEXT,
        "grep -E 'one|end' t; egrep '(ab)+' t; grep 'one\\|end' t; grep -E '^(.)(.)\\1\\2$' t; grep '\\(ab\\)\\1' t",
    ),
    (TEXT, "grep -o 'o[a-z]*' t; grep -on o t; grep -oE '[a-z]+' t; grep -o '' t; grep -ob o t"),
    (
        TEXT,
        "grep -A1 one t; grep -B1 foo t; grep -C1 Three t; grep -1 abab t; grep -A1 -B1 -n o t; grep -A2 o t u",
    ),
    (TEXT, "grep -m1 o t; grep -m 2 -c o t; grep -m1 -A2 one t; grep -m0 o t; echo $?"),
    (
        TEXT,
        "grep -e --dash t; grep -- --dash t; grep -e one -f u t; grep '' t; grep -f /dev/null t; echo $?",
    ),
    (
        TEXT,
        "grep -r one d | sort; grep -rl one d | sort; grep -rn one d/e; grep -R one d | sort; grep -r one --include='*.c' d",
    ),
    (
        TEXT,
        "grep -r one --exclude='*.c' d; grep -r one --exclude-dir=e d; cd d; grep -r one | sort; grep -rh one . | sort; grep -rc one | sort",
    ),
    (TEXT, "grep -z one bin | od -c; grep -lZ one t u | od -c; grep -b one t u"),
    (
        TEXT,
        "grep '^$' t; grep -n '^' u; grep -c '$' t; grep '[[:upper:]]' t; grep '[^a-z]' t; grep 'o\\{2\\}' t; grep -E 'o{2}' t",
    ),
    (
        TEXT,
        "cat t | grep one; cat t | grep -H one -; cat t | grep --label=L -H one; grep one - <t; grep one t - <u",
    ),
    (TEXT, "grep; echo $?; grep '[' t; echo $?; grep 'a\\' t; echo $?; grep -E '(' t; echo $?"),
    (
        TEXT,
        "grep --regexp=one --line-number t; grep --count --ignore-case ONE t; grep --quiet one t; grep --color=auto one t; grep --colour=never one t",
    ),
    (
        TEXT,
        "grep 'a*' u; grep -E 'x?' u; grep -E '^(one|x)$' t u; grep '\\bone\\b' u; grep '\\<one' u; grep 'e\\>' t; grep -E 'foo\\.bar' t",
    ),
    (
        TEXT,
        "grep -E '^[[:space:]]*$' t; grep -vE '^(#|$)' t; grep -Ev 'one|two' t; grep -E 'a|' u; grep -e 'one' -e 'x' -c u",
    ),
    (
        TEXT,
        "grep one d; echo $?; grep one . ; echo $?; printf 'a\\r\\nb\\r\\n' | grep -c 'a.$'; printf 'no newline' | grep new",
    ),
    (
        TEXT,
        "printf 'k=v\\nkey = value\\n' >c; grep -E '^key *= *' c; grep -oE '[^= ]+$' c; grep -o '^[^=]*' c; grep '=v$' c",
    ),
    (
        "printf 'caf\\303\\251\\n' >l",
        "LC_ALL=C.UTF-8 grep -o 'caf.$' l; LC_ALL=C grep -o 'caf..$' l; LC_ALL=C.UTF-8 grep -c 'f[^a]$' l; grep -c é l",
    ),
];

#[test]
fn grep_as_gnu() {
    compare(Family::Gnu, CASES);
    compare(
        Family::Gnu,
        &[(
            TEXT,
            "grep one bin; grep -c one bin; grep -a one bin | od -c; grep -I one bin; echo $?",
        )],
    );
}

#[test]
fn grep_as_busybox() {
    compare(
        Family::BusyBox,
        &[
            (TEXT, "grep one t; grep zzz t; echo $?; grep one t u; grep -h one t u; grep -H one t"),
            (
                TEXT,
                "grep -c o t; grep -l one t u; grep -n o t; grep -q one t; echo $?; grep -i three t; grep -v o t",
            ),
            (
                TEXT,
                "grep -w foo t; grep -x one t u; grep -F foo.bar t; grep -E 'one|end' t; grep -o 'o[a-z]*' t",
            ),
            (
                TEXT,
                "grep -A1 one t; grep -m1 o t; grep -r one d/e; grep -e one -e end t; grep one none; echo $?",
            ),
        ],
    );
}

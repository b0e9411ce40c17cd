//! `find` and `xargs` beside GNU's on the same input; the order of a directory is the host's, so
//! lists are sorted.

use std::path::Path;

use trial::{Case, Family, Trial};

fn compare(family: Family, cases: &[Case]) {
    let program = Path::new(env!("CARGO_BIN_EXE_find"));
    Trial { program, commands: &["find", "xargs"], family }.compare(cases);
}

const TREE: &str = "mkdir -p t/d/e t/empty t/.git; echo a >t/a.txt; echo bb >t/d/b.c; : >t/zero; echo x >t/d/e/X.TXT; \
    ln -s a.txt t/link; ln -s none t/dangling; ln -s d t/dl; ln t/a.txt t/d/hard; mkfifo t/pipe; chmod 755 t/d/b.c; \
    chmod 4711 t/zero; chown 33:1 t/d/b.c; touch -d 2001-01-01 t/d/b.c; head -c 3000 /dev/zero >t/big; echo g >t/.git/c; chown 4242:4343 t/big";

const CASES: &[Case] = &[
    (
        TREE,
        "find t | sort; find | sort; find t -print | sort; find t/d t/empty | sort; find t/ | sort; find none; echo $?; find t/a.txt; find t none | wc -l",
    ),
    (
        TREE,
        "find t -name '*.txt' | sort; find t -iname '*.txt' | sort; find t -type f | sort; find t -type d | sort; find t -type l | sort; find t -type f,l | sort; find t -type p; find t -type x; echo $?",
    ),
    (
        TREE,
        "find t -maxdepth 1 | sort; find t -mindepth 2 | sort; find t -mindepth 1 -maxdepth 1 -type d | sort; find t -maxdepth 0; find t -empty | sort; find t -size +1k | sort; find t -size 0 -type f; find t -size -1 -type f; find t -size 3000c",
    ),
    (
        TREE,
        "find t -perm 755 -type f; find t -perm -111 -type f | sort; find t -perm /6000 -type f; find t -perm -u+s; find t -perm /u=x,g=x -type f | sort; find t -perm 4711; find t -perm +111; echo $?; find t ! -perm -o=r -type f",
    ),
    (
        TREE,
        "find t -user 33; find t -user www-data; find t -group daemon; find t -nouser; find t -nogroup; find t -uid 33; find t -user nobodyknows; echo $?; find t -links +1 -type f | sort; find t -samefile t/a.txt | sort",
    ),
    (
        TREE,
        "find t -newer t/d/b.c -type f | sort; find t ! -newer t/d/b.c; find t -mtime +100; find t -mtime -1 -type f | sort; find t -mmin -5 -name a.txt; find t -newermt 2010-01-01 -type f | sort; find t -mtime 0 -name zero",
    ),
    (
        TREE,
        "find t -name .git -prune -o -type f -print | sort; find t -path 't/d/*' | sort; find t -path '*/e' -prune -o -print | sort; find t -not -name '*.c' -type f | sort; find t '(' -name a.txt -o -name zero ')' | sort",
    ),
    (
        TREE,
        "find t -type f -delete; find t | sort; find t -name e -delete; find t -name empty -delete; find t -name d -delete; echo $?",
    ),
    (
        TREE,
        "find t -name '*.c' -exec echo {} ';'; find t -type f -exec echo {} + | tr ' ' '\\n' | sort; find t -name b.c -execdir echo {} ';'; find t -name b.c -execdir pwd ';'; find t -name a.txt -exec sh -c 'echo x$1' sh {} ';'; find t -name zero -exec echo pre{}post ';'",
    ),
    (
        TREE,
        "find t -type d -exec chmod 700 {} ';'; find t -type f -exec chmod 600 {} +; find t -name '*.c' -exec rm {} ';' -print; find t -depth -type d -empty -exec rmdir {} ';'",
    ),
    (
        TREE,
        "find t -name a.txt -exec false ';' -print; echo $?; find t -name a.txt -exec false {} +; echo $?; find t -name a.txt -exec none {} ';'; echo $?; find t -name a.txt -quit; find t -type f -name 'a*' -print -quit",
    ),
    (
        TREE,
        "find t -print0 | tr '\\0' '\\n' | sort; find t -type f -print0 | xargs -0 ls | sort; find t -depth -name 'd' -o -name e -depth; find t -name b.c -printf '%p %f %h %m %s %u %g %y %d %P\\n'; find t -type l -printf '%l\\n' | sort; find t -maxdepth 0 -printf '%H|%P|%f\\n'",
    ),
    (
        TREE,
        "find -L t -type f | sort; find -H t/dl | sort; find -P t/dl; find t -lname 'a*'; find -L t -type l; find t -executable -type f | sort; find t -readable -name zero; find t -xdev -name a.txt; find t -follow -name b.c | sort; find t -regex '.*/a.txt'; find t -true -name zero -false; find t -name zero , -name big",
    ),
    (
        TREE,
        "find t -name; echo $?; find t '('; echo $?; find t -name a -o; echo $?; find t ! ; echo $?; find t -maxdepth x; echo $?; find t -type f -a -name big; find t -type f -and ! -name '*.*' -or -name link | sort; find t -size +1M; find t -size -2k -size +0 -type f -name 'a*'",
    ),
    (
        TREE,
        "cd t; find . -mindepth 1 -maxdepth 1 -exec echo {} + | tr ' ' '\\n' | sort; find . -delete; ls -A; cd ..; find t -depth | tail -1; find t -type f -name '*' -exec cat {} ';'; mkdir -p p/__pycache__/x p/y; touch p/y/a.pyc; find p -depth '(' '(' -type d -a '(' -name __pycache__ ')' ')' -o '(' -type f -a '(' -name '*.pyc' ')' ')' ')' -exec rm -rf '{}' +; find p",
    ),
    (
        "",
        "echo a b c | xargs; echo a b c | xargs -n1; echo a b c | xargs -n2 echo x; printf 'a b\\nc\\n' | xargs -L1; printf 'a\\nb c\\n' | xargs -I{} echo '<{}>'; printf '' | xargs echo x; printf '' | xargs -r echo x; printf 'a\\0b c\\0' | xargs -0 -n1",
    ),
    (
        "",
        "echo \"a 'b c' \\\"d e\\\" f\\\\ g\" | xargs -n1; echo \"'x\" | xargs; echo $?; echo a | xargs false; echo $?; echo a | xargs none; echo $?; echo a | xargs sh -c 'exit 255'; echo $?; printf 'a,b,c' | xargs -d, -n1; printf 'a\\nb\\n' | xargs -d '\\n' echo; echo a b | xargs -i echo '{}-{}'; printf '  lead\\n' | xargs -I% echo '[%]'",
    ),
    (
        "seq 5000 >s; echo 'x y' >f",
        "xargs <s | wc -w; xargs -n 100 <s | wc -l; xargs -a f echo; xargs -t echo <f; xargs -P4 -n1 echo <f | sort; echo 1 2 3 | xargs -n1 -I{} echo v{}; echo a b c d | xargs -E c; seq 3 | xargs -I@ touch file@; ls; echo cat | xargs -I{} sh -c '{} f'; seq 10 | xargs -n3 -x; echo z | xargs -rt echo",
    ),
];

#[test]
fn find_and_xargs_as_gnu() {
    compare(Family::Gnu, CASES);
}

#[test]
fn find_and_xargs_as_busybox() {
    compare(
        Family::BusyBox,
        &[
            (
                TREE,
                "find t | sort; find t -name '*.txt' | sort; find t -type f | sort; find t -maxdepth 1 | sort; find t -mindepth 2 -type f | sort; find t -perm -111 -type f | sort; find t -name .git -prune -o -type f -print | sort",
            ),
            (
                TREE,
                "find t -type f -exec chmod 600 {} +; find t -name '*.c' -exec rm {} ';'; find t -name e -o -name zero | sort; find t ! -type d | sort; find t -type f -print0 | xargs -0 ls | sort; find t -type l | sort",
            ),
            (
                TREE,
                "find t -user 4242; find t -newer t/d/b.c -type f | sort; find t -size +1k -type f; find none; echo $?; echo a b c | xargs; echo a b c | xargs -n1; printf '' | xargs -r echo x; printf 'a\\nb c\\n' | xargs -I{} echo '<{}>'",
            ),
        ],
    );
}

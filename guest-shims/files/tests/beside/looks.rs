//! Looking: readlink, stat, ls.

use super::{TREE, compare};
use trial::Family;

#[test]
fn readlink_and_realpath_as_gnu() {
    compare(
        Family::Gnu,
        &[
            (TREE, "readlink t/d/link t/dangling; readlink t/a; readlink none; readlink"),
            (
                TREE,
                "readlink -f t/d/link; readlink -f t/dirlink/b; readlink -f t/none; readlink -f t/none/x",
            ),
            (
                TREE,
                "readlink -e t/d/link; readlink -e t/none; readlink -m t/none/x/../y; readlink -e t/dangling",
            ),
            (
                TREE,
                "readlink -n t/d/link; readlink -nf t/a t/d; readlink -z t/d/link; readlink -f t/dangling",
            ),
            (
                TREE,
                "realpath t/dirlink t/d/link; realpath t/none; realpath t/none/x; realpath -e t/none; realpath -m a/b/c",
            ),
            (
                TREE,
                "realpath --relative-to=t/d t/a; realpath --relative-to=. /; realpath -z t; realpath -q none/x",
            ),
            (
                TREE,
                "readlink -f t/a/b; readlink -f t/a/; readlink -f t/d/; readlink -f ''; readlink -f /; readlink -f .",
            ),
            (
                "ln -s l l; ln -s a/b x; mkdir a; ln -s ../.. a/up",
                "readlink -f l; readlink -f x; readlink -m l; readlink -f a/up/w",
            ),
        ],
    );
}

#[test]
fn stat_and_ls_as_gnu() {
    compare(
        Family::Gnu,
        &[
            (TREE, "stat -c '%n %a %A %u:%g %U:%G %F %s %h' t t/a t/d/b t/d/link t/pipe t/d/e"),
            (
                TREE,
                "stat -c %y t/a; stat -c '%Y %x' t/d/link; stat --format=%N t/d/link t/a; stat -Lc %F t/d/link",
            ),
            (
                TREE,
                "stat --printf '%a\\n%%\\t%s' t/a; stat -c '%5a|%-8U|%05s' t/a; stat none; stat -c %a none t/a; stat -c '%#a %f' t/a",
            ),
            (TREE, "stat -c '%t,%T' /dev/null; stat -c '%u:%g:%A' t/d/b"),
            (
                TREE,
                "ls; ls t; ls -a t; ls -A t; ls -1 t; ls -d t t/d; ls t/a t/d; ls -F t; ls -p t",
            ),
            (
                TREE,
                "ls -l t/a t/d/b t/pipe; ls -ld t/d t/d/e; ls -l t/d | tail -n +2; ls -ln t/d/b; ls -l t/dangling",
            ),
            (
                TREE,
                "ls -R t; ls -r t; ls -S t/a t/d/b; ls none; ls none t/a; ls t/dirlink; ls -d t/dirlink; ls -l t/dirlink",
            ),
            (
                TREE,
                "ls -lt t/d | tail -n +2; ls -lh t/a; ls -lg t/a; ls -lo t/a; ls -l --time-style=long-iso t/a; ls -l --time-style=+%Y t/a",
            ),
            (
                "truncate -s 1500 a; truncate -s 15000 b; truncate -s 1500000 c",
                "ls -lh a b c | cut -c1-36; ls -AFhl | tail -n +2 | cut -c1-36",
            ),
            (
                TREE,
                "mkfifo p; mkfifo -m 600 q; mknod n p; mknod c c 1 3; mknod -m 600 b b 7 0; mknod x; mknod y c; mkfifo",
            ),
            (
                TREE,
                "truncate -s 10 x; truncate -s 0 t/a; truncate -s 1K t/a; truncate -c -s 5 none",
            ),
            (
                "",
                "d=$(mktemp -d); stat -c %a $d; test -d $d && rmdir $d; f=$(mktemp); stat -c %a $f; rm $f; f=$(mktemp -p .); stat -c '%a %s' $f; rm $f",
            ),
            (
                "",
                "f=$(mktemp x.XXXXXX); echo ${#f}; rm $f; mktemp xx; f=$(mktemp -t y.XXXX); echo ${#f}; rm $f; f=$(mktemp -d --tmpdir=. z.XXX.d); echo ${#f}; rmdir $f",
            ),
            (
                "",
                "TMPDIR=. mktemp | wc -c; mktemp -u q.XXXXX | wc -c; mktemp --suffix=.txt aXXX | wc -c; rm *; mktemp -p /none",
            ),
        ],
    );
}

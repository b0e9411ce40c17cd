//! Copying: cp, install.

use super::{TREE, compare};
use trial::Family;

#[test]
fn cp_as_gnu() {
    compare(
        Family::Gnu,
        &[
            (TREE, "cp t/a b"),
            (TREE, "cp -p t/d/b b"),
            (TREE, "cp t/d/b b; cp t/d/link c; cp -P t/d/link d; cp -d t/dangling e"),
            (TREE, "cp -r t u"),
            (TREE, "cp -R t u; cp -r t u"),
            (TREE, "cp -a t u"),
            (TREE, "cp -a t/. u"),
            (TREE, "mkdir u; cp -a t/. u/"),
            (TREE, "mkdir u; chmod 700 u; cp -r t/. u"),
            (TREE, "mkdir u; chmod 700 u; cp -a t/. u"),
            (TREE, "rm t/dangling; cp -rL t u"),
            (TREE, "cp -rH t/dirlink u"),
            (TREE, "cp -r t/dirlink u; cp -r t/dirlink/ v"),
            (TREE, "cp -rp t u"),
            (TREE, "cp -dp t/a t/d/hard t/d/link t/d"),
            (TREE, "mkdir u; cp -d t/a t/d/hard u"),
            (TREE, "mkdir u; cp -a t/a t/d/hard u"),
            (TREE, "mkdir u; cp t/a t/d/b u; cp t/a t/d/a u; cp t/a t/d none"),
            (TREE, "cp t/d u"),
            (TREE, "cp -T t/a u; cp -rT t/d v; cp -rT t/d v"),
            (TREE, "mkdir u; cp -t u t/a t/d/b"),
            (TREE, "umask 077; cp t/a b; cp -r t u"),
            (TREE, "umask 027; cp -r t u; cp -a t v"),
            (
                TREE,
                "cp --preserve=mode t/d/b b; cp --preserve=timestamps t/d/b c; cp --preserve=ownership t/d/b d",
            ),
            (TREE, "cp -a --no-preserve=ownership t u"),
            (TREE, "cp -a --no-preserve=mode t u"),
            (TREE, "cp -r --no-preserve=mode,ownership t u"),
            (TREE, "cp --preserve t/d/b b; cp --preserve=all t/d/b c; cp --preserve=links t/a d"),
            (TREE, "cp -v t/a b; cp -rv t/d/e u; mkdir -p w/x; cp -av w v"),
            (TREE, "cp -n t/a t/d/b; cat t/d/b"),
            (TREE, "cp -u t/a t/d/b; cp -u t/a new; echo x >y; cp -u t/a y"),
            (TREE, "cp -l t/a b; cp -rl t/d u; cp -s /etc/passwd p"),
            (
                TREE,
                "mkdir u; cp --parents t/d/b u; cp -r --parents t/d/e u; cp -a --parents t/d/b u",
            ),
            ("echo a >a; echo b >b; ln -s b l", "cp a l"),
            ("echo a >a; ln -s none l", "cp a l"),
            ("echo a >a; ln -s none l", "cp --remove-destination a l"),
            ("echo a >a; echo b >b; ln -s b l", "cp --remove-destination a l"),
            ("echo a >a; echo b >b; chmod 640 b; touch -d 2001-01-01 b", "cp a b"),
            ("echo a >a; echo b >b; chmod 640 b", "cp -p a b; cp -f a b"),
            ("echo a >a; ln a b", "cp a b; cp -f a a"),
            ("echo a >a; mkdir b", "cp a b; cp b a; cp -r b a; rm b/a; mkdir b/a; cp a b"),
            ("mkdir a", "cp -r a a/b"),
            ("mkdir a", "cp -r a a"),
            ("", "cp none a; cp; cp a"),
            ("echo a >a", "cp a none/; cp a none/b; cp a ''"),
            ("echo a >a", "cp a . ; cp a ./a"),
            ("", "cp /dev/null a"),
            ("mknod dev c 1 3", "cp -a dev e; cp -r dev f"),
            ("mkdir a; touch a/x; chmod 555 a", "cp -r a b; cp -a a c"),
            (
                "mkdir a; chmod 2775 a; touch a/x; chmod 2755 a/x",
                "cp -r a b; cp -p a/x c; cp a/x d; cp -a a e",
            ),
            ("mkdir -p a b; echo 1 >a/f; echo 2 >b/f", "cp a/f b/f .; cp -r a/. b/. ."),
            ("echo a >a; echo b >b; ln b c", "cp -a a b"),
            ("echo a >a; echo b >b; ln b c", "cp a b"),
            ("ln -s x a; echo b >b", "cp -P a b; cp -a a c; cp -a a c"),
            ("mkdir d; ln -s d l; mkdir -p s/l; touch s/l/f", "cp -r s/l ."),
            ("mkdir d; ln -s d l; mkdir -p s/l; touch s/l/f", "cp -a s/l ."),
            ("mkdir d; mkdir s; ln -s x s/d", "cp -r s/d .; cp -rf s/d .; cp -rT s/d d"),
            ("seq 50000 >a", "cp a b; cmp a b"),
            ("echo a >a", "cp --reflink=auto --sparse=never a b"),
        ],
    );
}

#[test]
fn cp_as_busybox() {
    compare(
        Family::BusyBox,
        &[
            (TREE, "cp t/a b"),
            (TREE, "cp -r t u"),
            (TREE, "cp -a t u"),
            (TREE, "cp -rp t u"),
            (TREE, "mkdir u; cp -a t/. u"),
            (TREE, "cp t/d/link c; cp -P t/d/link d"),
            (TREE, "umask 077; cp -r t u"),
            ("echo a >a; echo b >b", "cp a b; cp -f a b; cp -a a b"),
            ("echo a >a; chmod 751 a; echo b >b; chown 1:2 b", "cp -p a b"),
            ("echo a >a; mkdir b", "cp a b"),
        ],
    );
}

#[test]
fn install_as_gnu() {
    compare(
        Family::Gnu,
        &[
            (TREE, "install t/a b"),
            (TREE, "install -m 644 t/a b; install -m 600 /dev/null c"),
            (TREE, "install -d x/y/z; install -d -m 700 v/w"),
            (TREE, "umask 077; install -d x/y; install t/a z; install -D t/a u/v/w"),
            (TREE, "install -d -o 5 -g 6 -m 1777 x/y; install -o 5 -g daemon t/a z"),
            (TREE, "install -o www-data -g www-data -d a b c"),
            (TREE, "install -Dm755 t/a x/y/z; install -Dm 4755 t/a x/y/s"),
            (TREE, "install -D -t p/q t/a t/d/b; install -t t/d t/a"),
            (TREE, "install -p t/d/b b; install -pm 640 t/d/link c"),
            (TREE, "install t/a t/d/b; install t/a t/d/link; install t/a t/d"),
            (TREE, "install t/a t/d/hard; install t/a t/a"),
            (TREE, "install t/d x; install none x; install t/a none/x; install; install t/a"),
            (TREE, "install -v t/a b; install -vd x/y; install -vD t/a p/q"),
            (TREE, "install -d t/a; install -d t/d; install -d -m 2755 t/d; install -d -m 755 t/d"),
            (TREE, "install -m u=rw,go=r t/a b; install -m +x t/a c; install -d -m g+w d"),
            (TREE, "install -C t/a b; touch -d 2001-01-01 b; install -C t/a b; install -C t/d/b b"),
            (TREE, "install -T t/a t/d; install -T t/a b"),
            (TREE, "install --mode=0600 --owner=5 --group=6 --directory --verbose x"),
            (TREE, "install t/a t/d/b x; mkdir x; install t/a t/d/b x"),
            (TREE, "install -o nope t/a x; install -m 9 t/a x"),
        ],
    );
}

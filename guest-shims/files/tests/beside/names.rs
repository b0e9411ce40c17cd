//! Making and taking away names.

use super::{TREE, compare};
use trial::Family;

#[test]
fn mkdir_as_gnu() {
    compare(
        Family::Gnu,
        &[
            ("", "mkdir a"),
            ("", "mkdir a b c"),
            ("", "mkdir a/b"),
            ("", "mkdir -p a/b/c"),
            ("", "mkdir -p a//b/ a/b/./c a/b/../d"),
            ("", "mkdir -m 700 a"),
            ("", "mkdir -m 2775 a; mkdir a/b; mkdir -m 755 a/c; mkdir -pm 700 a/d/e"),
            ("", "mkdir -p -m 1777 a/b"),
            ("", "mkdir -pm u=rwx,go= a/b"),
            ("", "mkdir -m +t a; mkdir -m a-w b; mkdir -m = c; mkdir -m g+s d"),
            ("", "umask 077; mkdir -p a/b; mkdir -m 755 c; mkdir -m a+x d"),
            ("", "umask 777; mkdir -p a/b"),
            ("mkdir a", "mkdir a"),
            ("mkdir a", "mkdir -p a; mkdir -p -m 700 a"),
            ("touch a", "mkdir -p a"),
            ("touch a", "mkdir -p a/b"),
            ("mkdir d; ln -s d a; ln -s x y", "mkdir -p a/b; mkdir -p y; mkdir y/z"),
            ("", "mkdir -v a; mkdir -pv a/b/c"),
            ("", "mkdir --parents --verbose a/b --mode=711"),
            ("", "mkdir -m 999 a"),
            ("", "mkdir"),
            ("", "mkdir ''"),
            ("", "mkdir -- -x"),
            ("mkdir -m 2755 g; chgrp 50 g", "mkdir -p g/h/i; mkdir -m 700 g/j"),
        ],
    );
}

#[test]
fn mkdir_as_busybox() {
    compare(
        Family::BusyBox,
        &[
            ("", "mkdir -p a/b/c"),
            ("", "mkdir -m 700 a"),
            ("", "mkdir -pm 700 a/b"),
            ("mkdir -m 2755 g", "mkdir g/h; mkdir -m 755 g/i; mkdir -pm 0711 g/j/k"),
            ("mkdir a", "mkdir a; mkdir -p a"),
            ("touch a", "mkdir -p a/b"),
        ],
    );
}

#[test]
fn rm_and_rmdir_as_gnu() {
    compare(
        Family::Gnu,
        &[
            ("touch a b", "rm a"),
            ("", "rm a"),
            ("", "rm -f a"),
            ("", "rm"),
            ("", "rm -f"),
            ("mkdir a", "rm a"),
            ("mkdir a", "rm -f a"),
            ("mkdir a b; touch b/c", "rm -d a b"),
            (TREE, "rm -r t"),
            (TREE, "rm -rf t/d t/dangling t/none"),
            (TREE, "rm -rf t/dirlink"),
            (TREE, "rm -rf t/dirlink/"),
            (TREE, "rm -rf t/*"),
            (TREE, "rm -Rfv t/d/e"),
            (TREE, "rm -v t/a t/d/b"),
            ("mkdir a", "rm -rf . a/.. a/."),
            ("touch a", "rm -f a/b; rm -rf a/b"),
            ("touch a", "rm a/b"),
            ("touch a", "rm ''; rm -f ''; rm -rf ''"),
            ("touch ./-a", "rm -- -a"),
            ("touch a; chmod 000 a", "rm a"),
            ("mkdir -p a/b/c", "rmdir a/b/c a/b"),
            ("mkdir -p a/b/c", "rmdir -p a/b/c"),
            ("mkdir -p a/b/c; touch a/x", "rmdir -p a/b/c; rmdir --ignore-fail-on-non-empty a"),
            ("mkdir -p a/b", "rmdir a; rmdir -v a/b"),
            ("touch a", "rmdir a; rmdir none; rmdir"),
            ("touch a", "unlink a; unlink b; unlink"),
        ],
    );
}

#[test]
fn ln_as_gnu() {
    compare(
        Family::Gnu,
        &[
            ("touch a", "ln -s a b"),
            ("touch a", "ln a b; ln a b"),
            ("", "ln -s /abs/target x"),
            ("mkdir d", "ln -s ../a d"),
            ("mkdir d", "ln -s target d/"),
            ("mkdir d", "ln -s x/target"),
            ("touch b", "ln -s a b"),
            ("touch b", "ln -sf a b"),
            ("ln -s x b", "ln -sf a b"),
            ("mkdir d; ln -s d b", "ln -sf a b"),
            ("mkdir d; ln -s d b", "ln -sfn a b"),
            ("mkdir d; ln -s d b", "ln -snf a b/"),
            ("mkdir d; ln -s d b", "ln -sfT a b"),
            ("mkdir d", "ln -sfn a d"),
            ("mkdir d", "ln -sfT a d"),
            ("mkdir d", "ln -sT a d/b"),
            ("mkdir d; touch a b", "ln a b d"),
            ("mkdir d; touch a b", "ln -t d a b"),
            ("mkdir d; touch a b", "ln -st d a b"),
            ("touch a b c", "ln a b c"),
            ("mkdir d", "ln d e"),
            ("", "ln none e; ln -f none e"),
            ("touch a; ln -s a b", "ln b c"),
            ("touch a; ln -s a b", "ln -L b c"),
            ("touch a", "ln -f a a; ln -sf a a"),
            ("touch a; ln a b", "ln -f a b; ln -sf a b"),
            ("mkdir -p d/e; touch d/a", "ln -sr d/a d/e/b; ln -sr d/e x; ln -srf /etc/passwd y"),
            ("touch a", "ln -sv a b; ln -v a c; ln -svf a b"),
            ("mkdir d e; touch d/a e/a", "ln -s d/a e/a .; ln -sf d/a e/a ."),
            ("", "ln -s a; ln -s; ln"),
            ("touch a; touch b; mkdir d", "ln -s a b d/none"),
            ("mkdir d; ln -s none d/l", "ln -sf a d/l"),
            ("ln -s self self", "ln -sf a self"),
            ("touch a", "link a b; link a; link none x"),
        ],
    );
}

#[test]
fn mv_as_gnu() {
    compare(
        Family::Gnu,
        &[
            (TREE, "mv t u"),
            (TREE, "mv t/a t/d"),
            (TREE, "mv t/a t/d/b"),
            (TREE, "mv t/d/link t/dirlink"),
            (TREE, "mv -T t/a t/dirlink; mv -T t/d t/dirlink"),
            (TREE, "mv t/d t/a; mv t/a t/d/e/.; mv t/d t/d; mv t/d t/d/e"),
            (TREE, "mv t/a t/d/hard"),
            (TREE, "mv -v t/a b; mv -fv t/d/b c"),
            (TREE, "mv -n t/a t/d/b"),
            (TREE, "mv -t t/d t/a t/pipe"),
            (TREE, "mv -u t/d/b t/a; echo x >y; mv -u t/a y"),
            ("mkdir -p a/x b/x; touch b/x/f", "mv a/x b; mv b/x a"),
            ("mkdir a b; touch a/f", "mv -T b a; mv -T a b"),
            ("touch a", "mv a a; mv a none/; mv a none/b; mv none x; mv; mv a"),
            ("mkdir d; touch a b", "mv a b d; mv d/a d/b c"),
            ("mkdir d e; touch d/a e/a", "mv d/a e/a ."),
            ("touch a; ln -s a l", "mv a l; mv l m"),
            ("touch a; ln -s a l", "mv l a"),
            ("mkdir d; ln -s d l", "mv l/ m"),
            ("mkdir d", "mv d/ e; mv e/ f/"),
            ("touch a; chmod 000 a; touch b", "mv b a"),
            ("mkdir d; touch a", "mv a d/; mv --strip-trailing-slashes d/ e"),
        ],
    );
}

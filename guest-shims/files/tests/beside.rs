//! The commands beside GNU's and BusyBox's on the same input.

use std::path::Path;

use trial::{Case, Family, Trial};

const COMMANDS: &[&str] = &[
    "chgrp", "chmod", "chown", "cp", "install", "link", "ln", "ls", "mkdir", "mkfifo", "mknod",
    "mktemp", "mv", "readlink", "realpath", "rm", "rmdir", "stat", "touch", "truncate", "unlink",
];

fn compare(family: Family, cases: &[Case]) {
    let program = Path::new(env!("CARGO_BIN_EXE_files"));
    Trial { program, commands: COMMANDS, family }.compare(cases);
}

/// A tree with all kinds of files.
const TREE: &str = "mkdir -p t/d/e; echo a >t/a; echo b >t/d/b; chmod 4755 t/d/b; ln -s b t/d/link; \
    ln -s /nowhere t/dangling; ln -s d t/dirlink; ln t/a t/d/hard; mkfifo t/pipe; chmod 1777 t/d/e; \
    chmod 600 t/a; chown 1234:4321 t/d/b; touch -d 2001-02-03 t/a t/d/b t/d; touch -h -d 2001-02-04 t/d/link";

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
            (TREE, "cp -v t/a b; cp -rv t/d/e u; cp -av t/d v | sort"),
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
            ("echo a >a; echo b >b; ln -s b l", "cp a l"),
            ("echo a >a; mkdir b", "cp a b"),
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

#[test]
fn chmod_as_gnu() {
    compare(
        Family::Gnu,
        &[
            (TREE, "chmod 755 t/a"),
            (TREE, "chmod +x t/a"),
            (TREE, "chmod a+x,u-w t/a"),
            (TREE, "chmod -R 700 t"),
            (TREE, "chmod -R u=rwX,go=rX t"),
            (TREE, "chmod -R g+rwX,o= t"),
            (TREE, "chmod -R a+X t; chmod -R +w t"),
            (TREE, "chmod u+s,g+s t/a; chmod +t t/d; chmod g+s t/d; chmod 755 t/d"),
            (TREE, "chmod g+s t/d; chmod 0755 t/d; chmod 00755 t/d"),
            (TREE, "chmod g+s t/d; chmod g=rx t/d; chmod g-s t/d"),
            (TREE, "chmod 600 t/dirlink; chmod 644 t/d/link"),
            (TREE, "chmod -R 700 t/dirlink"),
            (TREE, "chmod 600 t/dangling; chmod 600 none; chmod -f 600 none"),
            (TREE, "chmod -x t/d/b; chmod -r t/a; chmod -- -w t/d"),
            (TREE, "umask 077; chmod +x t/a; chmod -w t/d/b; chmod -rwx t/d/e"),
            (TREE, "chmod -c 755 t/a t/d/e; chmod -v 755 t/a; chmod -v u+x t/d"),
            (TREE, "chmod --reference=t/d/b t/a"),
            (TREE, "chmod g=u,o=g t/a; chmod o=u t/d/b; chmod u=g t/d/b"),
            (TREE, "chmod = t/a; chmod a= t/d/b; chmod +X t/a"),
            (TREE, "chmod 888 t/a; chmod u+q t/a; chmod; chmod 755; chmod 07777 t/a"),
            (TREE, "chmod -R o+w,u-x t/d; chmod --recursive 777 t"),
            (TREE, "chmod u+rwx-x t/a; chmod go+u-w t/a; chmod ug=rw,o+t t/a"),
            (TREE, "chmod +644 t/d/b; chmod =711 t/d/e"),
        ],
    );
}

#[test]
fn chmod_as_busybox() {
    compare(
        Family::BusyBox,
        &[
            (TREE, "chmod g+s t/d; chmod 755 t/d"),
            (TREE, "chmod -R 750 t"),
            (TREE, "chmod -R u=rwX,go=rX t"),
            (TREE, "chmod +x t/a; chmod a-w t/d/b; chmod g=u t/d"),
        ],
    );
}

#[test]
fn chown_as_gnu() {
    compare(
        Family::Gnu,
        &[
            (TREE, "chown 1000 t/a; chown 1000:1001 t/d; chown :7 t/pipe; chgrp 8 t/d/b"),
            (
                TREE,
                "chown www-data t/a; chown www-data: t/d; chown www-data:daemon t/pipe; chown daemon.bin t/d/b",
            ),
            (TREE, "chown -R www-data:www-data t"),
            (TREE, "chown -R 5:5 t/dirlink"),
            (TREE, "chown -RH 5:5 t/dirlink; chown -RL 6:6 t/d"),
            (
                TREE,
                "chown 5 t/d/link; chown -h 6 t/d/link; chown 5 t/dangling; chown -h 5 t/dangling",
            ),
            (TREE, "chown nobodyknows t/a; chown 5:nobodyknows t/a; chown 5: t/a; chown +5:+6 t/a"),
            (TREE, "chown --from=1234 9 t/d/b; chown --from=1:1 9 t/a; chown --from=:0 8 t/a"),
            (TREE, "chown --reference=t/d/b t/a; chgrp --reference=t/d/b t/d"),
            (TREE, "chown '' t/a; chown : t/a; chown; chown 5; chown 5 none; chown -f 5 none"),
            (
                TREE,
                "chown -v 5 t/a; chown -c 5:6 t/a; chown -c 5:6 t/a; chown -v www-data t/d; chgrp -v daemon t/a",
            ),
            (TREE, "chmod 6755 t/a; chown 5 t/a; chown 0:0 t/d/b"),
            (TREE, "chgrp -R daemon t; chgrp nope t; chgrp 5"),
            (TREE, "chown --no-dereference 5:6 t/d/link; chown -R --no-dereference 3 t"),
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

#[test]
fn touch_as_gnu() {
    compare(
        Family::Gnu,
        &[
            ("", "touch a b"),
            ("", "touch -c a; touch -d 2001-02-03 b; touch -t 200102030405.06 c"),
            (TREE, "touch t/a t/d"),
            (TREE, "touch -a t/a; touch -m t/d/b; touch -a -d 2005-05-05 t/d"),
            (TREE, "touch -m -d 2005-05-05 t/a; touch -am -d @1234567890 t/d/b"),
            (TREE, "touch -r t/a x; touch -hr t/d/link y; touch -r t/a -h t/d/link"),
            (TREE, "touch t/d/link; touch -h -d 2003-03-03 t/d/link; touch t/dirlink"),
            (TREE, "touch t/dangling none/x none/; touch"),
            (
                TREE,
                "touch -d '2001-02-03 04:05:06' x; touch -d '2001-02-03T04:05:06Z' y; touch --date='3 Feb 2001' z",
            ),
            ("", "touch -t 0102030405 a; touch -t 9902030405 b; touch -t 13 c"),
            ("umask 077; touch a", "umask 077; touch a b"),
            ("ln -s target l", "touch l"),
            (
                "",
                "touch -d '2001-02-03 04:05:06.5 +0200' x; touch -d 'Sat, 3 Feb 2001 04:05:06 GMT' y",
            ),
        ],
    );
}

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

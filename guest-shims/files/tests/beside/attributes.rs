//! Modes, owners, times.

use super::{TREE, compare};
use trial::Family;

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

//! `sed` beside GNU's and BusyBox's on the same input.

use std::path::Path;

use trial::{Case, Family, Trial};

fn compare(family: Family, cases: &[Case]) {
    let program = Path::new(env!("CARGO_BIN_EXE_sed"));
    Trial { program, commands: &["sed"], family }.compare(cases);
}

const TEXT: &str = "printf 'one\\ntwo\\nthree\\nfour\\nfive\\nsix\\n' >t; printf 'a=1\\n#b=2\\n  c = 3\\n' >u; \
    printf 'no end' >n; chmod 640 u; chown 5:6 u; ln -s u l; printf 'x/y/z\\n/usr/bin\\n' >p; printf 'INS\\nERT\\n' >r";

const BOTH: &[Case] = &[
    (
        TEXT,
        "sed p t; sed -n p t; sed -n 2p t; sed 2d t; sed '2,4d' t; sed '$d' t; sed -n '$p' t; sed '2!d' t",
    ),
    (
        TEXT,
        "sed /two/d t; sed '/two/,/four/d' t; sed '/t/!d' t; sed -n '/two/,$p' t; sed '2,/o/d' t; sed '/five/,2d' t",
    ),
    (
        TEXT,
        "sed s/o/0/ t; sed s/o/0/g t; sed 's/e/E/2' t; sed -n 's/o/0/p' t; sed 's|/|:|g' p; sed 's,/,:,' p; sed 's/\\//:/g' p",
    ),
    (
        TEXT,
        "sed 's/\\(.\\)\\(.\\)/\\2\\1/' t; sed -E 's/(.)(.)/\\2\\1/' t; sed -r 's/(e+)/[\\1]/g' t; sed 's/.*/[&]/' t; sed 's/o/\\&/' t",
    ),
    (
        TEXT,
        "sed 's/x*/-/g' t; sed 's/e*/-/g' t; sed 's/\\(e\\)*/<\\1>/g' t; sed 's/^/> /' t; sed 's/$/ </' t; sed 's/^$/x/' t",
    ),
    (
        TEXT,
        "sed -i s/one/ONE/ t; sed -i 's/a=.*/a=9/' u; sed -i -e '/^#/d' u; sed -i '$a end' t; sed -i 1d n",
    ),
    (
        TEXT,
        "sed -i s/a/A/ l; sed -i.bak s/one/1/ t; sed -ri 's/(two)/<\\1>/' t; sed -i -E 's/(six)/\\1\\1/' t; sed -n -i 2p t",
    ),
    (
        TEXT,
        "ln t hard; sed -i s/one/x/ t; sed -i s/x/y/ none; echo $?; sed s/a/b/ none t | head -1; sed -i '' t",
    ),
    (
        TEXT,
        "sed 'a after' t; sed '2i before' t; sed '2c changed' t; sed '2,3c range' t; sed '$!d' t; sed '2a\\' -e 'x' t",
    ),
    (
        TEXT,
        "sed '1i\\\nfirst\\\nsecond' t; sed '$a\\\nlast' t; sed '2c\\\nmiddle' t; sed 'a\\  keep' n; sed '/two/a\\  - item' t",
    ),
    (
        TEXT,
        "sed ':a;N;$!ba;s/\\n/ /g' t; sed -n '$=' t; sed = t; sed 'N;s/\\n/+/' t; sed '$!N;P;D' t; sed -n '1!G;h;$p' t; sed G t",
    ),
    (
        TEXT,
        "sed 'n;d' t; sed '1~2d' t 2>/dev/null; sed -n '2{p;q}' t; sed '3q' t; sed -n '/two/{s/t/T/;p}' t; sed '/two/{n;s/three/3/}' t",
    ),
    (
        TEXT,
        "sed 'y/abcdef/ABCDEF/' t; sed -e 's/a/b/' -e 's/b/c/' u; sed 's/a/b/;s/b/c/' u; sed -f r n; printf 's/o/0/\\np\\n' >s; sed -f s t",
    ),
    (
        TEXT,
        "sed '/one/r r' t; sed '$r r' t; sed 'r none' t; sed '2w out' t; cat out; sed -n 's/o/0/w out2' t; cat out2; sed '$r r' n",
    ),
    (
        TEXT,
        "sed p n; sed 's/$/x/' n; cat n | sed a; sed 's/no/yes/' n t; sed -s '$s/$/!/' n t; sed -n '$p' t u; sed 1d t u; sed d n",
    ),
    (
        TEXT,
        "sed 's/\\bt/T/g' t; sed 's/[aeiou]/\\U&/g' t 2>/dev/null; sed 's/o\\+/0/' t; sed 's/t\\?w/W/' t; sed 's/one\\|two/X/' t",
    ),
    (
        TEXT,
        "sed 's/a/x\\ny/' u; sed 's/=/\\t/' u; sed 's/[[:space:]]*=[[:space:]]*/=/' u; sed 's/^[ \\t]*//' u; sed '/^ *#/!s/^/#/' u",
    ),
    (
        TEXT,
        "sed -e :a -e '$q;N;3,$D;ba' t; sed '/three/,+1d' t; sed '0,/e/s//E/' t; sed -n '/two/!{/three/!p}' t; sed 's/o/0/;ta;s/$/-/;:a' t",
    ),
    (
        TEXT,
        "sed '/one/,/two/{/two/!d}' t; sed '\\,/usr,d' p; sed '\\|x|s|/|_|g' p; sed 's/three/&\\\nnext/' t; sed -n '/f/{=;p}' t; sed '2{h;d};$G' t",
    ),
    (
        TEXT,
        "sed 's/a/b' t; echo $?; sed; echo $?; sed 'k' t; echo $?; sed 's/\\(a/b/' t; echo $?; sed '{p' t; echo $?; sed 'b none' t; echo $?",
    ),
    (
        TEXT,
        "sed '1!{$!d}' t; sed 's/.\\{3\\}/&-/' t; sed -E 's/.{2}$/#/' t; sed -E 's/^(#?)(a|b)=.*/\\2=new/' u; sed 's/#\\(b=\\)/\\1/' u",
    ),
    (
        TEXT,
        "sed 's@x/y@new/path@' p; sed 's#^/usr#/opt#' p; sed 's+/usr+/opt+' p; sed 's%one%100\\%%' t; sed 's:a:\\::' u; sed \"s/one/'q'/\" t",
    ),
    (
        TEXT,
        "sed 'x;p;x' n; sed -n 'H;${x;s/\\n/,/g;p}' t; sed '1h;1d;$G' t; sed -n 'x;n;p' t; sed '2q5' t; echo $?; sed -n '2{p;q3}' t; echo $?",
    ),
    (
        TEXT,
        "sed -e '1{' -e 's/o/0/' -e '}' t; sed -e 'a\\' -e 'text' n; sed '2r /dev/null' t; sed '1d;n;d' t; sed -z 's/\\n/,/g' t; sed 's/I/x/I' t",
    ),
    (
        TEXT,
        "sed 's/\\./,/g;s/=\\(.*\\)/=\"\\1\"/' u; sed -E 's/(^|[^a-z])c/\\1C/' u; sed 's/[^,]*,//' u; sed 's/\\s\\+/ /g' u; sed 's/\\w\\+/W/g' u",
    ),
];

#[test]
fn sed_as_gnu() {
    compare(Family::Gnu, BOTH);
    compare(
        Family::Gnu,
        &[
            (
                TEXT,
                "printf 'a\\nb' | sed -e '$a\\'; printf 'a\\nb' >m; sed -i -e '$a\\' m t; sed -e '2i\\' t; sed -e '2c\\' t; sed -e '1a\\' -e text t",
            ),
            (
                TEXT,
                "sed -n l t u; printf 'a\\tb\\\\\\001\\303\\n' | sed -n l; sed -n 'l 5' t; sed -l 4 -n l t",
            ),
            (
                TEXT,
                "sed 's/\\(.\\)\\(.*\\)/\\u\\1\\U\\2\\E!/' t; sed 's/.*/\\L&/;s/o/\\u&/g' t; sed -E 's/(t)(.*)/\\l\\U\\1\\2\\E-\\2/' t",
            ),
            (
                TEXT,
                "sed -i --follow-symlinks s/a/Q/ l; sed --in-place=.o s/six/6/ t; sed --in-place='bak_*' s/one/1/ t; sed --expression=p --quiet n",
            ),
            (
                TEXT,
                "sed 'a hello\\tworld' n; sed 'i\\ttab' n; sed 'a\\ttext' n; sed 's/no/\\x41\\o102\\d067/' n; sed '2,~2d' t; sed '2~3d' t; sed '0~2d' t",
            ),
            (
                TEXT,
                "sed F n; sed -s -n '$=' t u; sed -n '$=' t u; sed 'R r' t; sed '1z' t; sed -s 1F t n; sed -i 's/o/0/w /dev/stdout' t; sed '2Q' t; sed '2Q7' t; echo $?",
            ),
            (
                TEXT,
                "sed -i d none t; echo $?; mkdir d; sed -i p d; echo $?; sed p d; echo $?; sed -i 2q t; sed -n -i.orig '/one/p;/one/q' t",
            ),
            (
                TEXT,
                "sed 's/a*\\(b\\)*/x/g' u; echo abc | sed 's/b*/X/g'; echo baaac | sed 's/a*/x/g'; echo hello | sed 's/l*/L/2'; echo aaa | sed 's/a/b/2g'",
            ),
            (
                TEXT,
                "printf 'a\\nb\\nc\\n' | sed 'N;N;s/^b$/X/M'; printf 'a\\nb\\n' | sed 'N;s/^/-/Mg'; printf 'a\\nb\\n' | sed 'N;s/a$/-/M'; printf 'a\\nb' | sed 'N;N;s/$/x/'",
            ),
            (
                TEXT,
                "sed '/a/I,/c/Id' u; sed -n '/A/Ip' u; sed 's/A/x/i' u; sed 's//x/' u; echo $?; sed '/one/s//1/' t; sed -E 's/a|b|/x/g' u; sed 'W out' t; sed '$!{N;W out2\n}' t",
            ),
            (
                TEXT,
                "sed '1,1d' t; sed '3,1d' t; sed '2,2p' t; sed '/one/,1d' t; sed '1,/one/d' t; sed '0,/one/d' t; sed '/e/,/e/d' t; sed '$,1d' t; sed '2,$!d' t; sed '4,+0d' t",
            ),
            (
                TEXT,
                "sed '2,3{=;d}' t; sed '1d;1,2d' t; sed '$!{$!N};D' t; sed 'N;N;D' t; sed 'c\\' n; sed '$!N;s/\\n/-/;P;D' t; sed '1{x;p;x}' t; sed '1{/one/{s/o/0/}}' t; sed '2{b};d' t; sed 'bx;p;:x' t;",
            ),
            (
                "printf 'é\\n' >e",
                "LC_ALL=C.UTF-8 sed 's/./x/g' e; LC_ALL=C sed 's/./x/g' e; LC_ALL=C.UTF-8 sed 's/[^a]/-/' e; sed 's/é/e/' e",
            ),
        ],
    );
}

#[test]
fn sed_as_busybox() {
    compare(
        Family::BusyBox,
        &[
            (
                TEXT,
                "sed p t; sed -n 2p t; sed '2,4d' t; sed '$d' t; sed s/o/0/g t; sed -E 's/(.)(.)/\\2\\1/' t",
            ),
            (
                TEXT,
                "sed -i s/one/ONE/ t; sed -i 's/a=.*/a=9/' u; sed -i -e '/^#/d' u; sed -i.bak s/six/6/ t",
            ),
            (
                TEXT,
                "sed '2i before' t; sed '$a end' t; sed '2c changed' t; sed '1i\\\nfirst' t; sed ':a;N;$!ba;s/\\n/ /g' t",
            ),
            (TEXT, "printf 'a\\nb' | sed -e '$a\\'; sed -e '2a\\' t"),
            (
                TEXT,
                "sed '/one/r r' t; sed -n '$=' t; sed 's/$/x/' n; sed '/two/,/four/d' t; sed -r 's/^#(b=).*/\\1x/' u; sed -i s/a/A/ l",
            ),
        ],
    );
}

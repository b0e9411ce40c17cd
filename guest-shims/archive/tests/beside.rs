//! The commands beside GNU's on the same input.

use std::path::Path;

use trial::{Case, Family, Trial};

fn compare(cases: &[Case]) {
    let program = Path::new(env!("CARGO_BIN_EXE_archive"));
    let commands = &[
        "bunzip2", "bzcat", "gunzip", "gzip", "tar", "unxz", "unzstd", "xz", "xzcat", "zcat",
        "zstdcat",
    ];
    Trial { program, commands, family: Family::Gnu }.compare(cases);
}

const TREE: &str = "mkdir -p s/a/b s/empty; echo one >s/a/1; echo two >s/a/b/2; ln s/a/1 s/hard; ln -s a/1 s/link; ln -s /abs s/abs; mkfifo s/pipe; \
    chmod 4755 s/a/1; chmod 2750 s/a/b; chmod 1777 s/empty; chown 33:33 s/a/b/2; chown 4242:4343 s/a/b; seq 20000 >s/big; \
    mknod s/dev c 1 3; mkdir -p s/$(seq -s d 60)/$(seq -s e 60); echo deep >s/$(seq -s d 60)/$(seq -s e 60)/file; \
    find s -exec touch -h -d '2001-02-03 04:05:06' {} +; tar cf s.tar s; tar czf s.tgz s; tar cJf s.txz s; tar cjf s.tbz s; tar c --zstd -f s.tzst s; \
    tar c --format=pax --pax-option=delete=atime,delete=ctime -f p.tar s; tar c --format=ustar -f u.tar s/a s/hard s/link; cd s; tar cf ../dot.tar .; cd ..; gzip -k s/big; xz -k s/big; bzip2 -k s/big; zstd -qk s/big; \
    mv s/big.gz s/big.xz s/big.bz2 s/big.zst .; rm -r s";

const CASES: &[Case] = &[
    (TREE, "tar xf s.tar"),
    (TREE, "tar -xzf s.tgz; tar xJf s.txz; tar xjf s.tbz; tar -x --zstd -f s.tzst"),
    (TREE, "tar xf s.tgz; tar tf s.txz; tar -tf s.tar s/a; tar tf p.tar"),
    (
        TREE,
        "mkdir o; tar -C o -xf s.tar --strip-components=1; tar xf s.tar -C o --strip-components 2; tar --strip=1 -xzf s.tgz -C o",
    ),
    (TREE, "tar xf p.tar; tar xf u.tar; mkdir o; tar xf dot.tar -C o"),
    (
        TREE,
        "tar xf s.tar --no-same-owner; mkdir o; tar xpf s.tar -C o --numeric-owner; mkdir q; tar xof s.tar -C q",
    ),
    (TREE, "umask 077; tar xf s.tar --no-same-permissions; mkdir o; tar xf s.tar -C o"),
    (
        TREE,
        "tar xf s.tar s/a; tar xf s.tar s/a/b/2 s/link; tar xf s.tar none; echo $?; tar xf s.tar --exclude=b --exclude='*.x'; tar xf s.tar --exclude='s/e*' s/a",
    ),
    (
        TREE,
        "tar xvf s.tar s/a; tar xOf s.tar s/a/1 s/a/b/2; tar xmf s.tar s/a; cat s.tar | tar x -f - s/link; cat s.tgz | tar xz -f -; cat s.tgz | tar xf - ; echo $?",
    ),
    (
        TREE,
        "mkdir -p s/a; echo old >s/a/1; echo keep >s/a/keep; ln -s /etc s/empty; mkdir s/link; tar xf s.tar; mkdir -p t/s/a/1/x; tar xf s.tar -C t; echo $?",
    ),
    (
        TREE,
        "tar xf none; echo $?; tar xf s.tar -C none; echo $?; echo junk >j; tar xf j; echo $?; head -c 3000 s.tar >cut; tar xf cut; echo $?; rm -rf s; tar xzf s.tar; echo $?; tar --extract --file s.tgz --gzip --directory . s/link; tar --list --file=s.tar | wc -l",
    ),
    (
        TREE,
        "gunzip big.gz; unxz big.xz; rm big; bunzip2 big.bz2; ls; unzstd -q big.zst; rm big; gzip -d s.tgz; unzstd -q big.zst",
    ),
    (
        TREE,
        "gunzip -k big.gz; gunzip big.gz; echo $?; gunzip -f big.gz; zcat s.tgz | tar tf - | wc -l; gzip -dc s.tgz | wc -c; gzip -cd <s.tgz | wc -c; xz -dc big.xz | tail -1; xzcat big.xz | wc -l; bzcat big.bz2 | wc -l; zstdcat big.zst | wc -l",
    ),
    (
        TREE,
        "gzip -t s.tgz; echo $?; echo x >j.gz; gunzip j.gz; echo $?; gunzip none.gz; echo $?; gunzip s.tar; echo $?; head -c 100 s.tgz >c.gz; gunzip c.gz; echo $?; cat big.gz big.gz >two.gz; zcat two.gz | wc -l; xz -dk big.xz; xz -d big.xz; echo $?; chmod 640 big.gz; chown 5:6 big.gz; gzip -df big.gz",
    ),
];

#[test]
fn archives_as_gnu() {
    compare(CASES);
}

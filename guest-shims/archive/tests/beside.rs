//! The commands beside GNU's, Info-ZIP's and BusyBox's on the same input.

use std::{path::Path, process::Command};

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
    (
        "",
        ": | tar x 2>e; echo $?; : | tar xz 2>e; echo $?; : >n; tar tf n 2>e; echo $?; printf '\\037\\213\\010\\0\\0\\0\\0\\0\\0\\003\\003\\0\\0\\0\\0\\0\\0\\0\\0\\0' >n.gz; tar xf n.gz 2>e; echo $?; head -c 1024 /dev/zero >z; tar xf z 2>e; echo $?; rm e",
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

/// Cases for BusyBox's.
const BUSYBOX: &[&str] = &[
    "rm -r s; tar xf s.tar; tar xzf s.tgz -C . s/a; mkdir o p q r; tar xzf s.tgz -C o; tar -xJf s.txz -C p --strip-components=1; tar xjf s.tbz -C q; (umask 077; tar -x -z -f s.tgz -C r --strip-components 2)",
    "rm -r s; cat s.tgz | tar xz; mkdir o p; cat s.tar | tar -x -C o; tar xzf s.tgz -C p s/a s/link; tar xf s.tar none; echo $?; tar xf none; echo $?; tar xf s.tar -C none; echo $?",
    "tar tf s.tar; tar tzf s.tgz s/a; tar xvf s.tar s/a; tar xOf s.tar s/a/1; mkdir o; tar xmf s.tar -C o; tar xof s.tar -C o; tar xpf s.tar -C o; tar -xzf s.tgz -C o --strip-components 1 s/a",
    "mkdir -p o/s/a; chmod 700 o/s; echo old >o/s/a/1; echo keep >o/s/keep; tar xf s.tar -C o; tar xf dot.tar -C o; tar xf p.tar; tar xf u.tar",
    "umask 027; chmod 4755 big.gz; chown 5:6 big.gz big.xz; gunzip -k big.gz; gunzip -f big.gz; cat big | wc -l; gzip -dc s.tgz | wc -c; zcat s.tgz | tar tf - | wc -l; rm -f big; unxz big.xz; rm big; bunzip2 big.bz2; xz -dc s.txz | wc -c; xzcat s.txz | wc -c; bzcat s.tbz | wc -c; gunzip none.gz; echo $?; gunzip s.tar; echo $?",
];

#[test]
fn archives_as_busybox() {
    let program = Path::new(env!("CARGO_BIN_EXE_archive"));
    let commands = &["bunzip2", "bzcat", "gunzip", "gzip", "tar", "unxz", "xz", "xzcat", "zcat"];
    let cases: Vec<Case> = BUSYBOX.iter().map(|script| (TREE, *script)).collect();
    Trial { program, commands, family: Family::BusyBox }.compare(&cases);
}

const ZIPS: &str = "mkdir -p s/d/e s/empty; echo one >s/a; seq 2000 >s/d/big; ln -s ../a s/d/l; ln -s /abs/olute s/abs; echo x >s/run; chmod 755 s/run; \
    chmod 600 s/a; chmod 4755 s/d/big; chmod 750 s/d; echo sp >'s/sp ace'; find s -exec touch -h -d '2001-02-03 04:05:07' {} +; \
    zip -qry u.zip s; zip -qr nolink.zip s; zip -qrX x.zip s; zip -q0 -r st.zip s/d; cd s; zip -qr ../flat.zip a run d; cd ..; \
    python3 -c \"import zipfile as Z\nz=Z.ZipFile('py.zip','w',Z.ZIP_DEFLATED)\nT=(2005,6,7,8,9,10)\n\
def add(n,s,a,d):\n i=Z.ZipInfo(n,T)\n i.create_system=s\n i.external_attr=a\n z.writestr(i,d)\n\
add('p/x',3,0o100755<<16,'x')\nadd('dos',0,32,'dos')\nadd('../evil',3,0o100644<<16,'e')\nadd('/abs/x',3,0o100640<<16,'abs')\nadd('dd/',3,(0o40700<<16)|16,'')\nadd('sg/',3,(0o42775<<16)|16,'')\nz.close()\nz=Z.ZipFile('bz.zip','w',Z.ZIP_BZIP2)\nadd('b',3,0o100644<<16,'b'*1000)\n\"; \
    cat /bin/true u.zip >sfx; rm -r s; mkdir o";

/// Cases for Info-ZIP's and BusyBox's.
const UNZIP_BOTH: &[&str] = &[
    "unzip u.zip; unzip -q x.zip -d other; unzip -q -d third nolink.zip",
    "cd o; unzip -o ../py.zip; echo $?; unzip -q -o ../py.zip; ls",
    "unzip -q flat.zip -d o; unzip -qo flat.zip -d o; unzip -n flat.zip -d o; unzip -j flat.zip -d j; unzip -oq flat.zip a -d only",
    "unzip -l u.zip; unzip -l u.zip s/a; unzip -p u.zip s/a; unzip -p flat.zip | wc -c; unzip -q st.zip; unzip -q sfx -d o",
    "unzip u.zip 's/d/*' -d o; unzip u.zip -x 's/d/*' -d p; unzip -q u.zip s/a s/run -d q; unzip -q u.zip s/a -x s/a -d r; ls; unzip none.zip; echo $?",
    "umask 077; unzip -q u.zip; unzip -q py.zip -d o; mkdir -p k/s; chmod 700 k/s; touch -d 2010-01-01 k/s; unzip -q u.zip -d k; unzip -q u -d l",
];

const UNZIP_GNU: &[&str] = &[
    "echo junk >j.zip; unzip -q j.zip; echo $?",
    "unzip u.zip nomatch -d o; echo $?; unzip -Z1 u.zip; unzip -qql u.zip; unzip -qK u.zip -d k; unzip -DD -q x.zip -d o; unzip -qD x.zip -d d; unzip -qqt u.zip; echo $?",
    "unzip -q bz.zip; unzip -od o flat.zip; unzip -oqq flat.zip -d o; head -c 600 u.zip >cut.zip; unzip -q cut.zip; echo $?",
];

fn unzips(family: Family, made: &Path, scripts: &[&'static str]) {
    let program = Path::new(env!("CARGO_BIN_EXE_archive"));
    let stage = &*Box::leak(format!("cp -a {}/. .", made.display()).into_boxed_str());
    let cases: Vec<Case> = scripts.iter().map(|script| (stage, *script)).collect();
    Trial { program, commands: &["unzip"], family }.compare(&cases);
}

#[test]
fn unzip_as_info_zip_and_busybox() {
    if !["zip", "unzip", "python3"].iter().all(|tool| Path::new("/usr/bin").join(tool).exists()) {
        eprintln!("skipped: zip, unzip or python3 is missing");
        return;
    }
    // Made once, for the archives have the times of reading in them.
    let made = tempfile::tempdir().unwrap();
    let status = Command::new("sh").args(["-c", ZIPS]).current_dir(made.path()).status().unwrap();
    assert!(status.success(), "archives could not be made");
    unzips(Family::Gnu, made.path(), UNZIP_BOTH);
    unzips(Family::Gnu, made.path(), UNZIP_GNU);
    unzips(Family::BusyBox, made.path(), UNZIP_BOTH);
}

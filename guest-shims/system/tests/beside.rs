//! The commands beside the distribution's own.

use std::{path::Path, process::Command};

use trial::{Case, Family, Trial};

/// Certificates with names that are not plain, two of one name, two of one kind, and what is none:
/// made once, for what is in them is random.
const MAKE: &str = "mkdir local hooks mixed; \
    new() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout k.pem -out \"$1\" -days 3650 -utf8 -subj \"$2\" 2>/dev/null; }; \
    new local/one.crt '/C=DE/O=Some  Company/CN=Own CA'; new 'local/two (x), y.crt' '/CN=Ünï  Cödé'; new mixed/a.pem '/CN=Same'; new mixed/b.crt '/CN=same '; new mixed/c.cer '/O=x+OU=y/CN=z'; \
    cp mixed/a.pem mixed/dup.pem; cat mixed/a.pem mixed/b.crt >mixed/two.pem; echo junk >mixed/junk.pem; echo no >mixed/no.txt; ln -s a.pem mixed/12345678.0; ln -s gone mixed/87654321.3; \
    printf '#!/bin/sh\\ncat >/mnt/hooked\\n' >hooks/hook; chmod 755 hooks/hook; printf x >hooks/not.run; chmod 755 hooks/not.run";

/// The directory is seen as /mnt, for its name is in what the commands write.
const UPDATE: &str = "update() { update-ca-certificates --etccertsdir /mnt/certs --certsconf /mnt/conf --localcertsdir /mnt/local --hooksdir /mnt/hooks \"$@\"; }";

fn compare(scripts: &[&str]) {
    let has = |program: &str| Path::new(program).exists();
    if !(has("/usr/bin/openssl") && has("/usr/sbin/update-ca-certificates")) {
        eprintln!("skipped: openssl or ca-certificates is missing");
        return;
    }
    let run = |program: &str, args: &[&str], dir: &Path| {
        let status = Command::new(program).args(args).current_dir(dir).status();
        status.is_ok_and(|status| status.success())
    };
    if !run("unshare", &["-m", "true"], Path::new("/")) {
        eprintln!("skipped: no right to make a mount namespace");
        return;
    }
    let made = tempfile::tempdir().unwrap();
    assert!(run("sh", &["-c", MAKE], made.path()), "certificates could not be made");
    let leak = |text: String| &*Box::leak(text.into_boxed_str());
    let stage = leak(format!(
        "cp -a {}/. .; mkdir certs; grep '^mozilla' /etc/ca-certificates.conf | head -40 >conf; : >none",
        made.path().display()
    ));
    let cases: Vec<Case> = scripts
        .iter()
        .map(|script| {
            let script = format!("{UPDATE}; {script}").replace('\'', "'\\''");
            let whole =
                format!("unshare -m sh -c 'mount --bind . /mnt && cd /mnt && {{ {script}; }}'");
            (stage, leak(whole))
        })
        .map(|(stage, script)| (stage as &str, script as &str))
        .collect();
    let program = Path::new(env!("CARGO_BIN_EXE_system"));
    let commands = &["openssl", "run-parts", "update-ca-certificates"];
    Trial { program, commands, family: Family::Gnu }.compare(&cases);
}

#[test]
fn certificates() {
    compare(&[
        "openssl rehash mixed; echo $?; ls mixed; openssl rehash mixed certs; rm mixed/a.pem; openssl rehash mixed",
        "update; echo $?; wc -l <certs/ca-certificates.crt",
        "update >/dev/null; rm local/one.crt; sed -i '3s/^/!/;5d' conf; update --fresh; update; echo $?",
        "update --certsconf none --hooksdir none; run-parts --test hooks; run-parts --list hooks; run-parts hooks </dev/null; echo $?; run-parts none; echo $?",
    ]);
}

/// The loader's configuration and cache of the machine stay as they are: another cache is made of the
/// machine's libraries and of a directory of copies.
#[test]
fn loader() {
    if !Path::new("/var/cache/ldconfig").exists() || !Path::new("/etc/debian_version").exists() {
        eprintln!("skipped: no glibc of Debian's here");
        return;
    }
    let stage = "mkdir lib; l=$(ls /lib/*-linux-gnu/libz.so.1.*|head -1); cp $l lib/libz.so.1.2; cp $l lib/libz.so.1.10; cp $l lib/libz.so.1.9; ln -s libz.so.1.2 lib/libz.so; \
        cp /lib/*-linux-gnu/libcrypt.so.1 lib/libother.so; ln -s gone lib/libcrypt.so.1; ln -s libz.so.1.2 lib/libalias.so.3; echo 'INPUT(libz)' >lib/libscript.so; echo x >lib/libz.txt; cp $l lib/libx.so.dpkg-new; \
        ln -s gone lib/libgone.so.1; mkdir lib/libdir.so; find lib -exec touch -h -d 2001-01-01 {} +";
    let run = "unshare -m sh -c 'mkdir aux && mount --bind aux /var/cache/ldconfig && mount --bind lib /mnt && printf \"/mnt\\ninclude /etc/ld.so.conf.d/*.conf\\n\" >conf && ";
    let quiet = " 2>/dev/null; rm -r aux/* 2>/dev/null; echo $?'";
    let scripts = [
        "ldconfig -X -C cache -f conf",
        "ldconfig -C cache -f conf",
        "ldconfig -n /mnt",
        "ldconfig -N -f conf",
    ];
    let whole: Vec<String> = scripts.iter().map(|script| format!("{run}{script}{quiet}")).collect();
    let cases: Vec<Case> = whole
        .into_iter()
        .map(|script| (stage, &*Box::leak(script.into_boxed_str()) as &str))
        .collect();
    let program = Path::new(env!("CARGO_BIN_EXE_system"));
    Trial { program, commands: &["ldconfig"], family: Family::Gnu }.compare(&cases);
}

#[test]
fn alternatives() {
    if !Path::new("/usr/bin/update-alternatives").exists() {
        eprintln!("skipped: no update-alternatives here");
        return;
    }
    let stage = "mkdir adm alt bin man share; for i in a b c; do echo $i >share/$i; echo m$i >share/$i.1; done; rm share/c.1; find . -exec touch -h -d 2001-01-01 {} +";
    let begin = "unshare -m sh -c 'mount --bind . /mnt && cd /mnt && ua() { update-alternatives --altdir /mnt/alt --admindir /mnt/adm --log /mnt/log \"$@\"; } && \
        add() { ua --install /mnt/bin/x x /mnt/share/$1 $2 --slave /mnt/man/x.1 x.1 /mnt/share/$1.1; }; ";
    let end = "; echo $?; sed -i \"s/ [-0-9]* [0-9:]*: / /\" log; cat log'";
    let scripts = [
        "ua --install /mnt/bin/x x /mnt/share/a 10; ua --install /mnt/bin/x x /mnt/share/b 20; ua --install /mnt/bin/x x /mnt/share/c 20",
        "add a 10; add b 20; add c 30; ua --set x /mnt/share/a; add b 50; ua --auto x",
        "add b 20; add a 10; ua --set x /mnt/share/a; ua --set x /mnt/share/none",
        "add a 10; add a 10; ua --install /mnt/bin/x x /mnt/share/b 15 --slave /mnt/man/x.1 x.1 /mnt/share/b.1 --slave /mnt/man/w.1 w.1 /mnt/share/a.1; ua --quiet --auto x",
        "ua --install /mnt/bin/x x /mnt/share/none 10; echo $?; ua --set x /mnt/share/a; echo $?; ua --auto x; echo $?; ua --install /mnt/bin/x x /mnt/share/a 5; touch -h -d 2002-01-01 adm/x alt/x bin/x; ua --set x /mnt/share/a",
    ];
    let whole: Vec<String> = scripts.iter().map(|script| format!("{begin}{script}{end}")).collect();
    let cases: Vec<Case> = whole
        .into_iter()
        .map(|script| (stage, &*Box::leak(script.into_boxed_str()) as &str))
        .collect();
    let program = Path::new(env!("CARGO_BIN_EXE_system"));
    Trial { program, commands: &["update-alternatives"], family: Family::Gnu }.compare(&cases);
}

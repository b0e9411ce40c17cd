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

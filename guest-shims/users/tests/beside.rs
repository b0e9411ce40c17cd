//! The commands beside shadow's, Debian's and BusyBox's, each run in a mount namespace where `/etc`,
//! `/home` and the like are made up.

use std::{path::Path, process::Command};

use trial::{Case, Family, Trial};

const COMMANDS: &[&str] = &[
    "addgroup", "adduser", "delgroup", "deluser", "gpasswd", "groupadd", "groupdel", "groupmod",
    "passwd", "useradd", "userdel", "usermod",
];

const STAGE: &str = "mkdir -p etc home run mail log; \
    for f in pam.d security nsswitch.conf ld.so.cache login.defs default adduser.conf deluser.conf debian_version; do \
    [ -e /etc/$f ] && cp -a /etc/$f etc/; done; rm -f etc/default/[!u]* etc/ld.so.conf; \
    printf 'root:x:0:0:root:/root:/bin/bash\\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\\n_apt:x:42:65534::/nonexistent:/usr/sbin/nologin\\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\\n' >etc/passwd; \
    printf 'root:x:0:\\ndaemon:x:1:\\nadm:x:4:\\nmail:x:8:\\nusers:x:100:\\nwheel:x:10:root\\nnogroup:x:65534:\\n' >etc/group; \
    printf 'root:*:19700:0:99999:7:::\\ndaemon:*:19700:0:99999:7:::\\n_apt:*:19700:0:99999:7:::\\nnobody:*:19700:0:99999:7:::\\n' >etc/shadow; \
    printf 'root:*::\\ndaemon:*::\\nadm:*::\\nmail:*::\\nusers:*::\\nwheel:*::root\\nnogroup:*::\\n' >etc/gshadow; \
    : >etc/subuid; : >etc/subgid; chown 0:42 etc/shadow etc/gshadow; chmod 640 etc/shadow etc/gshadow; \
    mkdir -p etc/skel/.config; echo rc >etc/skel/.bashrc; ln -s .bashrc etc/skel/.profile; echo x >etc/skel/.config/x; \
    chmod 600 etc/skel/.config/x; touch -d 2020-01-01 etc/skel/.bashrc etc/skel/.config/x etc/skel/.config; \
    truncate -s 320000 log/faillog; : >log/lastlog; touch -d 2021-02-03 etc/passwd etc/group etc/shadow etc/gshadow etc/subuid etc/subgid log/*";

fn compare(family: Family, scripts: &[&str]) {
    let has_applet = || {
        let list = Command::new("/usr/bin/busybox").arg("--list").output();
        list.is_ok_and(|list| list.stdout.windows(8).any(|name| name == b"adduser\n"))
    };
    if family == Family::BusyBox && !has_applet() {
        eprintln!("skipped: this machine's busybox has no adduser");
        return;
    }
    let allowed =
        Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success());
    if !allowed {
        eprintln!("skipped: no right to make a mount namespace");
        return;
    }
    let cases: Vec<Case> = scripts
        .iter()
        .map(|script| {
            let script = script.replace('\'', "'\\''");
            let whole = format!(
                "unshare -m sh -c 'mount --bind etc /etc && mount --bind home /home && mount --bind run /run && \
                 mount --bind mail /var/mail && mount --bind log /var/log && {script}'"
            );
            (STAGE, &*Box::leak(whole.into_boxed_str()))
        })
        .collect();
    let program = Path::new(env!("CARGO_BIN_EXE_users"));
    Trial { program, commands: COMMANDS, family }.compare(&cases);
}

#[test]
fn users_as_shadow() {
    compare(
        Family::Gnu,
        &[
            "useradd app",
            "useradd -m app",
            "useradd -r app",
            "useradd -r -m app; useradd -r second",
            "useradd --system --no-create-home --shell /usr/sbin/nologin app",
            "useradd -u 1001 app; useradd b; useradd -r c; useradd d",
            "groupadd -g 1234 app; useradd -g app -u 1234 -m -s /bin/bash app",
            "groupadd -r app && useradd -r -g app app",
            "groupadd --gid 5000 app && useradd --uid 5000 --gid app --shell /bin/sh --create-home app",
            "groupadd --system --gid 101 app; useradd --system --gid 101 --uid 101 --home-dir /srv/none --comment App app",
            "useradd -ms /bin/bash app",
            "useradd -m -d /home/x/y/z app; useradd -M -d /home/q other",
            "useradd -u 0 -o toor; useradd -u 0 second; echo $?",
            "useradd -N app; useradd -U b; useradd -g users c; useradd -G wheel,adm d; useradd -g 100 -G 10 e",
            "useradd root; echo $?; useradd -g none x; echo $?; useradd -u 1 x; echo $?; useradd -G none x; echo $?",
            "groupadd app; useradd app; echo $?; useradd -g app app; echo $?",
            "useradd 'a b'; echo $?; useradd -- -x; echo $?; useradd; echo $?; useradd a b; echo $?; useradd -o x; echo $?",
            "useradd -l -u 999999 app; useradd -u 60001 b; useradd -u 500 c",
            "useradd -c 'Full Name,,,' -e 2030-01-01 -f 10 app; useradd -p '$6$x' -k /none -m b",
            "mkdir /home/app; useradd -m app; echo $?",
            "useradd -m a; useradd -m b; useradd c; cat /etc/subuid",
            "useradd -K UMASK=077 -m a; useradd -K UID_MIN=2000 b; useradd -b /home/base c; useradd --no-log-init d",
            "rm /etc/gshadow; useradd app; rm /etc/shadow; useradd b",
            "rm /etc/subuid; useradd app; useradd -m -r -d /home/sys sys",
            "useradd -u 101 a; useradd -r b; useradd -r c; groupadd -r d; groupadd e; groupadd -g 999 f; useradd -r g",
            "useradd -m -g users a; useradd -m -N b; useradd -m -u 3000 -U c",
            "useradd -u 65535 a; useradd -Um b; useradd A; echo $?; useradd a.b; echo $?; useradd 1a; echo $?",
        ],
    );
}

#[test]
fn groups_as_shadow() {
    compare(
        Family::Gnu,
        &[
            "groupadd app",
            "groupadd -g 77 app; groupadd -g 77 b; echo $?; groupadd -f app; echo $?; groupadd app; echo $?",
            "groupadd -f -g 77 a; groupadd -f -g 77 b; groupadd -o -g 77 c; groupadd -r d; groupadd e; groupadd --gid 2000 f; groupadd g",
            "groupadd 'x y'; echo $?; groupadd; echo $?; groupadd -g x a; echo $?; groupadd -o a; echo $?",
            "groupmod -g 500 users; groupmod -n staff users; groupmod -n x none; echo $?; groupmod -g 8 adm; echo $?; groupmod -o -g 8 adm",
            "useradd a; groupmod -g 4000 a; groupmod -n b a; groupdel b; echo $?; groupdel adm; groupdel none; echo $?",
            "useradd a; gpasswd -a a wheel; gpasswd -a a wheel; gpasswd -d a wheel; gpasswd -d a wheel; echo $?; gpasswd -M a,daemon adm",
            "gpasswd -a none wheel; echo $?; gpasswd -a root none; echo $?",
        ],
    );
}

#[test]
fn changes_as_shadow() {
    compare(
        Family::Gnu,
        &[
            "useradd -m a; usermod -aG wheel a; usermod -a -G adm,users a; usermod -aG wheel a",
            "useradd -m a; usermod -G wheel,adm a; usermod -G users a; usermod -G '' a",
            "useradd -m a; usermod -s /bin/zsh a; usermod -d /home/new a; usermod -c Comment a; usermod -s /bin/zsh a",
            "useradd -m a; usermod -u 2000 a; usermod -g users a; usermod -u 0 a; echo $?; usermod -o -u 0 a",
            "useradd -m a; usermod -l b a; usermod -l root b; echo $?; usermod -d /home/b -m b",
            "useradd -m a; usermod -L a; usermod -U a; usermod -p x a; usermod -L a; usermod -L a; usermod -U a",
            "usermod -s /bin/sh none; echo $?; usermod root; echo $?; usermod -a root; echo $?; usermod -aG none root; echo $?",
            "useradd -m a; useradd -m b; usermod -aG a b; usermod --append --groups b a; usermod --shell /bin/x --home /x a",
            "useradd -m a; userdel a; echo $?; useradd -m b; userdel -r b; echo $?",
            "useradd -m a; useradd -G a b; userdel a; echo $?; userdel none; echo $?; userdel; echo $?",
            "useradd -m a; useradd -g a b; userdel a; echo $?; usermod -aG wheel b; userdel -f -r b; echo $?",
            "useradd -r a; userdel -r a; echo $?; useradd -m -g users c; userdel --remove c; echo $?",
            "useradd a; passwd -l a; passwd -u a; passwd -d a; passwd -l a; passwd -l none; echo $?",
        ],
    );
}

#[test]
fn adduser_as_debian() {
    compare(
        Family::Gnu,
        &[
            "adduser --disabled-password --gecos '' app",
            "adduser --system app",
            "adduser --system --group app",
            "adduser --system --no-create-home --group app; adduser --system app; echo $?",
            "adduser --disabled-password --gecos 'A B,1,2' --uid 1234 app; adduser app wheel; adduser app wheel",
            "addgroup app; addgroup --gid 2000 b; addgroup --system c; addgroup --system --gid 300 d; addgroup app; echo $?",
            "addgroup --gid 1001 app && adduser --uid 1001 --gid 1001 --disabled-password --gecos '' app",
            "addgroup --system app && adduser --system --ingroup app --home /home/svc --shell /bin/sh app",
            "adduser --system --uid 200 --gid 100 --home /home/a/b --disabled-login a; adduser --system --home /home/x --no-create-home b",
            "adduser --disabled-login --gecos x --shell /bin/sh --home /home/deep/er app; adduser --quiet --disabled-password --gecos '' --no-create-home b",
            "adduser --disabled-password --gecos '' --ingroup users app; adduser --system --uid 201 --group a; adduser --group g; addgroup --quiet h",
            "adduser --system root; echo $?; adduser --disabled-password --gecos '' daemon; echo $?; adduser root none; echo $?; adduser none wheel; echo $?",
            "adduser --disabled-password --gecos '' Bad; echo $?; adduser --disabled-password --gecos '' 1a; echo $?; adduser --system --ingroup no x; echo $?",
            "adduser --system --gecos 'My Service' --shell /bin/false --uid 999 --group svc; adduser --system --group b; addgroup --gid 0 z; echo $?",
            "adduser --disabled-password --gecos '' a; adduser --disabled-password --gecos '' b; { deluser a; deluser b users; delgroup wheel; deluser none; } >/dev/null; echo $?",
            "adduser --disabled-password --gecos '' --firstuid 3000 a; addgroup --firstgid 4000 b; adduser --system --firstuid 500 c",
            "mkdir /home/a; adduser --disabled-password --gecos '' a; echo $?; adduser --disabled-password --comment 'x,y,z,w,v' b; rm /etc/adduser.conf; adduser --system --group c",
        ],
    );
}

#[test]
fn adduser_as_busybox() {
    compare(
        Family::BusyBox,
        &[
            "adduser -D app",
            "adduser -S app",
            "addgroup -S app && adduser -S -G app app",
            "addgroup -g 1000 app && adduser -D -u 1000 -G app app",
            "addgroup app; adduser -D -H -h /srv/x -s /sbin/nologin -G app -g 'My App' app",
            "adduser -D -u 5000 app; adduser app wheel; addgroup app adm; addgroup app adm; adduser -D b",
            "adduser --system --no-create-home --ingroup users --uid 300 --shell /bin/sh --home /x app; adduser --disabled-password --gecos '' b",
            "addgroup -S a; addgroup -S b; addgroup c; addgroup --gid 2000 d; addgroup -g 2000 e; echo $?; addgroup a; echo $?",
            "adduser -D root; echo $?; adduser -D -u 1 x; echo $?; adduser -D -G none x; echo $?; addgroup none wheel; echo $?",
            "adduser -D a; adduser -D b; addgroup a b; deluser a; delgroup wheel; deluser none; echo $?; delgroup b; echo $?; delgroup root wheel",
            "adduser -D -h /home/deep/er app; echo $?; mkdir /home/b; adduser -D b; adduser -D -k /etc/none c; adduser -S -D -H d",
            "rm /etc/gshadow /etc/shadow; adduser -D a; addgroup b; adduser -S -s /bin/sh c; deluser --remove-home a",
        ],
    );
}

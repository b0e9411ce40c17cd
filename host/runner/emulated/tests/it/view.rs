//! What a step sees.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use kiln_runner::{Mount, MountSource};

use crate::support::{Image, as_pod, with_program, works_here};

#[test]
fn the_image_is_the_whole_world() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        image.write("etc/os-release", "ID=image\n");
        let out =
            image.sh("cat /etc/os-release; cd /usr/bin; pwd; cat ../../../../../../etc/os-release
             ln -s /etc/os-release /tmp/abs; cat /tmp/abs; cd /tmp; cat abs
             ln -s ../../../../../etc /tmp/up; cat up/os-release; cat /tmp/up/os-release
             readlink /proc/self/exe; readlink /proc/self/cwd; readlink /proc/self/root
             hostname; cat /etc/hostname; ls -d /proc/self/root/etc");
        assert_eq!(
            out.ok(),
            "ID=image\n/usr/bin\nID=image\nID=image\nID=image\nID=image\nID=image\n\
             /usr/bin/readlink\n/tmp\n/\nbuilder\nbuilder\n/proc/self/root/etc\n"
        );
        let names = image.sh("ls /");
        let expected = "bin\ndev\netc\nlib\nlib64\nproc\nroot\nsbin\nsys\ntmp\nusr\nvar\n";
        assert_eq!(names.ok(), expected);
    });
}

#[test]
fn proc_and_dev_are_reached_by_every_spelling() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let out = image.sh("ln -s /proc /tmp/p; ln -s /dev/null /tmp/n; ln -s / /tmp/r
             for f in /proc/self/stat //proc/self/stat /./proc/self/stat /tmp/p/self/stat \
                      /tmp/r/proc/self/stat /usr/../proc/self/stat; do
                 test -n \"$(cat $f)\" || echo bad $f
             done
             cd /; cat proc/self/comm; cd /proc/self; cat comm; cd ..; cd ..; pwd
             echo gone > /dev/null; echo gone > /tmp/n; stat -L -c '%F %t:%T' /dev/null /tmp/n
             echo out > /dev/stdout; ls /dev
             echo x > /dev/shm/x; cat /dev/shm/x; rmdir /dev 2>&1 || true");
        let text = out.ok();
        assert!(!text.contains("bad"), "{text}");
        assert!(text.starts_with("cat\nsh\n/\ncharacter special file 1:3\n"), "{text}");
        assert!(text.contains("out\nfd\nfull\nnull\n"), "{text}");
        assert!(text.ends_with("x\nrmdir: failed to remove '/dev': Device or resource busy\n"));
    });
}

#[test]
fn mounts_show_the_hosts_files_and_leave_no_trace() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let cache = image.dir.path().join("cache");
        std::fs::create_dir(&cache).unwrap();
        std::fs::write(cache.join("kept"), "from before\n").unwrap();
        let secret = image.dir.path().join("secret");
        std::fs::write(&secret, "s3cret\n").unwrap();
        let open = |path| Arc::new(OwnedFd::from(std::fs::File::open(path).unwrap()));
        let mut step = Image::step(&[
            "sh",
            "-ec",
            "cat /var/cache/app/kept /run/secrets/token; echo new > /var/cache/app/new
             cd /var/cache/app; pwd; ls; readlink /proc/self/cwd
             echo no > /run/secrets/token || echo refused; ls /scratch; echo y > /scratch/y
             mv /scratch/y /tmp/y || true; test -w /run/secrets/token || echo not writable",
        ]);
        step.mounts = vec![
            Mount {
                target: b"/var/cache/app".to_vec(),
                source: MountSource::Host(open(&cache)),
                read_only: false,
            },
            Mount {
                target: b"/run/secrets/token".to_vec(),
                source: MountSource::Host(open(&secret)),
                read_only: true,
            },
            Mount {
                target: b"/scratch".to_vec(),
                source: MountSource::Tmpfs { size: None },
                read_only: false,
            },
        ];
        let ran = image.run(&step);
        assert_eq!(
            ran.ok(),
            "from before\ns3cret\n/var/cache/app\nkept\nnew\n/var/cache/app\nrefused\n\
             not writable\n"
        );
        assert_eq!(std::fs::read_to_string(cache.join("new")).unwrap(), "new\n");
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), "s3cret\n");
        for gone in ["run", "scratch", "var/cache"] {
            assert!(!image.root().join(gone).exists(), "{gone} is left");
        }
        assert_eq!(image.sh("stat -c %a /etc /tmp").ok(), "755\n1777\n");
    });
}

#[test]
fn newer_calls_and_unusual_ones_see_the_image_too() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        image.write("etc/os-release", "ID=image\n");
        if !image.compile("calls", include_str!("calls.c"), &[]) {
            return;
        }
        let ran = image.run(&Image::step(&["calls"]));
        assert_eq!(ran.ok(), "all well\n", "{}", ran.err);
    });
}

/// Directories are remembered by their paths; what other processes do to them must be seen at once.
#[test]
fn a_directory_that_becomes_something_else_is_that() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        image.write("etc/os-release", "ID=image\n");
        let script = "
            mkdir -p /tmp/a/b /tmp/d/b; : > /tmp/a/b/old; : > /tmp/d/b/new
            for i in 1 2 3; do test -e /tmp/a/b/old; test ! -e /tmp/a/b/new; done
            mv /tmp/a /tmp/c; test ! -e /tmp/a/b/old
            ln -s d /tmp/a; test -e /tmp/a/b/new; test ! -e /tmp/a/b/old
            rm /tmp/a; mv /tmp/c /tmp/a; test -e /tmp/a/b/old; test ! -e /tmp/a/b/new
            mv /tmp/a/b /tmp/a/x; ln -s /etc /tmp/a/b; read line < /tmp/a/b/os-release; echo $line
            test -f /tmp/a/b/passwd; test -L /tmp/a/b; mkdir /tmp/a/b/made; test -d /etc/made
            rm /tmp/a/b; mkdir /tmp/a/b; : > /tmp/a/b/plain; test ! -e /etc/plain
            rm /tmp/a/b/plain; rmdir /tmp/a/b; ln /tmp/a/x/old /tmp/a/b; test ! -e /tmp/a/b/old
            chmod 2775 /tmp/d/b; chown 0:7 /tmp/d/b; : > /tmp/d/b/f; mkdir /tmp/d/b/g
            stat -c '%g %a' /tmp/d/b/f /tmp/d/b/g";
        let ran = image.run(&Image::step(&["bash", "-ec", script]));
        assert_eq!(ran.ok(), "ID=image\n7 644\n7 2755\n", "{}", ran.err);
        let ran = image.sh_as_bob(
            "set -e; mkdir -p /tmp/p/q; : > /tmp/p/q/f; test -e /tmp/p/q/f; test -e /tmp/p/q/f
             chmod 600 /tmp/p; ! test -e /tmp/p/q/f; chmod 700 /tmp/p; test -e /tmp/p/q/f
             chmod 0 /tmp/p/q; ! test -e /tmp/p/q/f; ! (: > /tmp/p/q/g) 2>/dev/null
             chmod 700 /tmp/p/q; ! test -e /tmp/p/q/g; ln -s /root /tmp/p/r; ! test -e /tmp/p/r/x
             mv /tmp/p/q /tmp/p/s; ln -s s /tmp/p/q; test -e /tmp/p/q/f; echo bob",
        );
        assert_eq!(ran.ok(), "bob\n", "{}", ran.err);
    });
}

#[test]
fn there_is_no_audit() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let script = "
            cd /proc/self; for file in loginuid sessionid; do
                test ! -e /proc/self/$file; test ! -e /proc/$$/$file
                for path in $file /proc/self/$file; do
                    ! cat $path 2>/tmp/why; grep -c 'No such file' /tmp/why
                done
            done";
        assert_eq!(image.run(&Image::step(&["bash", "-ec", script])).ok(), "1\n1\n1\n1\n");
    });
}

#[test]
fn relative_paths_in_proc_tell_what_absolute_ones_do() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let script = "
            mounts=$(cat /proc/$$/mounts)
            for place in /proc/$$ /proc /proc/$$/task; do
                cd $place; case $place in /proc) way=$$/;; */task) way=../;; *) way=;; esac
                grep -q ' /usr/bin/bash$' ${way}maps
                test \"$mounts\" = \"$(cat ${way}mounts)\"
            done
            cd /proc/sysvipc; test \"$(cat shm)\" = \"$(cat /proc/sysvipc/shm)\"; echo same";
        assert_eq!(image.run(&Image::step(&["bash", "-exc", script])).ok(), "same\n");
    });
}

/// Lets a program say the same of a directory natively, as bob and as root.
fn compare(image: &Image, program: &str, option: &str, least: usize) {
    let native = image.dir.path().join(format!("{program}{option}"));
    std::fs::create_dir(&native).unwrap();
    let mut command = std::process::Command::new(image.root().join("usr/bin").join(program));
    command.arg(&native).args((!option.is_empty()).then_some(option));
    let output = command.output().unwrap();
    let native = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && native.lines().count() > least, "{native}");
    let compare = |ran: &str| {
        let differ = native.lines().zip(ran.lines()).filter(|(native, ran)| native != ran);
        let differ: Vec<_> = differ.collect();
        assert!(differ.is_empty() && native.len() == ran.len(), "{differ:#?}");
    };
    let script =
        |user| format!("mkdir /tmp/{user}{option} && {program} /tmp/{user}{option} {option}");
    compare(image.sh_as_bob(&script("bob")).ok());
    compare(image.sh(&script("root")).ok());
}

/// Every call that takes a path, of every kind of file, with every ending of the path.
#[test]
fn endings_of_paths_mean_what_they_mean_to_the_kernel() {
    with_program("endings", include_str!("endings.c"), |image: &Image| {
        for spelling in ["", "absolute"] {
            compare(image, "endings", spelling, 1000);
        }
    });
}

#[test]
fn unusual_arguments_mean_what_they_mean_to_the_kernel() {
    with_program("arguments", include_str!("arguments.c"), |image: &Image| {
        compare(image, "arguments", "", 40);
        let script = "cat /proc/sys/kernel/hostname; cd /proc/sys/kernel; cat hostname";
        assert_eq!(image.sh(script).ok(), "builder\nbuilder\n");
        image.sh("echo root > /tmp/file; chmod 644 /tmp/file").ok();
        let mut noatime = Image::step(&["dd", "if=/tmp/file", "iflag=noatime", "status=none"]);
        assert_eq!(image.run(&noatime).ok(), "root\n");
        noatime.user = kiln_runner::Credentials { uid: 1000, gid: 1000, groups: Vec::new() };
        assert_eq!(image.run(&noatime).code(), 1);
    });
}

#[test]
fn a_directory_need_not_let_its_owner_in() {
    if !works_here() {
        return;
    }
    as_pod(|| {
        let Some(image) = Image::small() else { return };
        let script =
            "cd /tmp; umask 0160; mkdir d; stat -c %a d; mkdir d/e 2>/dev/null || echo no; rm -r d";
        assert_eq!(image.sh(script).ok(), "617\n");
        assert_eq!(image.sh_as_bob(script).ok(), "617\nno\n");
    });
}

//! What a step sees.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use kiln_runner::{Mount, MountSource};

use crate::support::{Image, as_pod, works_here};

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

//! The same work as root in a chroot: the same files with the same owners and modes must come out.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::process::Command;

use kiln_rootfs::FileType;

use crate::support::{Image, as_pod, works_here};
use crate::truth::truth;

/// Programs that make users and files; some machines lack some.
const PROGRAMS: [&str; 37] = [
    "sh", "bash", "ls", "cat", "id", "stat", "touch", "chown", "chmod", "chgrp", "mkdir", "mknod",
    "mkfifo", "ln", "mv", "cp", "rm", "rmdir", "install", "sed", "grep", "tar", "env", "sleep",
    "true", "useradd", "usermod", "userdel", "groupadd", "setpriv", "find", "sort", "xargs", "dd",
    "truncate", "perl", "make",
];

const SCRIPTS: [(&str, &str); 9] = [
    (
        "useradd",
        "useradd -r -d /nonexistent -s /bin/false svc; useradd -m -u 1500 -G bob alice
         groupadd -g 777 crew; usermod -aG crew alice; userdel bob",
    ),
    (
        "install",
        "install -d -o 5 -g 6 -m 2750 /srv/a; install -m 4755 -o 1 /bin/true /srv/a/su
         install -m 0400 /etc/passwd /srv/a/ro; install -D -m 644 /etc/group /srv/deep/er/group",
    ),
    (
        "tar",
        "mkdir -p t/d; echo x > t/f; chown 33:44 t/f; chmod 640 t/f; ln t/f t/h; ln -s f t/l
         chown -h 7:8 t/l; mkfifo t/p; mknod t/n c 1 3; chmod 1777 t/d; chown 9:9 t/d
         tar -cpf t.tar t; mkdir u; tar -C u -xpf t.tar; tar -C u --no-same-owner -xf t.tar",
    ),
    (
        "setgid directories and umasks",
        "mkdir -m 2775 s; chgrp 50 s; chmod g+s s; touch s/f; mkdir s/d; umask 077; touch s/g; mkdir s/e
         mknod s/n b 7 1; umask 022; cp -a s s2; umask 0777; touch s/z; mkdir s/y; umask 022
         install -m 0 /dev/null s/none; ln -s f s/link",
    ),
    (
        "another user",
        "mkdir home; chown bob:bob home; cd home
         setpriv --reuid bob --regid bob --init-groups sh -c 'umask 027; touch a; mkdir b; ln -s a c
             echo 1 > b/x; chmod 4711 b/x; mv a d; cp d e; rm e; ln d f; touch /etc/no 2>/dev/null
             mkdir -m 1770 g; chgrp 1000 g; chown root d 2>/dev/null; mkfifo p; true'",
    ),
    (
        "chown clears set-id bits",
        "for m in 4755 2755 6755 2745 6644; do touch f$m; chmod $m f$m; cp -p f$m g$m
         chown 5:5 f$m; done; mkdir d; chmod 6755 d; chown 5:5 d",
    ),
    (
        "sed and truncate",
        "echo a > f; chmod 640 f; chown 3:4 f; sed -i s/a/b/ f; truncate -s 10 t; dd if=/dev/zero of=z bs=1 count=3 2>/dev/null
         touch x y; mv -n x y; mv y w; cp --preserve=all f k; chmod a=,u+s f; cp -p f p",
    ),
    (
        "find and xargs",
        "mkdir -p m/{1,2,3}; for i in 1 2 3; do touch m/$i/f$i; done; find m -type f | xargs chown 11:12
         find m -type d -exec chmod 711 {} +; find m -name f2 -delete; rm -rf m/3",
    ),
    (
        "perl",
        r#"perl -e 'mkdir "p"; open F, ">", "p/f"; print F "x"; close F; chown 6,7,"p/f"; chmod 0604,"p/f"; symlink "f","p/s"; link "p/f","p/h"; rename "p/h","p/r"; utime 1,2,"p/f"; mkdir "p/d", 0; rmdir "p/none"; truncate "p/r", 0; system("touch p/t"); print -e "/etc/passwd" ? 1 : 0'"#,
    ),
];

/// Scripts that need programs which few machines lack.
const MORE: [(&str, &str, &[&str]); 2] = [
    (
        "ACLs",
        "touch f g h; mkdir d s; setfacl -m u:bob:rw,g:50:r f; getfacl -n f > f1; chmod 640 f; getfacl -nc f > f2
         setfacl -m u::---,u:7:rwx g; getfacl -nc g > g1; setfacl -x u:7 g; getfacl -nc g > g2
         setfacl -d -m u:bob:rwx,g::rx,o::- d; touch d/n; mkdir d/m; umask 077; touch d/k; getfacl -Rnc d > d1
         cp -a d e; getfacl -Rnc e > e1; setfacl -b f; setfacl -k d; getfacl -nc f d > f3; umask 022
         chmod 2775 s; chgrp 50 s; setfacl -m g:60:rwx s; chmod 4711 h; setfacl -m u:8:x h; getfacl -n s h > s1
         install -m 4750 -o 5 f i; cp -p g j; mv g k; getfacl -nc i j k > i1; chmod 700 e; setfacl -m u:bob:rx e
         echo secret > q; chmod 600 q; setfacl -m u:bob:r q; echo deep > e/p; setfacl -m g:2000:rw e/p; touch u
         touch b1; chown bob u; chmod 666 b1; chmod 777 .; setpriv --reuid bob --regid bob --groups 2000 bash -c 'exec > b1 2>&1; cat q
             cat e/p; echo x >> e/p; echo x >> q; test -r q; echo $?; setfacl -m u:bob:rw q; touch mine; setfacl -m u:3:rw mine u
             getfacl -nc mine u; chmod 400 mine; getfacl -nc mine; ls e' || true",
        &["setfacl", "getfacl"],
    ),
    (
        "another root",
        "mkdir -p r/work r/root; cp -a /usr /bin /lib /lib64 /etc r; rm -f r/etc/host* r/etc/resolv.conf; umask 027
         chroot r bash -ec 'cd /work; touch a /made; mkdir d; chown 5:6 /made a; ln -s /made /l; cp /l copy; ln /made /hard
             ln -s ../../../../made up; cat up > empty; chmod 6711 d; mv a d; echo /* > names; pwd > where
             setpriv --reuid bob --regid bob --clear-groups bash -c \"id -u; touch /no\" > bob 2>&1 || true
             cd /usr/bin; ./true; find /work > /found; rm -r /lib64/* /etc/nsswitch.conf'; chroot r/work pwd || true",
        &["chroot", "pwd"],
    ),
];

/// Paths whose content or existence depends on the clock or on what was mounted.
fn is_noise(path: &str) -> bool {
    ["proc", "sys", "dev", "etc/hosts", "etc/hostname", "etc/resolv.conf"]
        .iter()
        .any(|noise| path == *noise || path.starts_with(&format!("{noise}/")))
        || path.contains(".tar")
}

/// Type, mode, owner, links, device and content of every file below a real directory.
fn real(root: &Path, path: &str, files: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(root.join(path)).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let inner = if path.is_empty() { name } else { format!("{path}/{name}") };
        if is_noise(&inner) {
            continue;
        }
        let full = root.join(&inner);
        let metadata = full.symlink_metadata().unwrap();
        let kind = metadata.file_type();
        let (letter, content) = if kind.is_dir() {
            ("d", String::new())
        } else if kind.is_symlink() {
            ("l", std::fs::read_link(&full).unwrap().to_string_lossy().into_owned())
        } else if kind.is_char_device() || kind.is_block_device() {
            let letter = if kind.is_char_device() { "c" } else { "b" };
            let (major, minor) =
                (rustix::fs::major(metadata.rdev()), rustix::fs::minor(metadata.rdev()));
            (letter, format!("{major}:{minor}"))
        } else if kind.is_fifo() {
            ("p", String::new())
        } else {
            ("f", format!("{:x?}", hash(&std::fs::read(&full).unwrap())))
        };
        let links = if kind.is_dir() { 0 } else { metadata.nlink() };
        let (mode, uid, gid) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
        files.insert(inner.clone(), format!("{letter} {mode:o} {uid}:{gid} {links} {content}"));
        if kind.is_dir() {
            real(root, &inner, files);
        }
    }
}

/// The same of a rootfs, as the image sees it.
fn seen(image: &Image, path: &str, files: &mut BTreeMap<String, String>) {
    for entry in image.rootfs.read_dir(path.as_bytes()).unwrap() {
        let name = String::from_utf8(entry.name.clone()).unwrap();
        let inner = if path.is_empty() { name } else { format!("{path}/{name}") };
        if is_noise(&inner) {
            continue;
        }
        let bytes = inner.as_bytes();
        let metadata = image.rootfs.metadata(bytes, false).unwrap();
        let (letter, content) = match metadata.file_type {
            FileType::Dir => ("d", String::new()),
            FileType::Symlink => {
                let target = image.rootfs.readlink(bytes).unwrap();
                ("l", String::from_utf8(target).unwrap())
            }
            FileType::Char | FileType::Block => {
                let (major, minor) = metadata.rdev;
                let letter = if metadata.file_type == FileType::Char { "c" } else { "b" };
                (letter, format!("{major}:{minor}"))
            }
            FileType::Fifo => ("p", String::new()),
            _ => {
                let text = image.rootfs.read_small(bytes, 1 << 26).unwrap();
                ("f", format!("{:x?}", hash(&text)))
            }
        };
        let is_dir = metadata.file_type == FileType::Dir;
        let links = if is_dir { 0 } else { u64::from(metadata.nlink) };
        let (mode, uid, gid) = (metadata.mode, metadata.uid, metadata.gid);
        files.insert(inner.clone(), format!("{letter} {mode:o} {uid}:{gid} {links} {content}"));
        if is_dir {
            seen(image, &inner, files);
        }
    }
}

fn hash(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn prepare(more: &[&str]) -> Option<Image> {
    let image = Image::with(&[&PROGRAMS, more].concat())?;
    for file in ["/etc/login.defs", "/etc/default/useradd"] {
        if Path::new(file).exists() {
            image.copy(Path::new(file));
        }
    }
    image.write("etc/shadow", "root:*:19000:0:99999:7:::\nbob:*:19000:0:99999:7:::\n");
    image.write("etc/gshadow", "root:*::\nbob:!::\n");
    std::fs::create_dir_all(image.root().join("work")).unwrap();
    Some(image)
}

/// What the same script leaves in a chroot, as root: a line for each file.
fn in_chroot(name: &str, script: &str, programs: &[&str]) -> String {
    // The same start, owned by root.
    let image = prepare(programs).unwrap();
    let root = image.root();
    std::fs::create_dir(root.join("dev")).unwrap();
    let null = rustix::fs::makedev(1, 3);
    let zero = rustix::fs::makedev(1, 5);
    for (name, device) in [("null", null), ("zero", zero)] {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let path = root.join("dev").join(name);
        mknodat(CWD, path, FileType::CharacterDevice, Mode::from_raw_mode(0o666), device).unwrap();
    }
    let status = Command::new("chroot")
        .arg(&root)
        .args(["/bin/bash", "-ec", script])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .status()
        .unwrap();
    assert!(status.success(), "{name} in a chroot: {status}");
    let mut files = BTreeMap::new();
    real(&root, "", &mut files);
    files.iter().map(|(path, state)| format!("{path}\t{state}\n")).collect()
}

#[test]
fn steps_leave_what_a_root_chroot_leaves() {
    if !works_here() {
        return;
    }
    let scripts = SCRIPTS.iter().map(|&(name, script)| (name, script, &[][..]));
    for (name, script, programs) in scripts.chain(MORE) {
        let script = format!("cd /work; {script}");
        let Some((ours, before)) = as_pod(|| {
            let image = prepare(programs)?;
            let step = Image::step(&["bash", "-ec", &script]);
            let mut before = BTreeMap::new();
            seen(&image, "", &mut before);
            let ran = image.run(&step);
            assert_eq!(ran.code(), 0, "{name}: {}{}", ran.out, ran.err);
            let mut files = BTreeMap::new();
            seen(&image, "", &mut files);
            Some((files, before))
        }) else {
            continue;
        };
        assert_ne!(before, ours, "{name} changed nothing");
        let Some(text) = truth(name, || Some(in_chroot(name, &script, programs))) else {
            println!("skipped: {name}: only root can compare with a chroot");
            continue;
        };
        let theirs: BTreeMap<_, _> =
            text.lines().filter_map(|line| line.split_once('\t')).collect();
        let state = |path: &str| theirs.get(path).copied();
        let differ: Vec<_> = ours
            .keys()
            .map(String::as_str)
            .chain(theirs.keys().copied())
            .filter(|path| ours.get(*path).map(String::as_str) != state(path))
            .map(|path| format!("{path}: {:?} != {:?}", ours.get(path), state(path)))
            .collect();
        assert!(differ.is_empty(), "{name}: step != chroot\n{}", differ.join("\n"));
    }
}

//! The operations of a rootfs, in kernel mode (as root) and in ledger mode (as anybody else).

use kiln_rootfs::{FileType, Rootfs};
use rustix::fs::{OFlags, RenameFlags};
use rustix::io::Errno;

#[test]
fn operations() {
    crate::modes::in_all_modes("operations::operations", |dir| {
        let rootfs = Rootfs::create(&dir.join("rootfs")).unwrap();
        paths_stay_inside(&rootfs);
        modes_and_owners(&rootfs);
        nodes(&rootfs);
        creation_through_symlinks(&rootfs);
        xattrs(&rootfs);
        removal(&rootfs);
        let reopened = Rootfs::open_existing(&dir.join("rootfs")).unwrap();
        assert_eq!(reopened.metadata(b"owned", true).unwrap().uid, 33);
        drop(reopened);
        rootfs.remove().unwrap();
        assert!(!dir.join("rootfs").exists());
    });
}

fn write(rootfs: &Rootfs, path: &[u8], mode: u32) {
    rootfs.open(path, OFlags::WRONLY | OFlags::CREATE, mode).unwrap();
}

fn paths_stay_inside(rootfs: &Rootfs) {
    rootfs.mkdir(b"etc", 0o755).unwrap();
    rootfs.symlink(b"/../../etc", b"abs").unwrap();
    rootfs.symlink(b"../../../../etc", b"rel").unwrap();
    for path in [&b"/abs/one"[..], b"rel/two", b"../../abs/../etc/three"] {
        write(rootfs, path, 0o644);
    }
    let names: Vec<_> =
        rootfs.read_dir(b"abs/").unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, [b"one".to_vec(), b"three".to_vec(), b"two".to_vec()]);
    assert_eq!(rootfs.canonicalize(b"rel/../abs/one").unwrap(), b"etc/one");
    rootfs.symlink(b"loop", b"loop").unwrap();
    assert_eq!(rootfs.metadata(b"loop", true).unwrap_err().errno(), Errno::LOOP);
    assert_eq!(rootfs.canonicalize(b"loop").unwrap_err().errno(), Errno::LOOP);
    assert_eq!(rootfs.readlink(b"rel").unwrap(), b"../../../../etc");
    assert_eq!(rootfs.readlink(b"etc").unwrap_err().errno(), Errno::INVAL);
    assert_eq!(rootfs.mkdir(b"/", 0o755).unwrap_err().errno(), Errno::EXIST);
    let made = rootfs.mkdir_all(b"/rel/x/y", 0o755).unwrap();
    assert_eq!(made, [b"etc/x".to_vec(), b"etc/x/y".to_vec()]);
    assert!(rootfs.mkdir_all(b"etc/x/../x/y", 0o755).unwrap().is_empty());
}

fn modes_and_owners(rootfs: &Rootfs) {
    for mode in [0, 0o4755, 0o6755, 0o1644, 0o200, 0o7777] {
        write(rootfs, b"file", mode);
        let found = rootfs.metadata(b"file", true).unwrap();
        assert_eq!((found.mode, found.uid, found.gid), (mode, 0, 0), "{mode:o}");
        rootfs.unlink(b"file").unwrap();
    }
    for mode in [0, 0o500, 0o1777, 0o2755, 0o3000] {
        rootfs.mkdir(b"dir", mode).unwrap();
        write(rootfs, b"dir/inside", 0o600);
        assert_eq!(rootfs.metadata(b"dir", true).unwrap().mode, mode, "{mode:o}");
        rootfs.remove_all(b"dir").unwrap();
    }
    rootfs.mkdir(b"shared", 0o2775).unwrap();
    rootfs.set_owner(b"shared", None, Some(50), true).unwrap();
    rootfs.mkdir_all(b"shared/a/b", 0o755).unwrap();
    let made = rootfs.metadata(b"shared/a", true).unwrap();
    assert_eq!((made.uid, made.gid, made.mode), (0, 50, 0o755));
    assert_eq!(rootfs.metadata(b"shared/a/b", true).unwrap().gid, 0);
    write(rootfs, b"owned", 0o6755);
    rootfs.set_owner(b"owned", Some(33), Some(44), true).unwrap();
    rootfs.set_owner(b"owned", None, Some(55), true).unwrap();
    let found = rootfs.metadata(b"owned", true).unwrap();
    assert_eq!((found.uid, found.gid, found.mode), (33, 55, 0o755));
    rootfs.set_mode(b"owned", 0o4700).unwrap();
    rootfs.hard_link(b"owned", b"other", false).unwrap();
    rootfs.rename(b"other", b"moved", RenameFlags::empty()).unwrap();
    assert_eq!(rootfs.metadata(b"moved", true).unwrap().mode, 0o4700);
    assert_eq!(rootfs.metadata(b"moved", true).unwrap().nlink, 2);
    rootfs.symlink(b"owned", b"link").unwrap();
    rootfs.set_owner(b"link", Some(7), Some(8), false).unwrap();
    assert_eq!(rootfs.metadata(b"link", false).unwrap().uid, 7);
    assert_eq!(rootfs.metadata(b"link", true).unwrap().uid, 33);
}

fn nodes(rootfs: &Rootfs) {
    rootfs.mknod(b"null", FileType::Char, 0o666, (1, 3)).unwrap();
    rootfs.mknod(b"disk", FileType::Block, 0o60, (8, 1)).unwrap();
    rootfs.mknod(b"pipe", FileType::Fifo, 0o4622, (0, 0)).unwrap();
    let null = rootfs.metadata(b"null", true).unwrap();
    assert_eq!((null.file_type, null.mode, null.rdev), (FileType::Char, 0o666, (1, 3)));
    rootfs.set_mode(b"null", 0o600).unwrap();
    rootfs.set_owner(b"null", Some(1), Some(2), true).unwrap();
    let null = rootfs.metadata(b"null", true).unwrap();
    assert_eq!((null.file_type, null.mode, null.uid), (FileType::Char, 0o600, 1));
    let disk = rootfs.metadata(b"disk", true).unwrap();
    assert_eq!((disk.file_type, disk.mode, disk.rdev), (FileType::Block, 0o60, (8, 1)));
    for path in [&b"null"[..], b"disk"] {
        let refused = rootfs.open(path, OFlags::WRONLY | OFlags::CREATE, 0).unwrap_err();
        assert_eq!(refused.errno(), Errno::NXIO);
        rootfs.open(path, OFlags::PATH, 0).unwrap();
    }
    assert_eq!(rootfs.metadata(b"pipe", true).unwrap().mode, 0o4622);
}

fn creation_through_symlinks(rootfs: &Rootfs) {
    rootfs.symlink(b"/etc/made", b"dangling").unwrap();
    write(rootfs, b"dangling", 0o640);
    assert_eq!(rootfs.metadata(b"etc/made", false).unwrap().mode, 0o640);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    assert_eq!(rootfs.open(b"dangling", flags, 0o600).unwrap_err().errno(), Errno::EXIST);
    assert_eq!(rootfs.open(b"null/x", flags, 0o600).unwrap_err().errno(), Errno::NOTDIR);
    rootfs.symlink(b"made2", b"etc/dangling2").unwrap();
    write(rootfs, b"etc/dangling2", 0o640);
    assert!(rootfs.exists(b"etc/made2").unwrap());
}

fn xattrs(rootfs: &Rootfs) {
    write(rootfs, b"capable", 0o755);
    rootfs.set_xattr(b"capable", b"user.note", b"hello", true).unwrap();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    rootfs.set_xattr(b"capable", b"security.capability", &capability, true).unwrap();
    assert_eq!(
        rootfs.list_xattr(b"capable", true).unwrap(),
        [b"security.capability".to_vec(), b"user.note".to_vec()]
    );
    assert_eq!(rootfs.get_xattr(b"capable", b"security.capability", true).unwrap(), capability);
    rootfs.set_owner(b"capable", Some(0), Some(0), true).unwrap();
    assert_eq!(rootfs.list_xattr(b"capable", true).unwrap(), [b"user.note".to_vec()]);
    rootfs.remove_xattr(b"capable", b"user.note", true).unwrap();
    assert!(rootfs.list_xattr(b"capable", true).unwrap().is_empty());
    let missing = rootfs.get_xattr(b"capable", b"user.note", true).unwrap_err();
    assert_eq!(missing.errno(), Errno::NODATA);
}

fn removal(rootfs: &Rootfs) {
    rootfs.mkdir_all(b"deep/er", 0o755).unwrap();
    assert_eq!(rootfs.rmdir(b"deep").unwrap_err().errno(), Errno::NOTEMPTY);
    assert_eq!(rootfs.unlink(b"deep").unwrap_err().errno(), Errno::ISDIR);
    rootfs.remove_all(b"deep").unwrap();
    rootfs.remove_all(b"deep/er").unwrap();
    assert!(!rootfs.exists(b"deep").unwrap());
    // Deeper than PATH_MAX and than the usual limit of descriptors.
    let mut here = rootfs.open(b"", OFlags::RDONLY, 0).unwrap();
    for _ in 0..2500 {
        rustix::fs::mkdirat(&here, "d", rustix::fs::Mode::from_raw_mode(0o700)).unwrap();
        let next = rustix::fs::openat(&here, "d", OFlags::PATH, rustix::fs::Mode::empty()).unwrap();
        here = next;
    }
    rootfs.mkdir(b"locked", 0).unwrap();
    rootfs.mkdir(b"locked/in", 0).unwrap();
    rootfs.remove_all(b"d").unwrap();
    rootfs.remove_all(b"locked").unwrap();
}

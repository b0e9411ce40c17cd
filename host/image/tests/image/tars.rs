//! Tar streams against GNU tar, Python's tarfile and the `tar` crate.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;

use kiln_image::layer::compress::{Compression, Compressor, decompress};
use kiln_image::layer::read::LayerReader;
use kiln_image::layer::write::LayerWriter;
use kiln_image::layer::{Entry, Kind, Mtime};
use kiln_image::layout::ImageSource;

use crate::{installed, run, skipped};

const LONG: usize = 180;

/// One of everything that a layer can hold.
fn samples() -> Vec<(Entry, Vec<u8>)> {
    let long = [b"long/".to_vec(), vec![b'n'; LONG]].concat();
    let mut setuid = Entry::new(b"bin/su", Kind::File { size: 5 }, 0o4755);
    setuid.mtime = Mtime { secs: 1_700_000_000, nanos: 123_456_789 };
    setuid.xattrs.insert(b"user.note".to_vec(), b"one\ntwo".to_vec());
    let mut owned = Entry::new("dir/é".as_bytes(), Kind::File { size: 0 }, 0o600);
    (owned.uid, owned.gid) = (3_000_000_000, 70_000);
    vec![
        (Entry::new(b"", Kind::Dir, 0o755), Vec::new()),
        (Entry::new(b"bin", Kind::Dir, 0o1777), Vec::new()),
        (setuid, b"hello".to_vec()),
        (owned, Vec::new()),
        (Entry::new(&long, Kind::File { size: 700 }, 0o644), vec![7; 700]),
        (Entry::new(b"link", Kind::HardLink { target: b"bin/su".to_vec() }, 0o4755), Vec::new()),
        (Entry::new(b"far", Kind::Symlink { target: vec![b't'; LONG] }, 0o777), Vec::new()),
        (Entry::new(b"abs", Kind::Symlink { target: b"/../x".to_vec() }, 0o777), Vec::new()),
        (Entry::new(b"null", Kind::Char { major: 1, minor: 3 }, 0o666), Vec::new()),
        (Entry::new(b"sda", Kind::Block { major: 8, minor: 0 }, 0o660), Vec::new()),
        (Entry::new(b"pipe", Kind::Fifo, 0o600), Vec::new()),
    ]
}

fn write_samples() -> Vec<u8> {
    let mut writer = LayerWriter::new(Vec::new()).nanoseconds(true);
    for (entry, data) in samples() {
        writer.append(&entry, &mut &data[..]).unwrap();
    }
    writer.finish().unwrap()
}

/// All entries of a stream with their data.
fn read(stream: impl Read) -> BTreeMap<Vec<u8>, (Entry, Vec<u8>)> {
    let mut reader = LayerReader::new(stream);
    let mut all = BTreeMap::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut data = Vec::new();
        reader.data().read_to_end(&mut data).unwrap();
        all.insert(entry.path.clone(), (entry, data));
    }
    all
}

#[test]
fn the_tar_crate_reads_ours() {
    let stream = write_samples();
    let mut archive = tar::Archive::new(&stream[..]);
    let mut count = 0;
    for (found, (entry, data)) in archive.entries().unwrap().zip(samples()) {
        let mut found = found.unwrap();
        let mut path = entry.path.clone();
        if entry.kind == Kind::Dir {
            path = if path.is_empty() { b"./".to_vec() } else { [&path[..], b"/"].concat() };
        }
        assert_eq!(found.path_bytes(), path);
        assert_eq!(found.header().mode().unwrap(), entry.mode);
        assert_eq!(found.header().uid().unwrap(), u64::from(entry.uid));
        if let Kind::Symlink { target } | Kind::HardLink { target } = &entry.kind {
            assert_eq!(found.link_name_bytes().unwrap(), &target[..]);
        }
        let mut read = Vec::new();
        found.read_to_end(&mut read).unwrap();
        assert_eq!(read, data);
        count += 1;
    }
    assert_eq!(count, samples().len());
}

#[test]
fn gnu_tar_reads_ours() {
    if !installed("tar") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("layer.tar");
    fs::write(&file, write_samples()).unwrap();
    let listing =
        run("tar", &["-tvf", file.to_str().unwrap(), "--numeric-owner", "--full-time", "--utc"]);
    let line = |end: &str| {
        let found = listing.lines().find(|line| line.ends_with(end));
        found.unwrap_or_else(|| panic!("{end} in\n{listing}"))
    };
    assert!(line(" bin/").starts_with("drwxrwxrwt 0/0"));
    assert!(line(" bin/su").contains("-rwsr-xr-x 0/0"));
    assert!(line(" bin/su").contains("2023-11-14 22:13:20.123456789"));
    assert!(line(&"n".repeat(LONG)).contains(" 700 "));
    assert!(line("link to bin/su").starts_with("hrwsr-xr-x"));
    assert!(line(" null").starts_with("crw-rw-rw- 0/0"));
    assert!(line(" null").contains("1,3"));
    assert!(line(" pipe").starts_with('p'));
    assert!(listing.contains("3000000000/70000"));
    assert!(listing.contains(&format!("far -> {}", "t".repeat(LONG))));
    let xattrs = run("tar", &["-tvvf", file.to_str().unwrap(), "--xattrs", "--xattrs-include=*"]);
    assert!(xattrs.contains("7 user.note"), "{xattrs}");
}

#[test]
fn python_reads_ours() {
    if !installed("python3") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("layer.tar");
    fs::write(&file, write_samples()).unwrap();
    let script = "import tarfile,sys\n\
        for m in tarfile.open(sys.argv[1]):\n\
        \x20 print(m.name, m.type.decode(), oct(m.mode), m.uid, m.gid, m.size, m.mtime, m.linkname)\n";
    let listing = run("python3", &["-c", script, file.to_str().unwrap()]);
    assert!(listing.contains("bin/su 0 0o4755 0 0 5 1700000000.1234567"), "{listing}");
    assert!(listing.contains("dir/é 0 0o600 3000000000 70000 0 0"), "{listing}");
    assert!(listing.contains("link 1 0o4755 0 0 0 0 bin/su"), "{listing}");
    assert_eq!(listing.lines().count(), samples().len());
}

/// A tree with long names, links, holes; no devices, which need privileges.
fn tree(dir: &Path) {
    fs::create_dir(dir.join("sub")).unwrap();
    fs::write(dir.join("sub/plain"), b"plain").unwrap();
    fs::hard_link(dir.join("sub/plain"), dir.join("zlink")).unwrap();
    std::os::unix::fs::symlink("../else where", dir.join("sub/sym")).unwrap();
    fs::write(dir.join("n".repeat(LONG)), b"long").unwrap();
    std::os::unix::fs::symlink("t".repeat(LONG), dir.join("far")).unwrap();
    let mut holes = File::create(dir.join("holes")).unwrap();
    // More ranges than a header holds, so that extensions follow.
    for range in 0..30_u64 {
        holes.seek(SeekFrom::Start(range * 200_000)).unwrap();
        holes.write_all(format!("data {range}").as_bytes()).unwrap();
    }
    holes.set_len(7_000_000).unwrap();
}

#[test]
fn we_read_gnu_tars() {
    if !installed("tar") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("tree");
    fs::create_dir(&source).unwrap();
    tree(&source);
    let holes = fs::read(source.join("holes")).unwrap();
    for options in [
        &["--format=gnu"][..],
        &["--format=oldgnu", "--sparse"],
        &["--format=gnu", "--sparse"],
        &["--format=pax"],
        &["--format=pax", "--sparse", "--sparse-version=0.0"],
        &["--format=pax", "--sparse", "--sparse-version=0.1"],
        &["--format=pax", "--sparse", "--sparse-version=1.0"],
        &["--format=pax", "--sort=name", "--xattrs", "--acls"],
    ] {
        let mut arguments = vec!["-C", source.to_str().unwrap(), "-cf", "-"];
        arguments.extend(options);
        arguments.push(".");
        let output = Command::new("tar").args(&arguments).output().unwrap();
        assert!(output.status.success(), "{options:?}");
        if options.contains(&"--sparse") {
            assert!(output.stdout.len() < 2_000_000, "{options:?} kept no hole");
        }
        let all = read(&output.stdout[..]);
        let names: Vec<_> = all.keys().map(|name| name.escape_ascii().to_string()).collect();
        assert_eq!(all.len(), 8, "{options:?}: {names:?}");
        assert_eq!(all[&b"sub"[..]].0.kind, Kind::Dir);
        assert_eq!(all[&vec![b'n'; LONG]].1, b"long");
        assert_eq!(all[&b"far"[..]].0.kind, Kind::Symlink { target: vec![b't'; LONG] });
        let target = b"../else where".to_vec();
        assert_eq!(all[&b"sub/sym"[..]].0.kind, Kind::Symlink { target });
        assert!(all[&b"holes"[..]].1 == holes, "{options:?}");
        // Whichever of the two names came first is the file.
        let kinds = [&all[&b"zlink"[..]].0.kind, &all[&b"sub/plain"[..]].0.kind];
        assert!(kinds.contains(&&Kind::File { size: 5 }), "{options:?}");
        assert!(kinds.iter().any(|kind| matches!(kind, Kind::HardLink { .. })), "{options:?}");
    }
}

#[test]
fn we_read_v7_and_ustar() {
    if !installed("tar") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let deep = "d".repeat(90);
    fs::create_dir(dir.path().join(&deep)).unwrap();
    fs::write(dir.path().join(&deep).join("x".repeat(60)), b"x").unwrap();
    fs::write(dir.path().join("short"), b"short").unwrap();
    let tar = |format: &str, what: &str| {
        let arguments = ["-C", dir.path().to_str().unwrap(), "-cf", "-", format, what];
        let output = Command::new("tar").args(arguments).output().unwrap();
        assert!(output.status.success());
        read(&output.stdout[..])
    };
    assert_eq!(tar("--format=v7", "short")[&b"short"[..]].1, b"short");
    let path = format!("{deep}/{}", "x".repeat(60));
    assert_eq!(tar("--format=ustar", &deep)[path.as_bytes()].1, b"x");
}

#[test]
fn we_read_python_s() {
    if !installed("python3") {
        return;
    }
    let script = "
import tarfile, io, sys
for format in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=format) as t:
        def add(name, type=tarfile.REGTYPE, data=b'', **more):
            m = tarfile.TarInfo(name); m.type = type; m.size = len(data)
            for key, value in more.items(): setattr(m, key, value)
            t.addfile(m, io.BytesIO(data))
        add('file', data=b'data', mode=0o4711, mtime=1700000000, uname='root', gname='root')
        add('dir', tarfile.DIRTYPE, mode=0o1777)
        add('sym', tarfile.SYMTYPE, linkname='/abs')
        add('hard', tarfile.LNKTYPE, linkname='file')
        add('null', tarfile.CHRTYPE, devmajor=1, devminor=3)
        add('fifo', tarfile.FIFOTYPE)
        if format != tarfile.USTAR_FORMAT:
            add('n' * 300 if False else ('n' * 99 + '/') * 3 + 'é', data=b'long', uid=3000000000)
        if format == tarfile.PAX_FORMAT:
            add('x', mtime=-1.5, pax_headers={'SCHILY.xattr.user.a': 'b', 'comment': 'c'})
    sys.stdout.buffer.write(len(out.getvalue()).to_bytes(8, 'big') + out.getvalue())
";
    let output = Command::new("python3").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut rest = &output.stdout[..];
    for wanted in [6, 7, 8] {
        let mut length = [0; 8];
        rest.read_exact(&mut length).unwrap();
        let (stream, tail) = rest.split_at(usize::try_from(u64::from_be_bytes(length)).unwrap());
        rest = tail;
        let all = read(stream);
        assert_eq!(all.len(), wanted);
        let (file, data) = &all[&b"file"[..]];
        assert_eq!((file.mode, file.mtime.secs, &data[..]), (0o4711, 1_700_000_000, &b"data"[..]));
        assert_eq!(all[&b"null"[..]].0.kind, Kind::Char { major: 1, minor: 3 });
        assert_eq!(all[&b"hard"[..]].0.kind, Kind::HardLink { target: b"file".to_vec() });
        if wanted > 6 {
            let long = format!("{}é", ("n".repeat(99) + "/").repeat(3));
            assert_eq!(all[long.as_bytes()].0.uid, 3_000_000_000);
        }
        if wanted > 7 {
            let x = &all[&b"x"[..]].0;
            assert_eq!(x.mtime, Mtime { secs: -2, nanos: 500_000_000 });
            assert_eq!(x.xattrs[&b"user.a"[..]], b"b");
        }
    }
}

#[test]
fn xattrs_of_gnu_tar() {
    if !installed("tar") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("f");
    fs::write(&file, b"x").unwrap();
    let value = b"binary\0\n=\xff";
    let set = rustix::fs::setxattr(&file, "user.note", value, rustix::fs::XattrFlags::empty());
    if let Err(error) = set {
        skipped(&format!("the file system has no user xattrs: {error}"));
        return;
    }
    let arguments =
        ["-C", dir.path().to_str().unwrap(), "-cf", "-", "--format=pax", "--xattrs", "f"];
    let output = Command::new("tar").args(arguments).output().unwrap();
    let all = read(&output.stdout[..]);
    assert_eq!(all[&b"f"[..]].0.xattrs[&b"user.note"[..]], value);
    // And back: what we write, tar restores.
    let mut writer = LayerWriter::new(Vec::new());
    let (entry, data) = &all[&b"f"[..]];
    writer.append(entry, &mut &data[..]).unwrap();
    let again = dir.path().join("again.tar");
    fs::write(&again, writer.finish().unwrap()).unwrap();
    let target = dir.path().join("out");
    fs::create_dir(&target).unwrap();
    run(
        "tar",
        &[
            "-C",
            target.to_str().unwrap(),
            "-xf",
            again.to_str().unwrap(),
            "--xattrs",
            "--xattrs-include=*",
            "--no-same-owner",
        ],
    );
    let mut restored = [0; 64];
    let count = rustix::fs::getxattr(target.join("f"), "user.note", &mut restored).unwrap();
    assert_eq!(&restored[..count], value);
    assert!(io::copy(&mut &data[..], &mut io::sink()).is_ok());
}

/// umoci is written in Go: what its `archive/tar` made, we read and write again, byte for byte.
#[test]
fn we_write_what_go_writes() {
    if !installed("umoci") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let tree = dir.path().join("tree");
    // Names without a slash beyond 100 bytes: others Go splits, unless told FormatPAX as BuildKit
    // does.
    fs::create_dir_all(tree.join("d".repeat(120))).unwrap();
    fs::create_dir(tree.join("short")).unwrap();
    fs::write(tree.join("short/é"), b"not ASCII").unwrap();
    fs::write(tree.join("n".repeat(LONG)), vec![b'x'; 1000]).unwrap();
    std::os::unix::fs::symlink("t".repeat(LONG), tree.join("far")).unwrap();
    let name = tree.join("n".repeat(LONG));
    let set = rustix::fs::setxattr(&name, "user.note", b"x", rustix::fs::XattrFlags::empty());
    if let Err(error) = set {
        skipped(&format!("(only the xattr) the file system has none: {error}"));
    }
    run("umoci", &["init", "--layout", &path("layout")]);
    let image = format!("{}:a", path("layout"));
    run("umoci", &["new", "--image", &image]);
    run("umoci", &["insert", "--rootless", "--image", &image, &path("tree"), "/tree"]);

    let source = ImageSource::open(&dir.path().join("layout"), Some("a")).unwrap();
    let (_, manifest) = source.manifest(&"linux/amd64".parse().unwrap()).unwrap();
    let blob = source.store().reader(&manifest.layers[0].digest).unwrap();
    let mut theirs = Vec::new();
    decompress(blob).unwrap().read_to_end(&mut theirs).unwrap();
    let mut reader = LayerReader::new(&theirs[..]);
    let mut writer = LayerWriter::new(Vec::new());
    let mut entries = 0;
    while let Some(entry) = reader.next_entry().unwrap() {
        writer.append(&entry, &mut reader.data()).unwrap();
        entries += 1;
    }
    assert_eq!(entries, 6);
    let ours = writer.finish().unwrap();
    // umoci leaves out the end of the archive.
    assert!(ours.len() >= theirs.len());
    let differs = ours.iter().zip(&theirs).position(|(a, b)| a != b);
    assert_eq!(differs, None, "first difference");
}

#[test]
fn others_decompress_ours() {
    let dir = tempfile::tempdir().unwrap();
    // Several blocks, some squeezed, some stored.
    let mut state = 1_u64;
    let content: Vec<u8> = (0..3 << 20)
        .map(|at: u32| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let noise = state.to_be_bytes()[0];
            if at >> 20 == 1 { noise } else { noise & 7 }
        })
        .collect();
    for (program, compression) in [("gzip", Compression::GZIP), ("zstd", Compression::ZSTD)] {
        if !installed(program) {
            continue;
        }
        let mut compressor = Compressor::new(Vec::new(), compression, 2);
        compressor.write_all(&content).unwrap();
        let file = dir.path().join("stream");
        fs::write(&file, compressor.finish().unwrap()).unwrap();
        let input = File::open(&file).unwrap();
        let output = Command::new(program).arg("-dc").stdin(input).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && errors.is_empty(), "{program}: {errors}");
        assert!(output.stdout == content, "{program}");
    }
}

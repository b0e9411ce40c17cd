use super::*;
use crate::layer::Mtime;
use crate::layer::read::LayerReader;

fn written(entry: &Entry, nanoseconds: bool) -> Vec<u8> {
    let mut writer = LayerWriter::new(Vec::new()).nanoseconds(nanoseconds);
    let data = vec![b'd'; usize::try_from(entry.size()).unwrap()];
    writer.append(entry, &mut &data[..]).unwrap();
    writer.finish().unwrap()
}

fn read_back(stream: &[u8]) -> Entry {
    let mut reader = LayerReader::new(stream);
    let entry = reader.next_entry().unwrap().unwrap();
    assert_eq!(reader.next_entry().unwrap(), None);
    entry
}

fn file(path: &[u8]) -> Entry {
    Entry::new(path, Kind::File { size: 0 }, 0o644)
}

/// The header as Go 1.22 writes it for FormatPAX, byte for byte.
#[test]
fn a_plain_header() {
    let mut entry = Entry::new(b"usr/bin/x", Kind::File { size: 3 }, 0o4755);
    (entry.uid, entry.gid, entry.mtime) = (1000, 50, Mtime::from_secs(1_700_000_000));
    let stream = written(&entry, false);
    assert_eq!(stream.len(), 4 * BLOCK);
    let mut wanted = Vec::new();
    for (field, width) in [
        (&b"usr/bin/x"[..], 100),
        (b"0004755\0", 8),
        (b"0001750\0", 8),
        (b"0000062\0", 8),
        (b"00000000003\0", 12),
        (b"14524770400\0", 12),
        (b"011265\0 ", 8),
        (b"0", 1),
        (b"", 100),
        (b"ustar\x0000", 8),
        (b"", 32),
        (b"", 32),
        (b"0000000\0", 8),
        (b"0000000\0", 8),
        (b"", 167),
    ] {
        wanted.extend_from_slice(field);
        wanted.resize(wanted.len() + width - field.len(), 0);
    }
    let sum: u32 = wanted
        .iter()
        .enumerate()
        .map(|(at, b)| u32::from(if (148..156).contains(&at) { b' ' } else { *b }))
        .sum();
    wanted[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    assert_eq!(stream[..BLOCK].escape_ascii().to_string(), wanted.escape_ascii().to_string());
    assert_eq!(&stream[BLOCK..BLOCK + 4], b"ddd\0");
    assert!(stream[BLOCK + 3..].iter().all(|b| *b == 0));
}

#[test]
fn pax_only_where_needed() {
    let hundred = [b'n'; 100];
    let xattrs = [(b"user.a".to_vec(), b"\0\n=".to_vec())];
    let with = |change: &dyn Fn(&mut Entry)| {
        let mut entry = file(b"f");
        change(&mut entry);
        entry
    };
    for (entry, wanted) in [
        (file(&hundred), ""),
        (file(&[b'n'; 101]), "path"),
        (file("é".as_bytes()), "path"),
        (file(b"\xff"), "path"),
        (Entry::new(&[b'd'; 99], Kind::Dir, 0o755), ""),
        (Entry::new(&hundred, Kind::Dir, 0o755), "path"),
        (with(&|e| e.uid = 0o7_777_777), ""),
        (with(&|e| e.uid = 0o10_000_000), "uid"),
        (with(&|e| e.gid = u32::MAX - 1), "gid"),
        (with(&|e| e.mtime = Mtime { secs: 1, nanos: 5 }), ""),
        (with(&|e| e.mtime = Mtime { secs: -1, nanos: 0 }), "mtime"),
        (with(&|e| e.mtime = Mtime::from_secs(1 << 33)), "mtime"),
        (with(&|e| e.xattrs = xattrs.clone().into()), "SCHILY.xattr.user.a"),
        (with(&|e| e.kind = Kind::Symlink { target: hundred.to_vec() }), ""),
        (with(&|e| e.kind = Kind::Symlink { target: vec![b't'; 101] }), "linkpath"),
        (with(&|e| e.kind = Kind::HardLink { target: b"\xc3".to_vec() }), "linkpath"),
    ] {
        let stream = written(&entry, false);
        let has_pax = stream[format::TYPE] == b'x';
        assert_eq!(has_pax, !wanted.is_empty(), "{wanted}");
        if has_pax {
            let body = stream[BLOCK..].escape_ascii().to_string();
            assert!(body.contains(&format!(" {wanted}=")), "{wanted}: {body}");
        }
        let mut expected = entry.clone();
        expected.mtime.nanos = 0;
        assert_eq!(read_back(&stream), expected, "{wanted}");
    }
}

#[test]
fn nanoseconds_when_asked() {
    let mut entry = file(b"f");
    for mtime in [
        Mtime { secs: 1, nanos: 500_000_000 },
        Mtime { secs: -2, nanos: 1 },
        Mtime { secs: i64::MAX, nanos: 999_999_999 },
    ] {
        entry.mtime = mtime;
        assert_eq!(read_back(&written(&entry, true)), entry);
    }
    entry.mtime = Mtime::from_secs(7);
    assert_eq!(written(&entry, true), written(&entry, false));
}

#[test]
fn names_of_pax_headers_are_go_s() {
    for (name, wanted) in [
        (&b"a/b"[..], &b"a/PaxHeaders.0/b"[..]),
        (b"a/b/", b"a/b/PaxHeaders.0"),
        (b"b", b"PaxHeaders.0/b"),
        (b"./", b"PaxHeaders.0"),
        ("dé/é".as_bytes(), b"d/PaxHeaders.0/"),
    ] {
        assert_eq!(pax_name(name), wanted, "{}", name.escape_ascii());
    }
}

#[test]
fn the_root_and_directories() {
    let root = Entry::new(b"", Kind::Dir, 0o755);
    let stream = written(&root, false);
    assert_eq!(&stream[..3], b"./\0");
    assert_eq!(read_back(&stream), root);
    let dir = Entry::new(b"a/b", Kind::Dir, 0o1777);
    let stream = written(&dir, false);
    assert_eq!(&stream[..5], b"a/b/\0");
    assert_eq!(read_back(&stream), dir);
}

#[test]
fn other_kinds() {
    for kind in [
        Kind::Fifo,
        Kind::Char { major: 1, minor: 3 },
        Kind::Block { major: 4095, minor: 1_048_575 },
        Kind::HardLink { target: b"a/b".to_vec() },
        Kind::Symlink { target: b"/../x\xff".to_vec() },
    ] {
        let entry = Entry::new(b"x", kind, 0o600);
        assert_eq!(read_back(&written(&entry, false)), entry);
    }
}

#[test]
fn what_tar_cannot_hold() {
    let with = |change: &dyn Fn(&mut Entry)| {
        let mut entry = file(b"f");
        change(&mut entry);
        entry
    };
    for (entry, wanted) in [
        (file(b""), "only a directory"),
        (file(b"/a"), "normal form"),
        (file(b"a//b"), "normal form"),
        (file(b"a/../b"), "normal form"),
        (file(b"a/"), "normal form"),
        (file(b"a\0"), "NUL"),
        (file(&b"a/".repeat(2047)[..4093]), ""),
        (file(&[b"a/".repeat(2047), b"aa".to_vec()].concat()), "longer than 4095"),
        (with(&|e| e.kind = Kind::Char { major: 1 << 21, minor: 0 }), "device number"),
        (with(&|e| e.kind = Kind::Symlink { target: Vec::new() }), "empty"),
        (
            with(&|e| {
                e.xattrs.insert(b"user.a=b".to_vec(), Vec::new());
            }),
            "extended attribute",
        ),
        (
            with(&|e| {
                e.xattrs.insert(b"user.a".to_vec(), vec![0; 1 << 20]);
            }),
            "exceed a mebibyte",
        ),
    ] {
        let result = LayerWriter::new(Vec::new()).append(&entry, &mut io::empty());
        match result {
            Ok(()) => assert_eq!(wanted, ""),
            Err(error) => {
                let error = error.to_string();
                assert!(!wanted.is_empty() && error.contains(wanted), "{wanted}: {error}");
            }
        }
    }
}

#[test]
fn files_beyond_eight_gigabytes() {
    let size = 8_589_934_592_u64;
    let header = Header::of(&Entry::new(b"big", Kind::File { size }, 0o644), false, false).unwrap();
    assert_eq!(&header.block[format::SIZE], b"00000000000\0");
    assert_eq!(header.records.to_bytes(), b"19 size=8589934592\n");
    let less = Entry::new(b"big", Kind::File { size: size - 1 }, 0o644);
    let header = Header::of(&less, false, false).unwrap();
    assert_eq!(&header.block[format::SIZE], b"77777777777\0");
    assert!(header.records.is_empty());
}

#[test]
fn files_without_end_are_refused_at_once() {
    let sizes = |sizes: &[u64]| {
        let mut writer = LayerWriter::new(std::io::sink());
        let mut append = |size| {
            let entry = Entry::new(b"big", Kind::File { size }, 0o644);
            writer.append(&entry, &mut std::io::empty())
        };
        sizes.iter().map(|size| append(*size)).last().unwrap()
    };
    assert!(matches!(sizes(&[1 << 60]), Err(WriteError::Unsupported { .. })));
    assert!(matches!(sizes(&[1 << 40]), Err(WriteError::Short { .. })));
    assert!(matches!(sizes(&[1 << 40; 5]), Err(WriteError::Unsupported { .. })));
}

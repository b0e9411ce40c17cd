use super::*;
use crate::layer::format::{put_checksum, put_octal};

/// A header block by hand; tests then spoil it.
fn raw(kind: u8, name: &[u8], size: u64) -> Block {
    let mut block = [0; BLOCK];
    block[..name.len()].copy_from_slice(name);
    put_octal(&mut block[format::MODE], 0o644);
    put_octal(&mut block[format::UID], 0);
    put_octal(&mut block[format::GID], 0);
    put_octal(&mut block[format::SIZE], size);
    put_octal(&mut block[format::MTIME], 0);
    block[format::TYPE] = kind;
    block[format::MAGIC].copy_from_slice(b"ustar\x0000");
    put_checksum(&mut block);
    block
}

fn linked(kind: u8, name: &[u8], target: &[u8]) -> Block {
    let mut block = raw(kind, name, 0);
    block[format::LINK][..target.len()].copy_from_slice(target);
    put_checksum(&mut block);
    block
}

fn padded(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    data.resize(data.len().next_multiple_of(BLOCK), 0);
    data
}

fn special(kind: u8, body: &[u8]) -> Vec<u8> {
    [&raw(kind, b"special", body.len() as u64)[..], &padded(body)].concat()
}

fn pax_body(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, value) in records {
        let fixed = key.len() + value.len() + 3;
        let length = (fixed..).find(|n| fixed + n.to_string().len() == *n).unwrap();
        body.extend_from_slice(format!("{length} {key}=").as_bytes());
        body.extend_from_slice(value);
        body.push(b'\n');
    }
    body
}

fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    special(b'x', &pax_body(records))
}

fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK]
}

fn read_all(stream: &[u8]) -> Result<Vec<(Entry, Vec<u8>)>, ReadError> {
    let mut reader = LayerReader::new(stream);
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut data = Vec::new();
        reader
            .data()
            .read_to_end(&mut data)
            .map_err(|source| ReadError::Io { offset: 0, source })?;
        assert_eq!(data.len() as u64, entry.size());
        all.push((entry, data));
    }
    Ok(all)
}

fn read_one(stream: &[u8]) -> Result<(Entry, Vec<u8>), ReadError> {
    let mut all = read_all(stream)?;
    assert_eq!(all.len(), 1);
    Ok(all.remove(0))
}

#[test]
fn hostile_entries_are_refused() {
    let long_link = [&special(b'K', &[b'a'; 5000])[..], &linked(b'2', b"l", b"")].concat();
    let nul_path = [&pax(&[("path", b"a\0b")])[..], &raw(b'0', b"x", 0)].concat();
    let mut huge_uid = raw(b'0', b"x", 0);
    huge_uid[format::UID].copy_from_slice(b"\x80\0\0\0\xff\xff\xff\xff");
    put_checksum(&mut huge_uid);
    let mut negative_uid = raw(b'0', b"x", 0);
    negative_uid[format::UID].fill(0xff);
    put_checksum(&mut negative_uid);
    let mut negative_size = raw(b'0', b"x", 0);
    negative_size[format::SIZE].fill(0xff);
    put_checksum(&mut negative_size);
    let mut huge_device = raw(b'3', b"x", 0);
    huge_device[format::DEV_MAJOR].copy_from_slice(b"\x80\0\0\xff\0\0\0\0");
    put_checksum(&mut huge_device);
    for (stream, wanted) in [
        (raw(b'0', b"../x", 0).to_vec(), "leads out of the image"),
        (linked(b'1', b"x", b"../../etc/passwd").to_vec(), "hard link leads out"),
        (linked(b'1', b"x", b"/").to_vec(), "hard link to the root"),
        (linked(b'1', b"x", b"").to_vec(), "hard link to the root"),
        (linked(b'2', b"x", b"").to_vec(), "without a target"),
        (raw(b'0', b"./", 0).to_vec(), "only a directory can be the root"),
        (raw(b'M', b"x", 0).to_vec(), "unsupported tar entry type"),
        (raw(b'D', b"x", 0).to_vec(), "unsupported tar entry type"),
        (long_link, "longer than 4095"),
        (nul_path, "NUL in a PAX path"),
        (huge_uid.to_vec(), "user id out of range"),
        (negative_uid.to_vec(), "user id out of range"),
        (negative_size.to_vec(), "size that is no number"),
        (huge_device.to_vec(), "device number out of range"),
        (raw(b'S', b"x", 0).to_vec(), "not GNU's"),
        (b"not a tar".repeat(100), "wrong header checksum"),
        ([&[0; BLOCK][..], &raw(b'0', b"x", 0)].concat(), "zeros between entries"),
    ] {
        let error = read_all(&stream).unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
}

#[test]
fn absolute_links_stay_inside() {
    let (entry, _) = read_one(&linked(b'1', b"/a", b"/../etc/passwd")).unwrap();
    assert_eq!(entry.path, b"a");
    assert_eq!(entry.kind, Kind::HardLink { target: b"etc/passwd".to_vec() });
    let (entry, _) = read_one(&linked(b'2', b"a", b"/../../x")).unwrap();
    assert_eq!(entry.kind, Kind::Symlink { target: b"/../../x".to_vec() });
}

#[test]
fn a_header_of_a_gigabyte_is_not_read() {
    for kind in [b'x', b'L', b'K'] {
        let stream = raw(kind, b"special", 1 << 30);
        // Endless zeros behind: who allocates or reads first would not come back.
        let mut reader = LayerReader::new(stream.chain(io::repeat(b'a')));
        let error = reader.next_entry().unwrap_err().to_string();
        assert!(error.contains("more than a mebibyte"), "{error}");
    }
}

#[test]
fn limits() {
    let limits = Limits { entries: 2, file_size: 10, total_size: 15 };
    let error = |stream: &[u8]| {
        let mut reader = LayerReader::with_limits(stream, limits);
        loop {
            match reader.next_entry() {
                Ok(Some(_)) => {}
                Ok(None) => panic!("no error"),
                Err(error) => return error.to_string(),
            }
        }
    };
    let file = |size: usize| [&raw(b'0', b"x", size as u64)[..], &padded(&vec![1; size])].concat();
    assert!(error(&file(11)).contains("the file's size exceeds the limit of 10"));
    assert!(error(&[file(8), file(8)].concat()).contains("sum of all files' sizes"));
    let three = [file(0), file(0), file(0)].concat();
    assert!(error(&three).contains("the number of entries exceeds the limit of 2"));
    let sparse = [
        &pax(&[("GNU.sparse.size", b"1000000000000"), ("GNU.sparse.map", b"0,0")])[..],
        &raw(b'0', b"x", 0),
    ]
    .concat();
    assert!(error(&sparse).contains("the file's size exceeds"));
    // Headers that never become an entry count too.
    let endless = pax(&[]).repeat(4);
    assert!(error(&endless).contains("the number of entries"));
}

#[test]
fn cut_streams_fail() {
    let whole = [
        &pax(&[("path", b"long")])[..],
        &raw(b'0', b"x", 1000),
        &padded(&[7; 1000]),
        &raw(b'5', b"d/", 0),
        &end(),
    ]
    .concat();
    assert_eq!(read_all(&whole).unwrap().len(), 2);
    let entries_end = whole.len() - 2 * BLOCK;
    for cut in 1..whole.len() {
        let result = read_all(&whole[..cut]);
        // Go, too, takes the end of the stream between entries, even after a PAX header, in the
        // fill after data, or in place of the second block of zeros, for that of the archive.
        let pax_fill = BLOCK + 13..=2 * BLOCK;
        let data_fill = 3 * BLOCK + 1000..=5 * BLOCK;
        let end = [entries_end, entries_end + BLOCK];
        let clean = pax_fill.contains(&cut) || data_fill.contains(&cut) || end.contains(&cut);
        assert_eq!(result.is_ok(), clean, "{cut}");
    }
}

#[test]
fn unread_data_is_passed_over() {
    let stream = [
        &raw(b'0', b"a", 1000)[..],
        &padded(&[7; 1000]),
        &raw(b'0', b"b", 3),
        &padded(b"abc"),
        &end(),
        b"trailing bytes",
    ]
    .concat();
    let mut reader = LayerReader::new(&stream[..]);
    assert_eq!(reader.next_entry().unwrap().unwrap().path, b"a");
    reader.data().read_exact(&mut [0; 10]).unwrap();
    assert_eq!(reader.next_entry().unwrap().unwrap().path, b"b");
    assert_eq!(reader.next_entry().unwrap(), None);
    assert_eq!(reader.next_entry().unwrap(), None);
    assert!(reader.drain().unwrap().is_empty());
}

#[test]
fn what_prevails() {
    let stream = [
        &special(b'g', &pax_body(&[("path", b"global")]))[..],
        &pax(&[("path", b"from-pax"), ("mtime", b"5.25"), ("uid", b"4000000000"), ("size", b"3")]),
        &raw(b'0', b"from-header", 999),
        &padded(b"abc"),
        &pax(&[("path", b"from-pax"), ("linkpath", b"pax-target")]),
        &special(b'L', b"from-gnu\0"),
        &special(b'K', b"gnu-target\0"),
        &linked(b'2', b"h", b"t"),
        &pax(&[("path", b"x"), ("path", b"")]),
        &raw(b'0', b"empty-takes-back", 0),
        &raw(0, b"old-directory/", 0),
        &end(),
    ]
    .concat();
    let all = read_all(&stream).unwrap();
    let (first, data) = &all[0];
    assert_eq!((first.path.as_slice(), data.as_slice()), (&b"from-pax"[..], &b"abc"[..]));
    assert_eq!(first.uid, 4_000_000_000);
    assert_eq!(first.mtime, Mtime { secs: 5, nanos: 250_000_000 });
    assert_eq!(all[1].0.path, b"from-gnu");
    assert_eq!(all[1].0.kind, Kind::Symlink { target: b"gnu-target".to_vec() });
    // What stands before one entry says nothing about the next.
    assert_eq!(all[2].0.path, b"empty-takes-back");
    assert_eq!(all[3].0.kind, Kind::Dir);
}

#[test]
fn sizes_of_entries_without_data_are_ignored() {
    for kind in *b"123456" {
        let mut block = linked(kind, b"x", b"y");
        put_octal(&mut block[format::SIZE], 1000);
        put_checksum(&mut block);
        let stream = [&block[..], &raw(b'0', b"next", 0), &end()].concat();
        assert_eq!(read_all(&stream).unwrap().len(), 2, "{}", char::from(kind));
    }
}

#[test]
fn star_and_prefixes() {
    let mut ustar = raw(b'0', b"name", 0);
    ustar[345..349].copy_from_slice(b"p/q\0");
    put_checksum(&mut ustar);
    assert_eq!(read_one(&ustar).unwrap().0.path, b"p/q/name");
    let mut star = ustar;
    star[format::STAR_TRAILER].copy_from_slice(b"tar\0");
    // star's times, which are no part of the prefix.
    star[476..488].copy_from_slice(b"00000000001 ");
    put_checksum(&mut star);
    assert_eq!(read_one(&star).unwrap().0.path, b"p/q/name");
    let mut gnu = ustar;
    gnu[format::MAGIC].copy_from_slice(b"ustar  \0");
    put_checksum(&mut gnu);
    assert_eq!(read_one(&gnu).unwrap().0.path, b"name");
}

#[test]
fn sparse_in_pax() {
    let map = padded(b"2\n2\n3\n8\n1\n");
    let v1 = [
        &pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"real"),
            ("GNU.sparse.realsize", b"10"),
        ])[..],
        &raw(b'0', b"GNUSparseFile.0/real", 516),
        &map,
        &padded(b"abcd"),
        &end(),
    ]
    .concat();
    let v01 = [
        &pax(&[
            ("GNU.sparse.size", b"10"),
            ("GNU.sparse.name", b"real"),
            ("GNU.sparse.map", b"2,3,8,1"),
        ])[..],
        &raw(b'0', b"GNUSparseFile.0/real", 4),
        &padded(b"abcd"),
        &end(),
    ]
    .concat();
    let v00 = [
        &pax(&[
            ("GNU.sparse.size", b"10"),
            ("GNU.sparse.offset", b"2"),
            ("GNU.sparse.numbytes", b"3"),
            ("GNU.sparse.offset", b"8"),
            ("GNU.sparse.numbytes", b"1"),
        ])[..],
        &raw(b'0', b"real", 4),
        &padded(b"abcd"),
        &end(),
    ]
    .concat();
    for stream in [v1, v01, v00] {
        let (entry, data) = read_one(&stream).unwrap();
        assert_eq!(entry.path, b"real");
        assert_eq!(data, b"\0\0abc\0\0\0d\0");
        let mut reader = LayerReader::new(&stream[..]);
        reader.next_entry().unwrap();
        let mut data = reader.data();
        let mut pieces = Vec::new();
        let mut buffer = [0; 4];
        loop {
            let hole = data.skip_hole();
            let count = data.read(&mut buffer).unwrap();
            pieces.push((hole, buffer[..count].to_vec()));
            if count == 0 {
                break;
            }
        }
        assert_eq!(pieces, [(2, b"abc".to_vec()), (3, b"d".to_vec()), (1, Vec::new())],);
    }
}

#[test]
fn hostile_sparse_files() {
    let v01 = |map: &'static [u8], size: &'static [u8], stored: u64| {
        [
            &pax(&[("GNU.sparse.size", size), ("GNU.sparse.map", map)])[..],
            &raw(b'0', b"x", stored),
            &[0; BLOCK],
        ]
        .concat()
    };
    for (stream, wanted) in [
        (v01(b"2,3,1,1", b"10", 4), "malformed sparse map"),
        (v01(b"2,30", b"10", 30), "malformed sparse map"),
        (v01(b"0,4", b"10", 5), "malformed sparse map"),
        (v01(b"0,4,", b"10", 4), "malformed PAX sparse map"),
        (v01(b"18446744073709551615,4", b"10", 4), "malformed sparse map"),
        (v01(b"0,4", b"18446744073709551615", 4), "the file's size"),
        (
            [
                &pax(&[
                    ("GNU.sparse.major", b"1"),
                    ("GNU.sparse.minor", b"0"),
                    ("GNU.sparse.realsize", b"10"),
                ])[..],
                &raw(b'0', b"x", 512),
                &[&b"10000\n"[..], &b"1\n".repeat(253)].concat(),
            ]
            .concat(),
            "sparse map without an end",
        ),
        (
            [
                &pax(&[("GNU.sparse.major", b"2"), ("GNU.sparse.minor", b"0")])[..],
                &raw(b'0', b"x", 0),
            ]
            .concat(),
            "unknown version",
        ),
    ] {
        let error = read_all(&stream).unwrap_err().to_string();
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
}

#[test]
fn errors_do_not_carry_hostile_text() {
    let stream = [&special(b'L', &b"../\x1b[31m\n".repeat(200))[..], &raw(b'0', b"x", 0)].concat();
    let error = read_all(&stream).unwrap_err().to_string();
    assert!(error.len() < 2000 && error.is_ascii() && !error.contains(['\x1b', '\n']), "{error}");
}

//! What is written is read back; what is random does no harm.

use std::io::{self, Read};

use kiln_image::config::ImageConfig;
use kiln_image::layer::compress::{Compression, Compressor, decompress};
use kiln_image::layer::read::LayerReader;
use kiln_image::layer::write::LayerWriter;
use kiln_image::layer::{Entry, Kind, Mtime};
use kiln_image::manifest::{Index, Manifest};
use kiln_image::reference::Reference;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn component() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>().prop_map(|b| if matches!(b, 0 | b'/') { b'x' } else { b });
    let length = prop_oneof![8 => 1..20_usize, 1 => 90..120_usize, 1 => 200..256_usize];
    length
        .prop_flat_map(move |length| vec(byte.clone(), length))
        .prop_filter("has a meaning", |name| name != b"." && name != b"..")
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    vec(component(), 1..5).prop_map(|components| components.join(&b'/'))
}

fn target() -> impl Strategy<Value = Vec<u8>> {
    vec(1..=255_u8, 1..300)
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        (0..3000_u64).prop_map(|size| Kind::File { size }),
        Just(Kind::Dir),
        target().prop_map(|target| Kind::Symlink { target }),
        path().prop_map(|target| Kind::HardLink { target }),
        (0..4096_u32, 0..1_048_576_u32).prop_map(|(major, minor)| Kind::Char { major, minor }),
        (0..4096_u32, 0..1_048_576_u32).prop_map(|(major, minor)| Kind::Block { major, minor }),
        Just(Kind::Fifo),
    ]
}

fn mtime() -> impl Strategy<Value = Mtime> {
    let secs = prop_oneof![0..2_000_000_000_i64, any::<i64>().prop_map(|s| s.max(-i64::MAX))];
    let nanos = prop_oneof![Just(0), 0..1_000_000_000_u32];
    (secs, nanos).prop_map(|(secs, nanos)| Mtime { secs, nanos })
}

fn entry() -> impl Strategy<Value = Entry> {
    let id = || prop_oneof![0..100_000_u32, 0..u32::MAX];
    let byte = any::<u8>().prop_map(|b| if matches!(b, 0 | b'=') { b'x' } else { b });
    let name = vec(byte, 1..30);
    let xattrs = btree_map(name, vec(any::<u8>(), 0..60), 0..3);
    (path(), kind(), 0..=0o7777_u32, id(), id(), mtime(), xattrs).prop_map(
        |(path, kind, mode, uid, gid, mtime, xattrs)| Entry {
            path,
            kind,
            mode,
            uid,
            gid,
            mtime,
            xattrs,
        },
    )
}

fn data(entry: &Entry) -> Vec<u8> {
    (0..entry.size()).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn written(entries: &[Entry]) -> Vec<u8> {
    let mut writer = LayerWriter::new(Vec::new()).nanoseconds(true);
    for entry in entries {
        writer.append(entry, &mut &data(entry)[..]).unwrap();
    }
    writer.finish().unwrap()
}

/// Reads a stream to its end; an error is fine, a panic or an endless loop is not.
fn read_through(stream: &[u8]) {
    let mut reader = LayerReader::new(stream);
    while let Ok(Some(entry)) = reader.next_entry() {
        assert!(!entry.path.starts_with(b"/") && entry.path.len() <= 4095);
        assert!(entry.path.split(|b| *b == b'/').all(|part| part != b".."));
        // A hole of a terabyte is allowed; reading it takes long.
        let _cut_short = io::copy(&mut reader.data().take(1 << 20), &mut io::sink());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn layers_round_trip(entries in vec(entry(), 0..8)) {
        let stream = written(&entries);
        prop_assert_eq!(&written(&entries), &stream);
        let mut reader = LayerReader::new(&stream[..]);
        for entry in &entries {
            let read_entry = reader.next_entry().unwrap();
            prop_assert_eq!(read_entry.as_ref(), Some(entry));
            let mut read = Vec::new();
            reader.data().read_to_end(&mut read).unwrap();
            prop_assert_eq!(read, data(entry));
        }
        prop_assert_eq!(reader.next_entry().unwrap(), None);
    }

    #[test]
    fn spoilt_layers_do_no_harm(
        entries in vec(entry(), 1..4),
        spots in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        fix in any::<bool>(),
    ) {
        let mut stream = written(&entries);
        for (spot, byte) in spots {
            let at = spot.index(stream.len());
            stream[at] = byte;
            if fix {
                // The right checksum gets the spoilt field past the first test.
                fix_checksum(&mut stream, at);
            }
        }
        read_through(&stream);
    }

    #[test]
    fn noise_does_no_harm(noise in vec(any::<u8>(), 0..3000)) {
        read_through(&noise);
        if let Ok(mut reader) = decompress(&noise[..]) {
            let _may_fail = io::copy(&mut reader, &mut io::sink());
        }
    }

    #[test]
    fn compression_round_trips(
        pieces in vec((any::<u8>(), 0..200_000_usize), 0..12),
        threads in 0..4_usize,
        zstd in any::<bool>(),
    ) {
        let compression = if zstd { Compression::ZSTD } else { Compression::GZIP };
        let content: Vec<u8> = pieces.iter().flat_map(|(b, n)| vec![*b; *n]).collect();
        let mut compressor = Compressor::new(Vec::new(), compression, threads);
        io::copy(&mut &content[..], &mut compressor).unwrap();
        let stream = compressor.finish().unwrap();
        let mut read = Vec::new();
        decompress(&stream[..]).unwrap().read_to_end(&mut read).unwrap();
        prop_assert!(read == content);
    }

    #[test]
    fn references_round_trip(text in "[a-zA-Z0-9.:/@_\\-\\[\\]]{1,40}") {
        if let Ok(reference) = text.parse::<Reference>() {
            prop_assert_eq!(&reference.to_string().parse::<Reference>().unwrap(), &reference);
            prop_assert_eq!(&reference.familiar().parse::<Reference>().unwrap(), &reference);
        }
    }

    #[test]
    fn documents_do_no_harm(text in "\\{(\"(schemaVersion|config|layers|manifests|rootfs|history|os)\":(2|null|\\[\\]|\\{\\}|\"x\"),){0,4}\"x\":1\\}") {
        let _manifest = Manifest::from_bytes(text.as_bytes());
        let _index = Index::from_bytes(text.as_bytes());
        if let Ok(config) = ImageConfig::from_bytes(text.as_bytes()) {
            prop_assert_eq!(ImageConfig::from_bytes(&config.to_bytes()).unwrap(), config);
        }
    }
}

fn fix_checksum(stream: &mut [u8], at: usize) {
    let start = at / 512 * 512;
    let block = &mut stream[start..start + 512];
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

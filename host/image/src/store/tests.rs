use std::error::Error as _;
use std::io::Write;

use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("a/b")).unwrap();
    (dir, store)
}

fn ingest_is_empty(store: &Store) -> bool {
    fs::read_dir(store.ingest_dir()).unwrap().next().is_none()
}

#[test]
fn put_and_get() {
    let (_dir, store) = store();
    let (digest, size) = store.put(b"hello").unwrap();
    assert_eq!((digest, size), (Digest::of(b"hello"), 5));
    assert_eq!(store.put(b"hello").unwrap(), (digest, size));
    assert_eq!(store.has(&digest), Some(5));
    assert_eq!(store.get(&digest, 5).unwrap(), b"hello");
    assert!(matches!(store.get(&digest, 4), Err(StoreError::TooLarge { limit: 4, .. })));
    assert!(matches!(store.get(&Digest::of(b"x"), 9), Err(StoreError::NotFound(_))));
    assert_eq!(fs::read(store.dir().join("oci-layout")).unwrap(), OCI_LAYOUT);
    assert!(ingest_is_empty(&store));
    assert!(store.remove(&digest).unwrap());
    assert!(!store.remove(&digest).unwrap());
    assert_eq!(store.has(&digest), None);
}

#[test]
fn a_mismatch_leaves_nothing() {
    let (_dir, store) = store();
    let digest = Digest::of(b"abc");
    for (content, wanted) in [(b"abd", "corrupt"), (b"abc", "3 bytes instead of 4")] {
        let mut writer = store.writer().unwrap();
        writer.write_all(content).unwrap();
        let expected = if content == b"abd" { 3 } else { 4 };
        let error = writer.commit(Some((&digest, expected))).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert!(ingest_is_empty(&store));
        assert_eq!(store.has(&digest), None);
    }
}

#[test]
fn a_dropped_writer_leaves_nothing() {
    let (_dir, store) = store();
    let mut writer = store.writer().unwrap();
    writer.write_all(b"abc").unwrap();
    assert!(!ingest_is_empty(&store));
    drop(writer);
    assert!(ingest_is_empty(&store));
}

#[test]
fn what_is_announced_is_held_to() {
    let (_dir, store) = store();
    let digest = Digest::of(b"abc");
    let mut writer = store.writer_for(&digest, 3).unwrap();
    writer.append(b"ab").unwrap();
    let error = writer.append(b"cd").unwrap_err().to_string();
    assert!(error.contains("has 4 bytes instead of 3"), "{error}");
    drop(writer);
    let mut writer = store.writer_for(&digest, 3).unwrap();
    writer.append(b"abd").unwrap();
    assert!(matches!(writer.commit(None), Err(StoreError::Digest { .. })));
    assert!(ingest_is_empty(&store));
    let mut writer = store.writer_for(&digest, 3).unwrap();
    writer.append(b"abc").unwrap();
    assert_eq!(writer.commit(None).unwrap(), (digest, 3));
}

#[test]
fn sha512_blobs() {
    let (_dir, store) = store();
    let mut hasher = Hasher::with(Algorithm::Sha512);
    hasher.update(b"abc");
    let digest = hasher.finish();
    let mut writer = store.writer_with(Algorithm::Sha512).unwrap();
    writer.write_all(b"abc").unwrap();
    writer.commit(Some((&digest, 3))).unwrap();
    assert_eq!(store.get(&digest, 3).unwrap(), b"abc");
}

#[test]
fn corruption_is_noticed() {
    let (_dir, store) = store();
    let (digest, _) = store.put(b"hello").unwrap();
    fs::write(store.blob_path(&digest), b"hellO").unwrap();
    assert!(matches!(store.get(&digest, 9), Err(StoreError::Digest { size: 5, .. })));
    let error = io::copy(&mut store.reader(&digest).unwrap(), &mut io::sink()).unwrap_err();
    assert!(error.to_string().contains("is corrupt"), "{error}");
    // A blob cut short (by an older file system after a crash) is written again.
    fs::write(store.blob_path(&digest), b"hel").unwrap();
    store.put(b"hello").unwrap();
    io::copy(&mut store.reader(&digest).unwrap(), &mut io::sink()).unwrap();
}

#[test]
fn a_fifo_in_a_blobs_place_does_not_hang() {
    let (_dir, store) = store();
    let digest = Digest::of(b"fifo");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(
        rustix::fs::CWD,
        store.blob_path(&digest),
        rustix::fs::FileType::Fifo,
        mode,
        0,
    )
    .unwrap();
    assert_eq!(store.has(&digest), None);
    let error = store.open_blob(&digest).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
}

#[test]
fn only_dead_writers_are_swept() {
    let (_dir, store) = store();
    let mut alive = store.writer().unwrap();
    alive.write_all(b"alive").unwrap();
    let dead = store.ingest_dir().join(random_name().unwrap());
    fs::write(&dead, b"half").unwrap();
    let foreign = store.ingest_dir().join("of-another-program");
    fs::write(&foreign, b"x").unwrap();
    let again = Store::open(store.dir()).unwrap();
    assert!(!dead.exists() && foreign.exists());
    assert!(alive.path.exists());
    let (digest, _) = alive.commit(None).unwrap();
    assert_eq!(again.get(&digest, 9).unwrap(), b"alive");
}

#[test]
fn many_writers_and_sweepers_at_once() {
    let (_dir, store) = store();
    std::thread::scope(|scope| {
        for worker in 0..4_u32 {
            let dir = store.dir().to_owned();
            scope.spawn(move || {
                for round in 0..50_u32 {
                    let store = Store::open(&dir).unwrap();
                    let content = format!("{}", (worker * 50 + round) % 60);
                    let (digest, size) = store.put(content.as_bytes()).unwrap();
                    assert_eq!(store.get(&digest, size).unwrap(), content.as_bytes());
                }
            });
        }
    });
    assert!(ingest_is_empty(&store));
}

/// `/dev/full` fails every write with `ENOSPC`, as a full disk does.
#[test]
fn a_full_disk_is_one_clear_error() {
    let (_dir, store) = store();
    let mut writer = store.writer().unwrap();
    writer.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = writer.append(b"x").unwrap_err();
    assert!(error.to_string().contains("write blob"), "{error}");
    assert!(error.to_string().contains("No space left on device"), "{error}");
    let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
    let passed_on = writer.write(b"x").unwrap_err();
    assert_eq!(passed_on.kind(), io::ErrorKind::StorageFull);
    drop(writer);
    assert!(ingest_is_empty(&store));
}

//! Layouts and archives, against skopeo and umoci too.

use std::fs;
use std::io;
use std::path::Path;

use kiln_image::config::{History, ImageConfig};
use kiln_image::digest::DigestReader;
use kiln_image::layer::build::{Layer, LayerBuilder};
use kiln_image::layer::compress::{Compression, decompress};
use kiln_image::layer::read::LayerReader;
use kiln_image::layer::{Entry, Kind};
use kiln_image::layout::{
    ImageSource, LayoutError, docker_archive, oci_archive, reachable, write_docker_archive,
    write_layout, write_oci_archive,
};
use kiln_image::manifest::{Descriptor, Index, Manifest};
use kiln_image::media_type;
use kiln_image::platform::Platform;
use kiln_image::reference::Reference;
use kiln_image::store::Store;

use crate::{installed, run, skipped};

fn layer(store: &Store, name: &str, compression: Compression) -> Layer {
    let mut builder = LayerBuilder::new(store, compression, 2).unwrap();
    builder.append(&Entry::new(b"etc", Kind::Dir, 0o755), &mut io::empty()).unwrap();
    let data = name.repeat(1000).into_bytes();
    let path = format!("etc/{name}");
    let file = Entry::new(path.as_bytes(), Kind::File { size: data.len() as u64 }, 0o644);
    builder.append(&file, &mut &data[..]).unwrap();
    builder.finish().unwrap()
}

/// A small image of two layers in `store`.
fn image(store: &Store, platform: &str, compression: Compression) -> Descriptor {
    let mut config = ImageConfig::new(&platform.parse().unwrap());
    let layers = [platform.replace('/', "-"), "common".to_owned()];
    let layers = layers.map(|name| layer(store, &name, compression));
    config.config.cmd = vec!["/bin/sh".to_owned()];
    for layer in &layers {
        config.rootfs.diff_ids.push(layer.diff_id);
        config.history.push(History { created_by: "COPY".to_owned(), ..History::default() });
    }
    let config = config.to_bytes();
    store.put(&config).unwrap();
    let layers = layers.map(|layer| layer.descriptor).to_vec();
    let manifest = Manifest::new(Descriptor::of(media_type::OCI_CONFIG, &config), layers);
    let manifest = manifest.to_bytes();
    store.put(&manifest).unwrap();
    Descriptor::of(media_type::OCI_MANIFEST, &manifest)
}

fn index_of(store: &Store, platforms: &[&str]) -> Descriptor {
    let entries = platforms.iter().map(|platform| {
        let mut entry = image(store, platform, Compression::GZIP);
        entry.platform = Some(platform.parse().unwrap());
        entry
    });
    let index = Index::new(entries.collect()).to_bytes();
    store.put(&index).unwrap();
    Descriptor::of(media_type::OCI_INDEX, &index)
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    (dir, store)
}

fn amd64() -> Platform {
    Platform::new("linux", "amd64")
}

#[test]
fn layouts_are_read_back() {
    let (dir, store) = store();
    let dest = dir.path().join("a/layout");
    let one = image(&store, "linux/amd64", Compression::GZIP);
    let two = index_of(&store, &["linux/arm64", "linux/s390x"]);
    write_layout(&dest, &store, &one, Some("v1")).unwrap();
    let only = ImageSource::open(&dest, None).unwrap();
    assert_eq!(only.root().digest, one.digest);
    write_layout(&dest, &store, &two, Some("example.com/img:v2")).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(&dest).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["blobs", "index.json", "oci-layout"]);

    for (wanted, root) in [
        ("v1", &one),
        ("v2", &two),
        ("example.com/img:v2", &two),
        (&one.digest.to_string()[..], &one),
        (&two.digest.to_string()[..], &two),
    ] {
        let source = ImageSource::open(&dest, Some(wanted)).unwrap();
        assert_eq!(source.root().digest, root.digest, "{wanted}");
    }
    let source = ImageSource::open(&dest, Some("v2")).unwrap();
    let (descriptor, manifest) = source.manifest(&"linux/s390x".parse().unwrap()).unwrap();
    let (_, config) = source.config(&manifest).unwrap();
    assert_eq!(config.architecture, "s390x");
    // A manifest that only an inner index names can be asked for by digest.
    let inner = ImageSource::open(&dest, Some(&descriptor.digest.to_string())).unwrap();
    assert_eq!(inner.root().media_type, media_type::OCI_MANIFEST);

    let copy = Store::open(&dir.path().join("copy")).unwrap();
    source.import(source.root(), &copy).unwrap();
    for blob in reachable(&store, &two).unwrap() {
        assert_eq!(copy.has(&blob.digest), Some(blob.size));
    }
}

/// Older tools leave the media type out, others write one of their own.
#[test]
fn entries_without_a_media_type() {
    let (dir, store) = store();
    let dest = dir.path().join("layout");
    let root = index_of(&store, &["linux/amd64"]);
    write_layout(&dest, &store, &root, None).unwrap();
    let index = fs::read_to_string(dest.join("index.json")).unwrap();
    for instead in ["", "application/octet-stream"] {
        let changed = index.replacen(
            &format!("[{{\"mediaType\":\"{}\"", media_type::OCI_INDEX),
            &format!("[{{\"mediaType\":\"{instead}\""),
            1,
        );
        assert_ne!(changed, index);
        fs::write(dest.join("index.json"), changed).unwrap();
        let source = ImageSource::open(&dest, None).unwrap();
        assert_eq!(source.root().media_type, media_type::OCI_INDEX);
        let copy = Store::open(&dir.path().join("copy")).unwrap();
        source.import(source.root(), &copy).unwrap();
        assert_eq!(reachable(&copy, source.root()).unwrap().len(), 5);
    }
}

#[test]
fn names_move_and_other_images_stay() {
    let (dir, store) = store();
    let dest = dir.path().join("layout");
    let one = image(&store, "linux/amd64", Compression::GZIP);
    let two = image(&store, "linux/arm64", Compression::GZIP);
    for (root, name) in [(&one, "a"), (&one, "b"), (&two, "a"), (&two, "a")] {
        write_layout(&dest, &store, root, Some(name)).unwrap();
    }
    let digest = |name| ImageSource::open(&dest, Some(name)).unwrap().root().digest;
    assert_eq!((digest("a"), digest("b")), (two.digest, one.digest));
    let index = Index::from_bytes(&fs::read(dest.join("index.json")).unwrap()).unwrap();
    assert_eq!(index.manifests.len(), 2);
    for _ in 0..2 {
        write_layout(&dest, &store, &one, None).unwrap();
    }
    let index = Index::from_bytes(&fs::read(dest.join("index.json")).unwrap()).unwrap();
    assert_eq!(index.manifests.len(), 3);
}

#[test]
fn many_writers_of_one_layout() {
    let (dir, store) = store();
    let dest = dir.path().join("layout");
    let root = image(&store, "linux/amd64", Compression::GZIP);
    std::thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let (dest, store, root) = (&dest, &store, &root);
            scope.spawn(move || {
                // A first write must not find the directory half-made by another.
                write_layout(dest, store, root, Some(name)).unwrap();
            });
        }
    });
    for name in ["a", "b", "c", "d"] {
        assert_eq!(ImageSource::open(&dest, Some(name)).unwrap().root().digest, root.digest);
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let (dir, store) = store();
    let root = image(&store, "linux/amd64", Compression::GZIP);
    let dest = dir.path().join("layout");
    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("precious"), b"x").unwrap();

    let error = write_layout(&other, &store, &root, None).unwrap_err();
    assert!(matches!(error, LayoutError::NotEmpty(_)), "{error}");
    assert!(write_layout(&other.join("precious"), &store, &root, None).is_err());
    assert_eq!(fs::read_dir(&other).unwrap().count(), 1);

    let open = |wanted: Option<&str>| ImageSource::open(&dest, wanted).unwrap_err().to_string();
    assert!(open(None).contains("is not an OCI layout"));
    write_layout(&dest, &store, &root, Some("a")).unwrap();
    assert!(open(Some("x")).contains("has no image `x`; it has a"));
    let two = image(&store, "linux/arm64", Compression::GZIP);
    write_layout(&dest, &store, &two, Some("b")).unwrap();
    assert!(open(None).contains("several images, say which: a, b"));
    write_layout(&dest, &store, &two, Some("latest")).unwrap();
    assert_eq!(ImageSource::open(&dest, None).unwrap().root().digest, two.digest);

    let index = index_of(&store, &["linux/arm64", "linux/s390x"]);
    write_layout(&dest, &store, &index, Some("i")).unwrap();
    let source = ImageSource::open(&dest, Some("i")).unwrap();
    let error = source.manifest(&amd64()).unwrap_err().to_string();
    assert!(error.contains("no image for linux/amd64; it has linux/arm64, linux/s390x"), "{error}");

    for (marker, index) in [("{}", "{}"), ("{\"imageLayoutVersion\":\"2.0.0\"}", "{}"), ("", "")] {
        fs::write(dest.join("oci-layout"), marker).unwrap();
        fs::write(dest.join("index.json"), index).unwrap();
        assert!(open(None).contains("is not an OCI layout"), "{marker}");
    }
    fs::write(dest.join("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
    assert!(open(None).contains("index.json"));
}

#[test]
fn corrupt_and_missing_blobs_stop_everything() {
    let (dir, store) = store();
    let root = image(&store, "linux/amd64", Compression::GZIP);
    let blobs = reachable(&store, &root).unwrap();
    let layer = &blobs[1];
    let mut bytes = fs::read(store.blob_path(&layer.digest)).unwrap();
    bytes[20] ^= 1;
    fs::write(store.blob_path(&layer.digest), &bytes).unwrap();
    let layout = dir.path().join("layout");
    let archive = dir.path().join("image.tar");
    let check = |wanted: &str| {
        let error = write_layout(&layout, &store, &root, None).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert!(!layout.join("index.json").exists());
        let error = write_oci_archive(&archive, &store, &root, None).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().flatten().collect();
        assert!(left.iter().all(|entry| !entry.path().to_string_lossy().contains("image.tar")));
    };
    check("is corrupt");
    fs::remove_file(store.blob_path(&layer.digest)).unwrap();
    check("is not in the store");
}

#[test]
fn hostile_indexes_end() {
    let (_dir, store) = store();
    // An index in an index in an index …; a digest cannot contain itself, but deep it can be.
    let mut inner = image(&store, "linux/amd64", Compression::None);
    for _ in 0..7 {
        inner.platform = Some(amd64());
        let bytes = Index::new(vec![inner.clone()]).to_bytes();
        store.put(&bytes).unwrap();
        inner = Descriptor::of(media_type::OCI_INDEX, &bytes);
    }
    let error = reachable(&store, &inner).unwrap_err().to_string();
    assert!(error.contains("nested more than 4 deep"), "{error}");
}

#[test]
fn archives_are_deterministic() {
    let (dir, store) = store();
    let root = image(&store, "linux/amd64", Compression::GZIP);
    let tags: Vec<Reference> = vec!["example.com/a:1".parse().unwrap(), "debian".parse().unwrap()];
    let file = dir.path().join("image.tar");
    for _ in 0..2 {
        let mut direct = Vec::new();
        oci_archive(&mut direct, &store, &root, Some("v1")).unwrap();
        write_oci_archive(&file, &store, &root, Some("v1")).unwrap();
        assert_eq!(fs::read(&file).unwrap(), direct);
        let mut direct = Vec::new();
        docker_archive(&mut direct, &store, &root, &tags).unwrap();
        write_docker_archive(&file, &store, &root, &tags).unwrap();
        assert_eq!(fs::read(&file).unwrap(), direct);
    }
    assert!(write_oci_archive(dir.path(), &store, &root, None).is_err());
    // What is not a regular file is written to, not replaced.
    write_oci_archive(Path::new("/dev/null"), &store, &root, None).unwrap();
    let full = write_oci_archive(Path::new("/dev/full"), &store, &root, None).unwrap_err();
    assert!(full.to_string().contains("No space left on device"), "{full}");
}

#[test]
fn docker_archives_hold_one_image() {
    let (_dir, store) = store();
    let two = index_of(&store, &["linux/amd64", "linux/arm64"]);
    let error = docker_archive(&mut io::sink(), &store, &two, &[]).unwrap_err().to_string();
    assert!(error.contains("build one with --platform"), "{error}");
    let one = index_of(&store, &["linux/amd64"]);
    docker_archive(&mut io::sink(), &store, &one, &[]).unwrap();
}

#[test]
fn skopeo_and_umoci_read_ours() {
    if !installed("skopeo") {
        return;
    }
    let (dir, store) = store();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let root = image(&store, "linux/amd64", Compression::GZIP);
    let tag: Reference = "example.com/img:v1".parse().unwrap();
    write_layout(Path::new(&path("layout")), &store, &root, Some("v1")).unwrap();
    write_oci_archive(Path::new(&path("oci.tar")), &store, &root, Some("v1")).unwrap();
    write_docker_archive(Path::new(&path("docker.tar")), &store, &root, &[tag]).unwrap();
    for (source, copy) in [
        (format!("oci:{}:v1", path("layout")), "from-layout"),
        (format!("oci-archive:{}:v1", path("oci.tar")), "from-oci"),
        (format!("docker-archive:{}", path("docker.tar")), "from-docker"),
        (format!("docker-archive:{}:example.com/img:v1", path("docker.tar")), "from-docker-tag"),
        (format!("oci-archive:{}", path("docker.tar")), "from-docker-as-oci"),
    ] {
        let shown = run("skopeo", &["inspect", &source]);
        assert!(shown.contains("\"Architecture\": \"amd64\""), "{shown}");
        let dest = format!("oci:{}:copied", path(copy));
        run("skopeo", &["copy", "--insecure-policy", "--quiet", &source, &dest]);
        // What skopeo wrote, we read.
        let source = ImageSource::open(Path::new(&path(copy)), Some("copied")).unwrap();
        let (_, manifest) = source.manifest(&amd64()).unwrap();
        assert_eq!(manifest.layers.len(), 2);
        let (_, config) = source.config(&manifest).unwrap();
        assert_eq!(config.config.cmd, ["/bin/sh"]);
        source.import(source.root(), &store).unwrap();
    }
    if installed("umoci") {
        let image = format!("{}:v1", path("layout"));
        run("umoci", &["unpack", "--rootless", "--image", &image, &path("bundle")]);
        let file = dir.path().join("bundle/rootfs/etc/common");
        assert_eq!(fs::read_to_string(file).unwrap(), "common".repeat(1000));
        // A layout that umoci changed has our image still.
        run("umoci", &["tag", "--image", &image, "v2"]);
        let again = ImageSource::open(Path::new(&path("layout")), Some("v2")).unwrap();
        assert_eq!(again.root().digest, root.digest);
    }
}

/// Layers of umoci have neither the fill after the last file nor the end of the archive.
#[test]
fn a_layout_that_umoci_made() {
    let dir = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/cases/buildkit/integration/base-image-oci-layout"
    );
    if !Path::new(dir).is_dir() {
        skipped(&format!("{dir} is not there"));
        return;
    }
    let (_dir, store) = store();
    let source = ImageSource::open(Path::new(dir), None).unwrap();
    assert!(ImageSource::open(Path::new(dir), Some("b")).is_ok());
    let (descriptor, manifest) = source.manifest(&amd64()).unwrap();
    let (_, config) = source.config(&manifest).unwrap();
    source.import(&descriptor, &store).unwrap();
    for (layer, diff_id) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
        let blob = store.reader(&layer.digest).unwrap();
        let mut reader = LayerReader::new(DigestReader::new(decompress(blob).unwrap()));
        let mut files = 0;
        while let Some(entry) = reader.next_entry().unwrap() {
            files += usize::from(matches!(entry.kind, Kind::File { .. }));
        }
        assert!(files > 0);
        assert_eq!(reader.drain().unwrap().finish().1, *diff_id);
    }
}

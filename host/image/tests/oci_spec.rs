//! The community's types for the same documents read what we write, and mean the same.

use std::collections::BTreeMap;

use kiln_image::config::{ContainerConfig, History, ImageConfig};
use kiln_image::digest::Digest;
use kiln_image::manifest::{Descriptor, Index, Manifest};
use kiln_image::media_type;
use kiln_image::platform::Platform;
use kiln_image::reference::Reference;
use oci_spec::image as oracle;

fn manifest() -> Manifest {
    let config = Descriptor::of(media_type::OCI_CONFIG, b"{}");
    let layers = vec![Descriptor::of(media_type::OCI_LAYER_GZIP, b"layer")];
    let mut manifest = Manifest::new(config, layers);
    manifest.annotations = BTreeMap::from([("org.example.note".into(), "a <b> & c".into())]);
    manifest
}

#[test]
fn manifests_and_indexes() {
    let ours = manifest();
    let theirs = oracle::ImageManifest::from_reader(ours.to_bytes().as_slice()).unwrap();
    assert_eq!(theirs.layers()[0].digest().to_string(), ours.layers[0].digest.to_string());
    assert_eq!(theirs.layers()[0].media_type(), &oracle::MediaType::ImageLayerGzip);
    assert_eq!(theirs.annotations().as_ref().unwrap()["org.example.note"], "a <b> & c");

    let mut entry = Descriptor::of(media_type::OCI_MANIFEST, &ours.to_bytes());
    entry.platform = Some("linux/arm64/v8".parse().unwrap());
    let index = Index::new(vec![entry]);
    let theirs = oracle::ImageIndex::from_reader(index.to_bytes().as_slice()).unwrap();
    let platform = theirs.manifests()[0].platform().as_ref().unwrap();
    assert_eq!(
        (platform.os(), platform.architecture()),
        (&oracle::Os::Linux, &oracle::Arch::ARM64)
    );
}

#[test]
fn configs() {
    let mut ours = ImageConfig::new(&Platform::new("linux", "amd64"));
    ours.config = ContainerConfig {
        user: "1:2".into(),
        env: vec!["A=b".into()],
        entrypoint: vec!["/x".into()],
        exposed_ports: ["80/tcp".into()].into(),
        volumes: ["/data".into()].into(),
        working_dir: "/w".into(),
        ..ContainerConfig::default()
    };
    ours.rootfs.diff_ids.push(Digest::of(b"layer"));
    ours.history.push(History { created_by: "COPY".into(), ..History::default() });
    let theirs = oracle::ImageConfiguration::from_reader(ours.to_bytes().as_slice()).unwrap();
    let config = theirs.config().as_ref().unwrap();
    assert_eq!(config.user().as_deref(), Some("1:2"));
    assert_eq!(config.env().as_ref().unwrap(), &["A=b"]);
    assert_eq!(config.exposed_ports().as_ref().unwrap(), &["80/tcp"]);
    assert_eq!(config.working_dir().as_deref(), Some("/w"));
    assert_eq!(theirs.rootfs().diff_ids(), &[Digest::of(b"layer").to_string()]);
}

#[test]
fn references() {
    let digest = Digest::of(b"x");
    for name in [
        "debian",
        "debian:12",
        "team/app",
        "host.example/a/b:c",
        "localhost/x:1",
        "127.0.0.1:5000/a:b",
        &format!("r.example:5000/a@{digest}"),
    ] {
        let ours: Reference = name.parse().unwrap();
        let theirs: oci_spec::distribution::Reference = name.parse().unwrap();
        assert_eq!(ours.repository, theirs.repository(), "{name}");
        assert_eq!(ours.registry, theirs.registry(), "{name}");
        assert_eq!(ours.tag.as_deref(), theirs.tag(), "{name}");
    }
}

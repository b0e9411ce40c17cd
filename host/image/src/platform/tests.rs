use super::*;
use crate::digest::Digest;
use crate::media_type;

fn platform(text: &str) -> Platform {
    text.parse().unwrap()
}

#[test]
fn parses_as_containerd_does() {
    for (text, wanted) in [
        ("linux/amd64", "linux/amd64"),
        ("Linux/x86_64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v2", "linux/amd64/v2"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64/v8"),
        ("linux/arm", "linux/arm"),
        ("linux/armhf", "linux/arm"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/i386", "linux/386"),
        ("macos/arm64", "darwin/arm64"),
        ("windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64"),
        ("linux/riscv64", "linux/riscv64"),
    ] {
        assert_eq!(platform(text).to_string(), wanted, "{text}");
    }
    assert_eq!(platform("s390x").architecture, "s390x");
    assert_eq!(platform("linux").architecture, Platform::host().architecture);
}

#[test]
fn refuses_what_is_no_platform() {
    for text in ["", "/", "linux/", "*", "linux/*", "linux/arm/v7/x", "bogus", "linux amd64"] {
        assert!(text.parse::<Platform>().is_err(), "{text}");
    }
}

#[test]
fn matches_older_variants() {
    for (wanted, candidate, rank) in [
        ("linux/amd64", "linux/amd64", Some(0)),
        ("linux/amd64", "linux/386", Some(1)),
        ("linux/amd64", "linux/amd64/v2", None),
        ("linux/amd64/v3", "linux/amd64", Some(2)),
        ("linux/amd64", "linux/arm64", None),
        ("linux/386", "linux/amd64", None),
        ("linux/arm/v7", "linux/arm/v6", Some(1)),
        ("linux/arm/v6", "linux/arm/v7", None),
        ("linux/arm64", "linux/arm64/v8", Some(0)),
        ("linux/arm64/v8.1", "linux/arm64/v8", Some(1)),
        ("linux/arm64/v9", "linux/arm64/v8.5", Some(1)),
        ("linux/arm64/v9", "linux/arm64", Some(6)),
        ("linux/arm64", "linux/arm64/v9", None),
        ("linux/arm64", "linux/arm/v7", Some(2)),
        ("linux/amd64", "windows/amd64", None),
        ("linux/arm64/v255.255", "linux/arm64", None),
    ] {
        assert_eq!(platform(wanted).rank(&platform(candidate)), rank, "{wanted} {candidate}");
    }
}

#[test]
fn selects_from_an_index() {
    let entry = |text: Option<&str>, content: &str| {
        let digest = Digest::of(content.as_bytes());
        let mut entry = Descriptor::new(media_type::OCI_MANIFEST, digest, 1);
        entry.platform = text.map(platform);
        entry
    };
    let attestation = entry(Some("unknown/unknown"), "a");
    let index = Index::new(vec![
        attestation.clone(),
        entry(Some("linux/arm/v6"), "v6"),
        entry(Some("linux/arm/v7"), "v7"),
        entry(Some("linux/386"), "386"),
        entry(Some("linux/amd64"), "amd64"),
    ]);
    let chosen = |index: &Index, wanted: &str| {
        select_platform(index, &platform(wanted)).map(|entry| entry.digest)
    };
    assert_eq!(chosen(&index, "linux/arm/v7"), Some(Digest::of(b"v7")));
    assert_eq!(chosen(&index, "linux/arm/v6"), Some(Digest::of(b"v6")));
    assert_eq!(chosen(&index, "linux/amd64"), Some(Digest::of(b"amd64")));
    assert_eq!(chosen(&index, "linux/s390x"), None);

    let untold = Index::new(vec![entry(None, "x"), attestation.clone()]);
    assert_eq!(chosen(&untold, "linux/amd64"), Some(Digest::of(b"x")));
    let two = Index::new(vec![entry(None, "x"), entry(None, "y")]);
    assert_eq!(chosen(&two, "linux/amd64"), None);
    assert_eq!(chosen(&Index::new(vec![attestation]), "linux/amd64"), None);
}

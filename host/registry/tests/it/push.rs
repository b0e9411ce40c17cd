//! Blobs and manifests up, with all that goes wrong on the way.

use kiln_image::manifest::{Descriptor, Manifest};
use kiln_image::media_type::{OCI_EMPTY, OCI_MANIFEST};
use kiln_image::store::Store;
use kiln_registry::{Config, ErrorKind, PushedBlob};

use crate::server::{Fault, Reply, Server};
use crate::support::*;

/// Many chunks from little content.
fn chunked() -> Config {
    Config { whole_limit: 100_000, ..small_chunks() }
}

/// As usual, but that even small blobs are larger than a chunk.
fn small_chunks() -> Config {
    Config { chunk_size: 100_000, ..config() }
}

fn stored(store: &Store, content: &[u8]) -> Descriptor {
    store.put(content).unwrap();
    layer(content)
}

fn arrived(server: &Server, repository: &str, blob: &Descriptor) -> Option<Vec<u8>> {
    let key = (repository.to_owned(), blob.digest.to_string());
    server.state().blobs.get(&key).cloned()
}

#[test]
fn a_blob_is_sent_once() {
    let server = Server::start();
    let (_dir, store) = store();
    let content = noise(600_000);
    let blob = stored(&store, &content);
    let client = client(config());
    let reference = reference(&server.host, "a/b:v1");
    assert!(!client.blob_exists(&reference, &blob).unwrap());
    let (progress, told) = progress();
    let push = || client.push_blob(&reference, &blob, &store, &[], Some(&progress)).unwrap();
    assert_eq!(push(), PushedBlob::Uploaded);
    assert_eq!(push(), PushedBlob::Existed);
    assert_eq!(arrived(&server, "a/b", &blob).unwrap(), content);
    assert_eq!(told.lock().unwrap().last(), Some(&600_000));
    assert!(client.blob_exists(&reference, &blob).unwrap());
    let session = "/v2/a/b/blobs/uploads/";
    let expected = [
        format!("HEAD /v2/a/b/blobs/{}", blob.digest),
        format!("POST {session}"),
        format!("PUT {session}0"),
    ];
    assert_eq!(server.log()[1..4], expected);
}

#[test]
fn an_empty_blob() {
    let server = Server::start();
    let (_dir, store) = store();
    let blob = stored(&store, b"");
    let pushed =
        client(config()).push_blob(&reference(&server.host, "a"), &blob, &store, &[], None);
    assert_eq!(pushed.unwrap(), PushedBlob::Uploaded);
    assert_eq!(arrived(&server, "a", &blob).unwrap(), b"");
}

#[test]
fn large_blobs_go_in_chunks() {
    let server = Server::start();
    let (_dir, store) = store();
    let content = noise(350_001);
    let blob = stored(&store, &content);
    client(chunked()).push_blob(&reference(&server.host, "a"), &blob, &store, &[], None).unwrap();
    assert_eq!(arrived(&server, "a", &blob).unwrap(), content);
    let ranges: Vec<String> = server
        .state()
        .seen
        .iter()
        .filter_map(|r| r.header("content-range").map(str::to_owned))
        .collect();
    assert_eq!(ranges, ["0-99999", "100000-199999", "200000-299999", "300000-350000"]);
}

#[test]
fn the_registry_may_want_larger_chunks() {
    let server = Server::start();
    let (_dir, store) = store();
    let blob = stored(&store, &noise(350_001));
    let opened = Reply::new(202)
        .header("Location", "/v2/a/blobs/uploads/0")
        .header("OCI-Chunk-Min-Length", 200_000);
    server.state().uploads.insert(0, Vec::new());
    server.fault("POST", "/uploads/", Fault::Reply(opened));
    client(chunked()).push_blob(&reference(&server.host, "a"), &blob, &store, &[], None).unwrap();
    assert!(arrived(&server, "a", &blob).is_some());
    assert_eq!(server.count("PATCH", ""), 2);
}

#[test]
fn broken_uploads_continue_where_the_registry_is() {
    let server = Server::start();
    let (_dir, store) = store();
    let content = noise(350_001);
    let blob = stored(&store, &content);
    server.fault("PATCH", "/uploads/", Fault::CutUpload(30_000));
    server.fault("PATCH", "/uploads/", Fault::LoseAnswer);
    server.fault("PATCH", "/uploads/", Fault::Reply(Reply::error(503, "BUSY")));
    client(chunked()).push_blob(&reference(&server.host, "a"), &blob, &store, &[], None).unwrap();
    assert_eq!(arrived(&server, "a", &blob).unwrap(), content);
    assert_eq!(server.count("POST", "/uploads/"), 1, "{:?}", server.log());
    assert_eq!(server.count("GET", "/uploads/"), 3, "{:?}", server.log());
    let bytes: usize = server.state().seen.iter().map(|r| r.body.len()).sum();
    assert!(bytes < 350_001 + 200_000, "{bytes} bytes sent");
}

#[test]
fn a_lost_session_is_begun_anew() {
    let server = Server::start();
    let (_dir, store) = store();
    let content = noise(350_001);
    let blob = stored(&store, &content);
    server.fault("PATCH", "/uploads/", Fault::CutUpload(30_000));
    server.fault("GET", "/uploads/", Fault::Reply(Reply::error(404, "BLOB_UPLOAD_UNKNOWN")));
    client(chunked()).push_blob(&reference(&server.host, "a"), &blob, &store, &[], None).unwrap();
    assert_eq!(arrived(&server, "a", &blob).unwrap(), content);
    assert_eq!(server.count("POST", "/uploads/"), 2, "{:?}", server.log());
}

#[test]
fn registries_without_chunks_get_one_piece() {
    let server = Server::start();
    server.state().refuse_chunks = true;
    let (_dir, store) = store();
    let content = noise(350_001);
    let blob = stored(&store, &content);
    client(chunked()).push_blob(&reference(&server.host, "a"), &blob, &store, &[], None).unwrap();
    assert_eq!(arrived(&server, "a", &blob).unwrap(), content);
    assert_eq!((server.count("PATCH", ""), server.count("PUT", "")), (1, 1));
}

#[test]
fn a_broken_piece_is_sent_again() {
    let server = Server::start();
    let (_dir, store) = store();
    let content = noise(800_000);
    let blob = stored(&store, &content);
    server.fault("PUT", "/uploads/", Fault::CutUpload(200_000));
    server.fault("PUT", "/uploads/", Fault::Reply(Reply::error(502, "GATEWAY")));
    let client = client(config());
    let reference = reference(&server.host, "a");
    client.push_blob(&reference, &blob, &store, &[], None).unwrap();
    assert_eq!(arrived(&server, "a", &blob).unwrap(), content);

    // The registry has taken the blob, and only its word for it was lost.
    let blob = stored(&store, &noise(5_000));
    server.fault("PUT", "/uploads/", Fault::LoseAnswer);
    let before = server.count("PUT", "/uploads/");
    client.push_blob(&reference, &blob, &store, &[], None).unwrap();
    assert!(arrived(&server, "a", &blob).is_some());
    assert_eq!(server.count("PUT", "/uploads/"), before + 1);
}

#[test]
fn a_broken_piece_is_continued_in_chunks() {
    let server = Server::start();
    let (_dir, store) = store();
    let content = noise(800_000);
    let blob = stored(&store, &content);
    server.fault("PUT", "/uploads/", Fault::CutUpload(500_001));
    let client = client(small_chunks());
    let reference = reference(&server.host, "a");
    client.push_blob(&reference, &blob, &store, &[], None).unwrap();
    assert_eq!(arrived(&server, "a", &blob).unwrap(), content);
    assert_eq!((server.count("POST", ""), server.count("PATCH", "")), (1, 3));
    let bytes: usize = server.state().seen.iter().map(|r| r.body.len()).sum();
    assert_eq!(bytes, content.len());
}

#[test]
fn what_is_too_large_for_one_request_goes_in_chunks() {
    // A proxy says so before it has read what it does not want.
    for refusal in [Fault::Reply, Fault::EarlyReply] {
        let server = Server::start();
        let (_dir, store) = store();
        let content = noise(9_000_001);
        let blob = stored(&store, &content);
        server.fault("PUT", "/uploads/", refusal(Reply::error(413, "")));
        let reference = reference(&server.host, "a");
        let config = Config { chunk_size: 3_000_000, ..config() };
        client(config).push_blob(&reference, &blob, &store, &[], None).unwrap();
        assert!(arrived(&server, "a", &blob).unwrap() == content);
        assert_eq!(server.count("PATCH", ""), 4);
        assert_eq!(server.count("GET", "/uploads/"), 0);
    }
}

#[test]
fn several_blobs_at_once() {
    let server = Server::start();
    let (_dir, store) = store();
    let contents: Vec<_> = (0..6).map(|n| noise(20_000 + n)).collect();
    let mut blobs: Vec<_> = contents.iter().map(|content| stored(&store, content)).collect();
    blobs.push(blobs[0].clone());
    let client = client(config());
    let reference = reference(&server.host, "a");
    client.push_blobs(&reference, &blobs, &store, &[], &|_| None).unwrap();
    assert_eq!(server.count("PUT", ""), 6);
    for (blob, content) in blobs.iter().zip(&contents) {
        assert_eq!(&arrived(&server, "a", blob).unwrap(), content);
    }
}

#[test]
fn patience_ends() {
    let server = Server::start();
    let (_dir, store) = store();
    let blob = stored(&store, &noise(1_000));
    for _ in 0..4 {
        server.fault("PUT", "/uploads/", Fault::Reply(Reply::error(503, "BUSY")));
    }
    let reference = reference(&server.host, "a");
    let client = client(config());
    let error = client.push_blob(&reference, &blob, &store, &[], None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().ends_with("BUSY: as the test wants (tried 4 times)"), "{error}");
    assert!(!error.to_string().contains("geheim"), "{error}");

    server.fault("PUT", "/uploads/", Fault::Reply(Reply::error(413, "")));
    let error = client.push_blob(&reference, &blob, &store, &[], None).unwrap_err();
    assert!(error.to_string().contains("raise its limit"), "{error}");
}

#[test]
fn a_silent_registry_is_asked_again() {
    let server = Server::start();
    let (_dir, store) = store();
    let blob = stored(&store, &noise(1_000));
    server.fault("PUT", "/uploads/", Fault::Stall);
    let reference = reference(&server.host, "a");
    client(impatient()).push_blob(&reference, &blob, &store, &[], None).unwrap();
    assert_eq!(server.count("PUT", "/uploads/"), 2);
}

#[test]
fn blobs_are_mounted_from_other_repositories() {
    let server = Server::start();
    let (_dir, store) = store();
    let content = noise(9_000);
    let blob = stored(&store, &content);
    serve_blob(&server, "base/debian", &content);
    let client = client(config());
    let from = ["a".to_owned(), "none".to_owned(), "base/debian".to_owned()];
    let push = |repository: &str| {
        let reference = reference(&server.host, repository);
        client.push_blob(&reference, &blob, &store, &from, None).unwrap()
    };
    // `none` makes the registry open a session, which is then used.
    assert_eq!(push("a"), PushedBlob::Uploaded);
    assert_eq!(server.count("POST", "/uploads/"), 1);

    server.fault("POST", "/uploads/", Fault::Reply(Reply::error(403, "DENIED")));
    server.fault("POST", "/uploads/", Fault::Reply(Reply::error(404, "NAME_UNKNOWN")));
    assert_eq!(push("b"), PushedBlob::Mounted("base/debian".into()));
    assert_eq!(arrived(&server, "b", &blob).unwrap(), content);

    server.state().refuse_mounts = true;
    assert_eq!(push("c"), PushedBlob::Uploaded);
    assert_eq!(arrived(&server, "c", &blob).unwrap(), content);
}

#[test]
fn manifests_go_up_under_tag_or_digest() {
    let server = Server::start();
    let bytes = Manifest::new(Descriptor::of(OCI_EMPTY, b"{}"), Vec::new()).to_bytes();
    let client = client(config());
    let tagged = reference(&server.host, "a:v1");
    let pushed = client.push_manifest(&tagged, OCI_MANIFEST, &bytes).unwrap();
    assert_eq!(pushed.descriptor, Descriptor::of(OCI_MANIFEST, &bytes));
    assert!(!pushed.subject_listed);
    let by_digest = tagged.with_digest(pushed.descriptor.digest);
    client.push_manifest(&by_digest, OCI_MANIFEST, &bytes).unwrap();
    assert_eq!(client.resolve(&tagged).unwrap().1, bytes);
    assert_eq!(
        server.log()[..2],
        [
            "PUT /v2/a/manifests/v1".to_owned(),
            format!("PUT /v2/a/manifests/{}", pushed.descriptor.digest)
        ]
    );

    let error = client.push_manifest(&by_digest, OCI_MANIFEST, b"{}").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let other = Reply::new(201).header("Docker-Content-Digest", layer(b"other").digest);
    server.fault("PUT", "/manifests/", Fault::Reply(other));
    let error = client.push_manifest(&tagged, OCI_MANIFEST, &bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Content);
    let refusal = Reply::error(400, "MANIFEST_BLOB_UNKNOWN");
    server.fault("PUT", "/manifests/", Fault::Reply(refusal));
    let error = client.push_manifest(&tagged, OCI_MANIFEST, &bytes).unwrap_err();
    assert!(error.to_string().contains("MANIFEST_BLOB_UNKNOWN"), "{error}");
}

#[test]
fn uploads_never_leave_tls() {
    // The same rule for a plain registry: only to HTTP URLs.
    let server = Server::start();
    let (_dir, store) = store();
    let blob = stored(&store, b"x");
    for location in ["file:///etc/passwd", "ftp://x/y"] {
        let opened = Reply::new(202).header("Location", location);
        server.fault("POST", "/uploads/", Fault::Reply(opened));
        let error = client(config())
            .push_blob(&reference(&server.host, "a"), &blob, &store, &[], None)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Content, "{error}");
    }
}

#[test]
fn referrers_by_api_and_by_tag() {
    let server = Server::start();
    let client = client(config());
    let (subject, _) = serve_manifest(&server, "a", "v1");
    let mut manifest = Manifest::new(Descriptor::of(OCI_EMPTY, b"{}"), Vec::new());
    manifest.subject = Some(subject.clone());
    manifest.artifact_type = Some("text/spdx".into());
    let reference = reference(&server.host, "a");
    let bytes = manifest.to_bytes();
    let by_digest = reference.with_digest(Descriptor::of(OCI_MANIFEST, &bytes).digest);
    let pushed = client.push_manifest(&by_digest, OCI_MANIFEST, &bytes).unwrap();
    assert!(pushed.subject_listed);
    let found = |wanted: Option<&str>| {
        client
            .referrers(&reference, &subject, wanted)
            .unwrap()
            .iter()
            .map(|found| found.digest)
            .collect::<Vec<_>>()
    };
    assert_eq!(found(None), [pushed.descriptor.digest]);
    assert_eq!(found(Some("text/spdx")), [pushed.descriptor.digest]);
    assert_eq!(found(Some("text/other")), []);

    server.state().no_referrers = true;
    assert_eq!(found(None), []);
    let pushed = client.push_manifest(&by_digest, OCI_MANIFEST, &bytes).unwrap();
    assert!(pushed.subject_listed);
    assert_eq!(found(None), [pushed.descriptor.digest]);
    assert_eq!(found(Some("text/spdx")), [pushed.descriptor.digest]);
    assert_eq!(found(Some("text/other")), []);
    client.push_manifest(&by_digest, OCI_MANIFEST, &bytes).unwrap();
    assert_eq!(found(None).len(), 1);
}

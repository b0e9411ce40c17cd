//! Manifests and blobs down, with all that goes wrong on the way.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kiln_image::store::Store;
use kiln_registry::{Config, ErrorKind, RetryPolicy, Timeouts};

use crate::server::{Fault, Reply, Server};
use crate::support::*;

#[test]
fn manifests_by_tag_and_digest() {
    let server = Server::start();
    let (descriptor, bytes) = serve_manifest(&server, "a/b", "v1");
    let client = client(config());
    let by_tag = reference(&server.host, "a/b:v1");
    let by_digest = by_tag.with_digest(descriptor.digest);
    assert_eq!(client.resolve(&by_tag).unwrap(), (descriptor.clone(), bytes.clone()));
    assert_eq!(client.resolve(&by_digest).unwrap(), (descriptor.clone(), bytes.clone()));
    assert_eq!(client.head(&by_tag).unwrap(), descriptor);
    assert_eq!(client.manifest(&by_tag, &descriptor).unwrap(), bytes);
    let accept = server.state().seen[0].header("accept").unwrap().to_owned();
    assert!(accept.contains("oci.image.index") && accept.contains("manifest.list"), "{accept}");

    let error = client.resolve(&reference(&server.host, "a/b:v2")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(
        error.to_string(),
        format!(
            "GET http://{}/v2/a/b/manifests/v2: HTTP 404 Not Found: MANIFEST_UNKNOWN: as the test \
             wants",
            server.host
        )
    );
}

#[test]
fn manifests_that_are_not_what_was_asked_for() {
    let server = Server::start();
    let (descriptor, bytes) = serve_manifest(&server, "a", "v1");
    let client = client(config());
    let by_tag = reference(&server.host, "a:v1");
    let by_digest = by_tag.with_digest(descriptor.digest);
    let tampered = String::from_utf8(bytes.clone()).unwrap().replace("layers", "layerz");
    let cases = [
        (&by_digest, Reply::new(200).body(tampered.as_str()), "instead of sha256"),
        (
            &by_tag,
            Reply::new(200)
                .header("Docker-Content-Digest", descriptor.digest)
                .body(tampered.as_str()),
            "instead of sha256",
        ),
        (&by_tag, Reply::new(200).body("<html>"), "not the JSON of a manifest"),
        (&by_tag, Reply::new(200).body(vec![b' '; 5 << 20]), "larger than the limit"),
        (
            &by_tag,
            Reply::new(200)
                .header("Content-Type", "application/vnd.oci.image.index.v1+json")
                .body(bytes.as_slice()),
            "is served as",
        ),
    ];
    for (reference, reply, expected) in cases {
        server.fault("GET", "/manifests/", Fault::Reply(reply));
        let error = client.resolve(reference).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Content);
        assert!(error.to_string().contains(expected), "{error}");
    }
    let mut larger = descriptor.clone();
    larger.size += 1;
    let error = client.manifest(&by_tag, &larger).unwrap_err().to_string();
    assert!(error.contains("bytes instead of"), "{error}");
}

#[test]
fn blobs_arrive_whole_and_once() {
    let server = Server::start();
    let content = noise(700_000);
    let blob = serve_blob(&server, "a", &content);
    let (_dir, store) = store();
    let client = client(config());
    let reference = reference(&server.host, "a:v1");
    let (progress, told) = progress();
    client.pull_blob(&reference, &blob, &store, Some(&progress)).unwrap();
    assert_eq!(store.get(&blob.digest, u64::MAX).unwrap(), content);
    assert_eq!(told.lock().unwrap().last(), Some(&blob.size));
    client.pull_blob(&reference, &blob, &store, None).unwrap();
    assert_eq!(server.count("GET", "/blobs/"), 1);
}

#[test]
fn broken_downloads_are_resumed() {
    for ignore_ranges in [false, true] {
        let server = Server::start();
        server.state().ignore_ranges = ignore_ranges;
        let content = noise(900_000);
        let blob = serve_blob(&server, "a", &content);
        server.fault("GET", "/blobs/", Fault::Cut(300_000));
        server.fault("GET", "/blobs/", Fault::Cut(350_000));
        let (_dir, store) = store();
        let reference = reference(&server.host, "a:v1");
        client(config()).pull_blob(&reference, &blob, &store, None).unwrap();
        assert_eq!(store.get(&blob.digest, u64::MAX).unwrap(), content);
        let starts: Vec<Option<String>> =
            server.state().seen.iter().map(|r| r.header("range").map(str::to_owned)).collect();
        assert_eq!(starts[0], None);
        assert!(starts[1].is_some() && starts[2].is_some(), "{starts:?}");
    }
}

#[test]
fn parts_of_different_blobs_are_noticed_and_fetched_again() {
    let server = Server::start();
    let content = noise(500_000);
    let blob = serve_blob(&server, "a", &content);
    server.fault("GET", "/blobs/", Fault::Cut(200_000));
    let start = 200_000;
    let wrong = Reply::new(206)
        .header("Content-Range", format!("bytes {start}-499999/500000"))
        .body(vec![0; 300_000]);
    server.fault("GET", "/blobs/", Fault::Reply(wrong));
    let (_dir, store) = store();
    client(config()).pull_blob(&reference(&server.host, "a"), &blob, &store, None).unwrap();
    assert_eq!(store.get(&blob.digest, u64::MAX).unwrap(), content);
}

#[test]
fn wrong_content_never_reaches_the_store() {
    let content = noise(10_000);
    let mut flipped = content.clone();
    flipped[5000] ^= 1;
    let longer: Vec<u8> = content.iter().copied().chain([0]).collect();
    // Without a length, the end of the connection is the end of the body.
    let unbounded = |body: &[u8]| Reply::new(200).header("Content-Length", 10_001).body(body);
    let cases = [
        (Reply::new(200).body(flipped), "the registry's copy is damaged"),
        (Reply::new(200).body(&content[..9_999]), "has 9999 bytes instead of 10000"),
        (Reply::new(200).body(longer.clone()), "has 10001 bytes instead of 10000"),
        (unbounded(&longer), "bytes instead of 10000"),
        (Reply::new(206).body(&content[..]), "a range that was not asked for"),
        (
            Reply::new(206).header("Content-Range", "bytes 0-9999/10001").body(longer),
            "a range that was not asked for",
        ),
    ];
    for (reply, expected) in cases {
        let server = Server::start();
        let blob = serve_blob(&server, "a", &content);
        server.fault("GET", "/blobs/", Fault::Reply(reply));
        let (dir, store) = store();
        let error = client(config())
            .pull_blob(&reference(&server.host, "a"), &blob, &store, None)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Content, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(store.has(&blob.digest), None);
        let left = std::fs::read_dir(dir.path().join("ingest")).unwrap().count();
        assert_eq!(left, 0);
    }
}

#[test]
fn passing_failures_are_borne_and_others_not() {
    let server = Server::start();
    serve_manifest(&server, "a", "v1");
    let client = client(config());
    let reference = reference(&server.host, "a:v1");
    for status in [429, 500, 502, 503, 504, 408] {
        server.fault("GET", "/manifests/", Fault::Reply(Reply::error(status, "PASSING")));
        client.resolve(&reference).unwrap();
    }
    server.fault("GET", "/manifests/", Fault::LoseAnswer);
    client.resolve(&reference).unwrap();
    server.fault("GET", "/manifests/", Fault::Cut(10));
    client.resolve(&reference).unwrap();

    let before = server.count("GET", "/manifests/");
    server.fault("GET", "/manifests/", Fault::Reply(Reply::error(400, "NO")));
    assert_eq!(client.resolve(&reference).unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(server.count("GET", "/manifests/"), before + 1);

    for _ in 0..4 {
        server.fault("GET", "/manifests/", Fault::Reply(Reply::error(429, "TOOMANYREQUESTS")));
    }
    let error = client.resolve(&reference).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(
        error.to_string().contains("TOOMANYREQUESTS: as the test wants (tried 4 times); log in")
    );
}

#[test]
fn silence_is_not_borne_for_long() {
    let server = Server::start();
    serve_manifest(&server, "a", "v1");
    let reference = reference(&server.host, "a:v1");
    server.fault("GET", "/manifests/", Fault::Stall);
    client(impatient()).resolve(&reference).unwrap();
    assert_eq!(server.count("GET", "/manifests/"), 2);

    let once = Config { retry: RetryPolicy { retries: 0, ..config().retry }, ..impatient() };
    server.fault("GET", "/manifests/", Fault::Stall);
    let error = client(once).resolve(&reference).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("no data for 0.6 s"), "{error}");
}

#[test]
fn a_blob_that_comes_in_drops_is_given_up() {
    let server = Server::start();
    let blob = serve_blob(&server, "a", &noise(100_000));
    let short = Duration::from_millis(100);
    let once = Config { retry: RetryPolicy { retries: 0, ..config().retry }, ..impatient() };
    let timeouts = Timeouts { idle: short, ..once.timeouts };
    let client = client(Config { timeouts, ..once });
    server.fault("GET", "/blobs/", Fault::Drip(short / 20));
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let start = Instant::now();
    let error =
        client.pull_blob(&reference(&server.host, "a:v1"), &blob, &store, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("bytes in 0.5 s"), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_wait_that_the_server_asks_for_is_kept_within_bounds() {
    let server = Server::start();
    serve_manifest(&server, "a", "v1");
    let slow = |seconds: u64| Fault::Reply(Reply::new(429).header("Retry-After", seconds));
    let reference = reference(&server.host, "a:v1");
    for (asked, at_least) in [(1, 1), (3600, 2)] {
        server.fault("GET", "/manifests/", slow(asked));
        let start = Instant::now();
        client(config()).resolve(&reference).unwrap();
        let took = start.elapsed().as_secs();
        assert!((at_least..60).contains(&took), "asked for {asked} s, waited {took} s");
    }
    for _ in 0..2 {
        server.fault("GET", "/manifests/", slow(3600));
    }
    let error = client(config()).resolve(&reference).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(error.to_string().contains("(tried 2 times)"), "{error}");
}

#[test]
fn connection_refused_says_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = client(config()).resolve(&reference(&free.to_string(), "a:v1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(
        error.to_string(),
        format!(
            "registry {free}: connection refused, 3 times (GET http://{free}/v2/a/manifests/v1): \
             is the registry running, and are host and port right?"
        )
    );
}

#[test]
fn several_blobs_at_once() {
    let server = Server::start();
    let contents: Vec<Vec<u8>> = (0..9).map(|n| noise(50_000 + n)).collect();
    let mut blobs: Vec<_> = contents.iter().map(|c| serve_blob(&server, "a", c)).collect();
    let (_dir, store) = store();
    let client = client(config());
    let reference = reference(&server.host, "a");
    client.pull_blobs(&reference, &blobs, &store, &|_| None).unwrap();
    for (blob, content) in blobs.iter().zip(&contents) {
        assert_eq!(&store.get(&blob.digest, u64::MAX).unwrap(), content);
    }
    blobs.push(layer(b"unknown"));
    let error = client.pull_blobs(&reference, &blobs, &store, &|_| None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    client.pull_blobs(&reference, &[], &store, &|_| None).unwrap();
}

#[test]
fn a_request_to_stop_is_heard() {
    let server = Server::start();
    serve_manifest(&server, "a", "v1");
    server.fault("GET", "/manifests/", Fault::Stall);
    let config = config();
    let cancel = config.cancel.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(200));
        cancel.store(true, Ordering::Relaxed);
    });
    let start = Instant::now();
    let error = client(config).resolve(&reference(&server.host, "a:v1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn tags_in_pages() {
    let server = Server::start();
    for tag in ["a", "b", "c", "d", "e"] {
        serve_manifest(&server, "x", tag);
    }
    let client = client(config());
    assert_eq!(client.tags(&reference(&server.host, "x")).unwrap(), ["a", "b", "c", "d", "e"]);
    let away = Reply::new(200)
        .header("Link", "<http://127.0.0.2:1/v2/x/tags/list>; rel=\"next\"")
        .body(r#"{"tags":null}"#);
    server.fault("GET", "/tags/", Fault::Reply(away));
    let error = client.tags(&reference(&server.host, "x")).unwrap_err().to_string();
    assert!(error.contains("on another server"), "{error}");
}

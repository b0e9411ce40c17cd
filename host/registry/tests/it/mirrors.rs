//! Mirrors: asked first, never trusted, never written to.

use std::sync::{Arc, Mutex};

use kiln_registry::{Config, ErrorKind};

use crate::server::{Fault, Reply, Server};
use crate::support::*;

struct Setup {
    origin: Server,
    mirror: Server,
    config: Config,
    warnings: Arc<Mutex<Vec<String>>>,
}

fn setup() -> Setup {
    let (origin, mirror) = (Server::start(), Server::start());
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let sink = warnings.clone();
    let config = Config {
        mirrors: [(origin.host.clone(), vec![format!("http://{}/cache", mirror.host)])].into(),
        warn: Some(Arc::new(move |text| sink.lock().unwrap().push(text.to_owned()))),
        ..config()
    };
    Setup { origin, mirror, config, warnings }
}

#[test]
fn what_the_mirror_has_comes_from_it() {
    let Setup { origin, mirror, config, warnings } = setup();
    let (descriptor, bytes) = serve_manifest(&mirror, "cache/a", "v1");
    let blob = serve_blob(&mirror, "cache/a", b"content");
    let (_dir, store) = store();
    let client = client(config);
    let reference = reference(&origin.host, "a:v1");
    assert_eq!(client.resolve(&reference).unwrap(), (descriptor, bytes));
    client.pull_blob(&reference, &blob, &store, None).unwrap();
    assert!(origin.log().is_empty());

    client.push_blob(&reference, &blob, &store, &[], None).unwrap();
    assert!(origin.count("PUT", "/v2/a/blobs/") == 1 && mirror.count("PUT", "") == 0);
    assert!(warnings.lock().unwrap().is_empty());
}

#[test]
fn what_the_mirror_lacks_comes_from_the_registry() {
    let Setup { origin, mirror, config, warnings } = setup();
    serve_manifest(&origin, "a", "v1");
    client(config.clone()).resolve(&reference(&origin.host, "a:v1")).unwrap();
    assert_eq!((mirror.log().len(), warnings.lock().unwrap().len()), (1, 0));

    let config = Config { mirror_fallback: false, ..config };
    let error = client(config).resolve(&reference(&origin.host, "a:v1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&mirror.host), "{error}");
}

#[test]
fn a_dead_mirror_is_left_alone() {
    let Setup { origin, mirror, config, warnings } = setup();
    serve_manifest(&origin, "a", "v1");
    let client = client(config);
    for _ in 0..2 {
        mirror.fault("GET", "", Fault::Reply(Reply::new(502)));
    }
    for _ in 0..3 {
        client.resolve(&reference(&origin.host, "a:v1")).unwrap();
    }
    assert_eq!(mirror.log().len(), 2);
    let warnings = warnings.lock().unwrap();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("HTTP 502"), "{warnings:?}");
}

#[test]
fn a_lying_mirror_is_passed_over() {
    let Setup { origin, mirror, config, warnings } = setup();
    let blob = serve_blob(&origin, "a", b"content");
    serve_blob(&mirror, "cache/a", b"content");
    mirror.fault("GET", "/blobs/", Fault::Reply(Reply::new(200).body("CONTENT")));
    let (_dir, store) = store();
    client(config).pull_blob(&reference(&origin.host, "a"), &blob, &store, None).unwrap();
    assert_eq!(store.get(&blob.digest, 100).unwrap(), b"content");
    assert!(warnings.lock().unwrap()[0].contains("damaged"));
}

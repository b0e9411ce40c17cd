//! What the tests share: a client that does not wait long, content, a store.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use kiln_image::manifest::Descriptor;
use kiln_image::media_type::{OCI_LAYER_GZIP, OCI_MANIFEST};
use kiln_image::reference::Reference;
use kiln_image::store::Store;
use kiln_registry::{Config, Progress, Registry, RetryPolicy, Timeouts};

use crate::server::Server;

/// A client's settings with short waits.
pub(crate) fn config() -> Config {
    Config {
        retry: RetryPolicy {
            retries: 3,
            first_wait: Duration::from_millis(5),
            longest_wait: Duration::from_secs(2),
        },
        ..Config::default()
    }
}

/// As [`config`], for servers that fall silent.
pub(crate) fn impatient() -> Config {
    let short = Duration::from_millis(600);
    Config { timeouts: Timeouts { connect: short, idle: short, commit: short }, ..config() }
}

pub(crate) fn client(config: Config) -> Registry {
    Registry::new(config).unwrap()
}

/// Says why a test does nothing.
#[expect(clippy::print_stdout, reason = "the only place where a test can say so")]
pub(crate) fn skipped(why: &str) {
    println!("skipped: {why}");
}

/// Settings that find `json` as the only auth file.
pub(crate) fn config_with_auth(json: &str) -> Config {
    Config { env: [("DOCKER_AUTH_CONFIG".into(), json.into())].into(), ..config() }
}

pub(crate) fn reference(host: &str, rest: &str) -> Reference {
    format!("{host}/{rest}").parse().unwrap()
}

/// A store that vanishes with the returned directory.
pub(crate) fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    (dir, store)
}

/// Bytes that no compression or repetition hides errors in.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ length as u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub(crate) fn layer(content: &[u8]) -> Descriptor {
    Descriptor::of(OCI_LAYER_GZIP, content)
}

/// Puts a blob into a server's repository.
pub(crate) fn serve_blob(server: &Server, repository: &str, content: &[u8]) -> Descriptor {
    let descriptor = layer(content);
    let key = (repository.to_owned(), descriptor.digest.to_string());
    server.state().blobs.insert(key, content.to_vec());
    descriptor
}

/// Puts a small image manifest into a server's repository, under a tag and its digest.
pub(crate) fn serve_manifest(
    server: &Server,
    repository: &str,
    tag: &str,
) -> (Descriptor, Vec<u8>) {
    let config = Descriptor::of("application/vnd.oci.image.config.v1+json", tag.as_bytes());
    let bytes = kiln_image::manifest::Manifest::new(config, Vec::new()).to_bytes();
    let descriptor = Descriptor::of(OCI_MANIFEST, &bytes);
    for name in [tag.to_owned(), descriptor.digest.to_string()] {
        let entry = (OCI_MANIFEST.to_owned(), bytes.clone());
        server.state().manifests.insert((repository.to_owned(), name), entry);
    }
    (descriptor, bytes)
}

/// A progress callback and what it was told.
pub(crate) fn progress() -> (Progress, Arc<Mutex<Vec<u64>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let sink = told.clone();
    (Arc::new(move |bytes| sink.lock().unwrap().push(bytes)), told)
}

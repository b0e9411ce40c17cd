//! Credentials, tokens, and what is said where they are missing or wrong.

use kiln_image::store::Store;
use kiln_registry::{ErrorKind, PushedBlob};

use crate::server::{Auth, Fault, Reply, Server};
use crate::support::*;

/// base64 of `joe:geheim`.
const JOE: &str = "am9lOmdlaGVpbQ==";

fn auths(server: &Server, entry: &str) -> String {
    format!(r#"{{"auths":{{"{}":{entry}}}}}"#, server.host)
}

fn joe(server: &Server) -> String {
    auths(server, &format!(r#"{{"auth":"{JOE}"}}"#))
}

fn bearer(logins: Option<&[&str]>) -> Auth {
    let logins = logins.map(|logins| logins.iter().map(|l| (*l).to_owned()).collect());
    Auth::Bearer { logins, expires_in: 300 }
}

#[test]
fn basic() {
    let server = Server::start();
    serve_manifest(&server, "a", "v1");
    server.state().auth = Auth::Basic(JOE.into());
    let reference = reference(&server.host, "a:v1");
    let client = client(config_with_auth(&joe(&server)));
    client.resolve(&reference).unwrap();
    client.resolve(&reference).unwrap();
    // Once it is known what the registry wants, it gets it unasked.
    assert_eq!(server.count("GET", "/manifests/"), 3);
}

#[test]
fn wrong_credentials_are_shown_once_and_explained() {
    let server = Server::start();
    serve_manifest(&server, "a", "v1");
    server.state().auth = Auth::Basic("b3RoZXI6b3RoZXI=".into());
    let reference = reference(&server.host, "a:v1");
    let error = client(config_with_auth(&joe(&server))).resolve(&reference).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(
        error.to_string(),
        format!(
            "registry {0}: access to repository:a:pull refused (HTTP 401 Unauthorized from \
             http://{0}/v2/a/manifests/v1): UNAUTHORIZED: as the test wants; the credentials of \
             user `joe` come from DOCKER_AUTH_CONFIG: check that they are current and allow this",
            server.host
        )
    );
    assert_eq!(server.count("GET", "/manifests/"), 2);
}

#[test]
fn missing_credentials_are_explained() {
    let server = Server::start();
    server.state().auth = Auth::Basic(JOE.into());
    let error =
        client(config_with_auth("{}")).resolve(&reference(&server.host, "a:v1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(
        error.to_string(),
        format!(
            "registry {0}: access to repository:a:pull refused (HTTP 401 Unauthorized): it wants a user name and password; \
             no credentials for {0} in DOCKER_AUTH_CONFIG: log in to {0}, or point DOCKER_CONFIG or \
             REGISTRY_AUTH_FILE at an auth file",
            server.host
        )
    );
}

#[test]
fn anonymous_tokens_are_fetched_once_for_a_scope() {
    let server = Server::start();
    server.state().auth = bearer(None);
    let contents: Vec<_> = (0..6).map(|n| noise(1_000 + n)).collect();
    let blobs: Vec<_> = contents.iter().map(|c| serve_blob(&server, "a", c)).collect();
    let (_dir, store) = store();
    let client = client(config());
    let reference = reference(&server.host, "a:v1");
    client.pull_blobs(&reference, &blobs, &store, &|_| None).unwrap();
    assert_eq!(server.count("GET", "/token"), 1);
    serve_manifest(&server, "b", "v1");
    client.resolve(&crate::support::reference(&server.host, "b:v1")).unwrap();
    assert_eq!(server.count("GET", "/token"), 2);
}

#[test]
fn passwords_and_identity_tokens_buy_tokens() {
    let cases = [
        (format!(r#"{{"auth":"{JOE}"}}"#), format!("Basic {JOE}"), "GET"),
        (r#"{"identitytoken":"idt"}"#.to_owned(), "idt".to_owned(), "POST"),
    ];
    for (entry, login, method) in cases {
        let server = Server::start();
        serve_manifest(&server, "a", "v1");
        server.state().auth = bearer(Some(&[&login]));
        let client = client(config_with_auth(&auths(&server, &entry)));
        client.resolve(&reference(&server.host, "a:v1")).unwrap();
        assert_eq!(server.count(method, "/token"), 1);
    }
}

#[test]
fn an_identity_token_is_not_sent_on() {
    let (server, other) = (Server::start(), Server::start());
    serve_manifest(&server, "a", "v1");
    server.state().auth = bearer(Some(&["idt"]));
    let elsewhere = format!("http://{}/token", other.host);
    server.fault("POST", "/token", Fault::Reply(Reply::new(307).header("Location", elsewhere)));
    let entry = auths(&server, r#"{"identitytoken":"idt"}"#);
    let error = client(config_with_auth(&entry)).resolve(&reference(&server.host, "a:v1"));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("would send credentials on to") && !error.contains("idt"), "{error}");
    assert!(other.state().seen.is_empty());
}

#[test]
fn registry_tokens_are_sent_as_they_are() {
    let server = Server::start();
    serve_manifest(&server, "a", "v1");
    server.state().auth = bearer(Some(&[]));
    let scopes = ["repository:a:pull".to_owned()].into();
    server.state().tokens.insert("ready-made".into(), scopes);
    let entry = auths(&server, r#"{"registrytoken":"ready-made"}"#);
    client(config_with_auth(&entry)).resolve(&reference(&server.host, "a:v1")).unwrap();
    assert_eq!(server.count("", "/token"), 0);
}

#[test]
fn a_refusing_token_service_is_named() {
    let server = Server::start();
    server.state().auth = bearer(Some(&["Basic other"]));
    let client = client(config_with_auth(&joe(&server)));
    let error = client.resolve(&reference(&server.host, "a:v1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let message = error.to_string();
    assert!(message.contains(&format!("from http://{}/token)", server.host)), "{message}");
    assert!(message.contains("user `joe`") && !message.contains("geheim"), "{message}");
}

#[test]
fn expired_and_revoked_tokens_are_replaced() {
    let server = Server::start();
    serve_manifest(&server, "a", "v1");
    server.state().auth = bearer(None);
    let reference = reference(&server.host, "a:v1");
    let revoking = client(config());
    revoking.resolve(&reference).unwrap();
    server.state().tokens.clear();
    revoking.resolve(&reference).unwrap();
    assert_eq!(server.count("GET", "/token"), 2);

    server.state().auth = Auth::Bearer { logins: None, expires_in: 1 };
    let client = client(config());
    client.resolve(&reference).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1_000));
    let before = server.count("GET", "/manifests/");
    client.resolve(&reference).unwrap();
    assert_eq!(server.count("GET", "/token"), 4);
    // The old token was not even tried.
    assert_eq!(server.count("GET", "/manifests/"), before + 1);
}

#[test]
fn pushes_and_mounts_ask_for_what_they_need() {
    let server = Server::start();
    server.state().auth = bearer(None);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let content = noise(350_001);
    store.put(&content).unwrap();
    let blob = serve_blob(&server, "base", &content);
    let mut config = config();
    config.chunk_size = 100_000;
    let client = client(config);
    let push = |repository: &str, from: &[String]| {
        client.push_blob(&reference(&server.host, repository), &blob, &store, from, None).unwrap()
    };
    assert_eq!(push("a", &["base".into()]), PushedBlob::Mounted("base".into()));
    assert_eq!(push("b", &[]), PushedBlob::Uploaded);
    let state = server.state();
    let asked: Vec<_> = state.seen.iter().filter(|r| r.path == "/token").collect();
    let scopes = |n: usize| {
        let pairs = asked[n].query.iter().filter(|(key, _)| key == "scope");
        pairs.map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(scopes(0), ["repository:a:pull,push", "repository:a:pull"]);
    assert_eq!(scopes(1), ["repository:a:pull,push", "repository:base:pull"]);
    assert_eq!(asked.len(), 3);
}

#[test]
fn a_token_that_ends_during_an_upload_is_replaced() {
    let server = Server::start();
    server.state().auth = bearer(None);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let content = noise(350_001);
    store.put(&content).unwrap();
    let blob = layer(&content);
    let challenge = format!("Bearer realm=\"http://{}/token\",service=\"test\"", server.host);
    for method in ["PATCH", "PUT"] {
        let refusal = Reply::error(401, "UNAUTHORIZED").header("WWW-Authenticate", &challenge);
        server.fault(method, "/uploads/", Fault::Reply(refusal));
    }
    let mut config = config();
    (config.chunk_size, config.whole_limit) = (100_000, 100_000);
    let reference = reference(&server.host, "a");
    client(config).push_blob(&reference, &blob, &store, &[], None).unwrap();
    assert_eq!((server.count("GET", "/token"), server.count("POST", "/uploads/")), (3, 1));
    let key = ("a".to_owned(), blob.digest.to_string());
    assert!(server.state().blobs.get(&key) == Some(&content));
}

#[test]
fn unusable_challenges() {
    let cases = [
        ("Negotiate", "only authentication by negotiate, which kiln does not support"),
        ("", "does not say how to authenticate"),
        ("Bearer service=\"x\"", "names no token service"),
        ("Bearer realm=\"gopher://x/\"", "is not HTTPS"),
    ];
    for (challenge, expected) in cases {
        let server = Server::start();
        server.state().auth = Auth::Challenge(challenge.into());
        let client = client(config_with_auth(&joe(&server)));
        let error = client.resolve(&reference(&server.host, "a:v1")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn denied_is_not_unauthorized() {
    let server = Server::start();
    server.fault("GET", "/manifests/", Fault::Reply(Reply::error(403, "DENIED")));
    let error = client(config()).resolve(&reference(&server.host, "a:v1")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(error.to_string().contains("DENIED: as the test wants; no credentials"), "{error}");
}

#[test]
fn other_hosts_see_no_credentials() {
    let (server, storage) = (Server::start(), Server::start());
    server.state().auth = Auth::Basic(JOE.into());
    let content = noise(5_000);
    let blob = serve_blob(&server, "a", &content);
    serve_blob(&storage, "a", &content);
    server.state().blobs_elsewhere = Some(format!("http://{}", storage.host));
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let client = client(config_with_auth(&joe(&server)));
    let reference = reference(&server.host, "a:v1");
    client.pull_blob(&reference, &blob, &store, None).unwrap();
    assert_eq!(store.get(&blob.digest, u64::MAX).unwrap(), content);
    assert!(server.state().seen.last().unwrap().header("authorization").is_some());
    let state = storage.state();
    assert_eq!(state.seen.len(), 1);
    assert_eq!(state.seen[0].header("authorization"), None);
}

#[test]
fn redirects_elsewhere_that_fail_keep_their_secrets() {
    let (server, storage) = (Server::start(), Server::start());
    let content = noise(5_000);
    let blob = serve_blob(&server, "a", &content);
    server.state().blobs_elsewhere = Some(format!("http://{}", storage.host));
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let client = client(config());
    let reference = reference(&server.host, "a:v1");
    let pull = || client.pull_blob(&reference, &blob, &store, None).unwrap_err();
    let error = pull();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&storage.host), "{error}");
    assert!(!error.to_string().contains("geheim"), "{error}");
    // A storage that wants credentials gets none, whatever it says.
    let refusal = Reply::new(401).header("WWW-Authenticate", "Basic realm=\"x\"");
    storage.fault("GET", "/elsewhere/", Fault::Reply(refusal));
    assert_eq!(pull().kind(), ErrorKind::Unauthorized);
    assert_eq!(storage.count("GET", "/elsewhere/"), 2);

    server.state().blobs_elsewhere = None;
    let around = Reply::new(307).header("Location", format!("/v2/a/blobs/{}", blob.digest));
    for _ in 0..10 {
        server.fault("GET", "/blobs/", Fault::Reply(around.clone()));
    }
    assert!(pull().to_string().contains("more than 10 redirects"));
}

#[test]
fn nobody_leads_to_a_metadata_service() {
    let server = Server::start();
    let reference = reference(&server.host, "a:v1");
    let refused = |error: kiln_registry::Error| {
        assert!(error.to_string().contains("cloud's metadata service"), "{error}");
    };
    let away = Reply::new(307).header("Location", "http://169.254.169.254/latest/meta-data");
    server.fault("GET", "/manifests/", Fault::Reply(away));
    refused(client(config()).resolve(&reference).unwrap_err());
    let realm = "Bearer realm=\"http://[::ffff:169.254.169.254]/token\"";
    server.state().auth = Auth::Challenge(realm.into());
    refused(client(config()).resolve(&reference).unwrap_err());
}

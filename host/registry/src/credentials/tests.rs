use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};

use super::*;

/// base64 of `user:pass`.
const AUTH: &str = "dXNlcjpwYXNz";

fn inline(json: &str) -> Config {
    Config { env: [("DOCKER_AUTH_CONFIG".into(), json.into())].into(), ..Config::default() }
}

/// `user:password`, `identity:…`, `registry:…`, or nothing.
fn flat(lookup: Lookup) -> Option<String> {
    match lookup {
        Lookup::Nothing(_) => None,
        Lookup::Found(found) => Some(match found.login {
            Login::Password { user, password } => format!("{user}:{}", password.expose()),
            Login::IdentityToken(token) => format!("identity:{}", token.expose()),
            Login::RegistryToken(token) => format!("registry:{}", token.expose()),
        }),
    }
}

#[test]
fn entries_of_auths() {
    let auths = |key: &str| format!(r#"{{"auths":{{"{key}":{{"auth":"{AUTH}"}}}}}}"#);
    let cases: &[(String, &str, &str, Option<&str>)] = &[
        (auths("r.example"), "r.example", "a", Some("user:pass")),
        (auths("R.Example"), "r.example", "a", Some("user:pass")),
        (auths("https://r.example"), "r.example", "a", Some("user:pass")),
        (auths("https://r.example/v1/"), "r.example", "a", Some("user:pass")),
        (auths("http://r.example/v2/"), "r.example", "a", Some("user:pass")),
        (auths("r.example/v2/"), "r.example", "a", Some("user:pass")),
        (auths("r.example:5000"), "r.example:5000", "a", Some("user:pass")),
        (auths("r.example"), "r.example:5000", "a", None),
        (auths("r.example"), "evil-r.example", "a", None),
        (auths("https://index.docker.io/v1/"), "docker.io", "library/a", Some("user:pass")),
        (auths("registry-1.docker.io"), "docker.io", "library/a", Some("user:pass")),
        (auths("docker.io"), "docker.io", "library/a", Some("user:pass")),
        (auths("r.example/team"), "r.example", "team/app", Some("user:pass")),
        (auths("r.example/team"), "r.example", "team", Some("user:pass")),
        (auths("r.example/team"), "r.example", "teamwork/app", None),
        (auths("r.example/team/"), "r.example", "other", None),
        (r#"{"auths":{"r.example":{}}}"#.into(), "r.example", "a", None),
        (
            r#"{"auths":{"r.example":{"username":"u","password":"p:q"}}}"#.into(),
            "r.example",
            "a",
            Some("u:p:q"),
        ),
        (
            format!(r#"{{"auths":{{"r.example":{{"auth":"{AUTH}","identitytoken":"idt"}}}}}}"#),
            "r.example",
            "a",
            Some("identity:idt"),
        ),
        (
            r#"{"auths":{"r.example":{"registrytoken":"rt"}}}"#.into(),
            "r.example",
            "a",
            Some("registry:rt"),
        ),
        // No padding; NULs at the end, as docker once wrote.
        (r#"{"auths":{"r.example":{"auth":"dTpw"}}}"#.into(), "r.example", "a", Some("u:p")),
        (r#"{"auths":{"r.example":{"auth":"dTpwcQ"}}}"#.into(), "r.example", "a", Some("u:pq")),
        (r#"{"auths":{"r.example":{"auth":"dTpwAAA="}}}"#.into(), "r.example", "a", Some("u:p")),
        // .dockercfg
        (format!(r#"{{"r.example":{{"auth":"{AUTH}"}}}}"#), "r.example", "a", Some("user:pass")),
        ("{}".into(), "r.example", "a", None),
        ("  ".into(), "r.example", "a", None),
        (r#"{"HttpHeaders":{"x":"y"}}"#.into(), "r.example", "a", None),
    ];
    for (json, registry, repository, expected) in cases {
        let found = find(&inline(json), registry, repository).unwrap();
        assert_eq!(flat(found).as_deref(), *expected, "{json} for {registry}/{repository}");
    }
}

#[test]
fn the_longest_path_wins() {
    let json = r#"{"auths":{
        "r.example":{"auth":"aG9zdDpw"},
        "r.example/a/b":{"auth":"ZGVlcDpw"},
        "r.example/a":{"auth":"bWlkOnA="}}}"#;
    for (repository, expected) in
        [("a/b/c", "deep:p"), ("a/b", "deep:p"), ("a/c", "mid:p"), ("x", "host:p")]
    {
        let found = find(&inline(json), "r.example", repository).unwrap();
        assert_eq!(flat(found).as_deref(), Some(expected), "{repository}");
    }
}

#[test]
fn broken_files_are_errors_without_secrets() {
    for json in [
        "{",
        "[]",
        r#"{"auths":{"r.example":{"auth":"hunter2!!"}}}"#,
        r#"{"auths":{"r.example":{"auth":"aHVudGVyMg=="}}}"#,
    ] {
        let message = find(&inline(json), "r.example", "a").unwrap_err().to_string();
        assert!(message.starts_with("DOCKER_AUTH_CONFIG: "), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn sources_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, user: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let json = format!(r#"{{"auths":{{"r.example":{{"username":"{user}","password":"p"}}}}}}"#);
        fs::write(&path, json).unwrap();
        path
    };
    let explicit = put("explicit.json", "explicit");
    let podman = put("podman.json", "podman");
    put("docker/.dockerconfigjson", "kubernetes");
    put("home/.docker/config.json", "home");
    put("home/.config/containers/auth.json", "containers");
    put("run/containers/auth.json", "runtime");
    let text = |path: &Path| path.display().to_string();
    let mut config = Config::default();
    let mut expect = |change: &dyn Fn(&mut Config), expected: &str| {
        change(&mut config);
        let found = find(&config, "r.example", "a").unwrap();
        assert_eq!(flat(found), Some(format!("{expected}:p")));
    };
    let set = |config: &mut Config, key: &str, value: String| {
        config.env.insert(key.into(), value);
    };
    let home = text(&dir.path().join("home"));
    expect(&|c| set(c, "XDG_CONFIG_HOME", format!("{home}/.config")), "containers");
    expect(&|c| set(c, "XDG_RUNTIME_DIR", text(&dir.path().join("run"))), "runtime");
    expect(&|c| set(c, "HOME", home.clone()), "home");
    expect(&|c| set(c, "DOCKER_CONFIG", text(&dir.path().join("docker"))), "kubernetes");
    expect(&|c| set(c, "REGISTRY_AUTH_FILE", text(&podman)), "podman");
    expect(&|c| c.auth_files.push(explicit.clone()), "explicit");

    config.auth_files = vec![dir.path().join("missing.json")];
    let message = find(&config, "r.example", "a").unwrap_err().to_string();
    assert!(message.contains("missing.json"), "{message}");
    config.auth_files.clear();
    let Lookup::Nothing(places) = find(&config, "other.example", "a").unwrap() else {
        panic!("found credentials for another registry");
    };
    assert!(places.contains(&text(&podman)), "{places:?}");
    assert!(places.iter().any(|p| p.ends_with(".dockercfg (missing or unreadable)")), "{places:?}");
}

#[test]
fn helpers() {
    let dir = tempfile::tempdir().unwrap();
    let program = |name: &str, script: &str| {
        let path = dir.path().join(format!("docker-credential-{name}"));
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    program(
        "good",
        r#"read server; [ "$1" = get ] && echo "{\"Username\":\"$MARK\",\"Secret\":\"for $server\"}""#,
    );
    program("token", r#"echo '{"Username":"<token>","Secret":"idt"}'"#);
    program("empty", "echo credentials not found in native keychain; exit 1");
    program("broken", "echo no such keychain; exit 1");
    program("babble", "echo hello");
    program("stays", "echo '{\"Secret\":\"s\"}'; exec >&-; exec /bin/sleep 60");
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let ask = |json: &str, registry: &str| {
        let mut config = inline(json);
        config.env.insert("PATH".into(), format!("/nonexistent:{}", dir.path().display()));
        config.env.insert("MARK".into(), "joe".into());
        let sink = warnings.clone();
        config.warn = Some(Arc::new(move |w: &str| sink.lock().unwrap().push(w.to_owned())));
        let found = flat(find(&config, registry, "a").unwrap());
        (found, std::mem::take(&mut *warnings.lock().unwrap()).join("\n"))
    };
    let good = |server: &str| Some(format!("joe:for {server}"));
    let fallback = |helper: &str| {
        format!(r#"{{"credsStore":"{helper}","auths":{{"r.example":{{"auth":"{AUTH}"}}}}}}"#)
    };
    let cases: Vec<(String, &str, Option<String>, &str)> = vec![
        (r#"{"credsStore":"good"}"#.into(), "r.example", good("r.example"), ""),
        (r#"{"credsStore":"good"}"#.into(), "docker.io", good("https://index.docker.io/v1/"), ""),
        (r#"{"credHelpers":{"r.example":"good"}}"#.into(), "r.example", good("r.example"), ""),
        (r#"{"credHelpers":{"r.example":"good"}}"#.into(), "s.example", None, ""),
        (
            r#"{"credHelpers":{"r.example":"token"},"credsStore":"good"}"#.into(),
            "r.example",
            Some("identity:idt".into()),
            "",
        ),
        (r#"{"credHelpers":{"r.example":""},"credsStore":"good"}"#.into(), "r.example", None, ""),
        (fallback("empty"), "r.example", Some("user:pass".into()), ""),
        (fallback("broken"), "r.example", Some("user:pass".into()), "failed: no such keychain"),
        (fallback("babble"), "r.example", Some("user:pass".into()), "other than the JSON"),
        (fallback("stays"), "r.example", Some("user:pass".into()), "did not end within 5 s"),
        (fallback("missing"), "r.example", Some("user:pass".into()), "is not in PATH"),
        (fallback("../good"), "r.example", Some("user:pass".into()), "not one of a program"),
    ];
    for (json, registry, expected, warning) in cases {
        let (found, warned) = ask(&json, registry);
        assert_eq!(found, expected, "{json} for {registry}");
        assert!(warned.contains(warning) && warned.is_empty() == warning.is_empty(), "{warned}");
    }
}

proptest::proptest! {
    #[test]
    fn any_auth_file_is_read_without_panic(
        key in "\\PC{0,20}", auth in "[A-Za-z0-9+/=]{0,20}", junk in "\\PC*"
    ) {
        // Whether it is accepted does not matter here.
        let _ = find(&inline(&junk), "r", "a");
        let json = serde_json::json!({"auths": {key: {"auth": auth}}}).to_string();
        let _ = find(&inline(&json), "r", "a");
    }
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let found = find(&inline(r#"{"auths":{"r":{"username":"u","password":"hunter2"}}}"#), "r", "a");
    assert!(!format!("{found:?}").contains("hunter2"));
}

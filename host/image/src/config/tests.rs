use super::*;

#[test]
fn written_as_buildkit_does() {
    let mut image = ImageConfig::new(&Platform::new("linux", "amd64"));
    image.created = timestamp(1_700_000_000, 120_000_000);
    image.author = "a".into();
    image.config = ContainerConfig {
        user: "1".into(),
        exposed_ports: ["80/tcp".into(), "443/tcp".into()].into(),
        env: vec!["A=<b>".into()],
        entrypoint: vec!["/x".into()],
        cmd: vec!["-c".into(), "a && b".into()],
        volumes: ["/v".into()].into(),
        working_dir: "/w".into(),
        labels: [("b".into(), String::new()), ("a".into(), "1".into())].into(),
        stop_signal: "SIGINT".into(),
        args_escaped: true,
        healthcheck: Some(Healthcheck {
            test: vec!["CMD".into(), "x".into()],
            interval: 5,
            retries: 3,
            ..Healthcheck::default()
        }),
        on_build: vec!["RUN x".into()],
        shell: vec!["/bin/sh".into(), "-c".into()],
        extra: Map::new(),
    };
    image.rootfs.diff_ids.push(Digest::of(b""));
    image.history.push(History {
        created: timestamp(1_700_000_000, 0),
        created_by: "CMD".into(),
        comment: BUILDKIT_COMMENT.into(),
        empty_layer: true,
        ..History::default()
    });
    let wanted = concat!(
        r#"{"architecture":"amd64","author":"a","config":{"User":"1","ExposedPorts":"#,
        r#"{"443/tcp":{},"80/tcp":{}},"Env":["A=\u003cb\u003e"],"Entrypoint":["/x"],"#,
        r#""Cmd":["-c","a \u0026\u0026 b"],"Volumes":{"/v":{}},"WorkingDir":"/w","#,
        r#""Labels":{"a":"1","b":""},"StopSignal":"SIGINT","ArgsEscaped":true,"#,
        r#""Healthcheck":{"Test":["CMD","x"],"Interval":5,"Retries":3},"#,
        r#""OnBuild":["RUN x"],"Shell":["/bin/sh","-c"]},"#,
        r#""created":"2023-11-14T22:13:20.12Z","history":[{"created":"2023-11-14T22:13:20Z","#,
        r#""created_by":"CMD","comment":"buildkit.dockerfile.v0","empty_layer":true}],"#,
        r#""os":"linux","rootfs":{"type":"layers","diff_ids":["#,
        r#""sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]}}"#,
    );
    assert_eq!(String::from_utf8(image.to_bytes()).unwrap(), wanted);
    assert_eq!(ImageConfig::from_bytes(wanted.as_bytes()).unwrap(), image);
}

#[test]
fn an_empty_image() {
    let image = ImageConfig::new(&"linux/arm/v6".parse().unwrap());
    assert_eq!(
        String::from_utf8(image.to_bytes()).unwrap(),
        r#"{"architecture":"arm","config":{},"os":"linux","rootfs":{"type":"layers","diff_ids":[]},"variant":"v6"}"#
    );
}

#[test]
fn what_old_dockers_wrote() {
    let text = r#"{"architecture":"amd64","os":"linux","container":"x","config":{"Hostname":"h",
        "Tty":false,"Env":null,"Cmd":null,"Volumes":null,"ExposedPorts":{"1/tcp":{}},
        "Labels":null,"OnBuild":null,"Entrypoint":null,"Healthcheck":null,"ArgsEscaped":null},
        "rootfs":{"type":"layers","diff_ids":null},"history":null,"os.features":["win32k"]}"#;
    let mut image = ImageConfig::from_bytes(text.as_bytes()).unwrap();
    assert_eq!(image.config.extra["Hostname"], "h");
    assert_eq!(image.config.exposed_ports.len(), 1);
    let again = ImageConfig::from_bytes(&image.to_bytes()).unwrap();
    assert_eq!(again, image);
    image.forget_unknown();
    assert_eq!(
        String::from_utf8(image.to_bytes()).unwrap(),
        r#"{"architecture":"amd64","config":{"ExposedPorts":{"1/tcp":{}}},"os":"linux","os.features":["win32k"],"rootfs":{"type":"layers","diff_ids":[]}}"#
    );
}

#[test]
fn refuses_wrong_types() {
    for text in ["[]", "null", "{\"os\":1}", "{\"config\":{\"Env\":\"A=b\"}}", "{"] {
        assert!(ImageConfig::from_bytes(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn times() {
    for (text, wanted) in [
        ("1970-01-01T00:00:00Z", Some((0, 0))),
        ("2023-11-14T22:13:20.12Z", Some((1_700_000_000, 120_000_000))),
        ("2023-11-14T23:13:20+01:00", Some((1_700_000_000, 0))),
        ("1969-12-31T23:59:59.5Z", Some((-1, 500_000_000))),
        ("0001-01-01T00:00:00Z", Some((-62_135_596_800, 0))),
        ("yesterday", None),
    ] {
        assert_eq!(parse_timestamp(text), wanted, "{text}");
        if let (Some((secs, nanos)), true) = (wanted, text.ends_with('Z')) {
            assert_eq!(timestamp(secs, nanos).as_deref(), Some(text));
        }
    }
    assert_eq!(timestamp(i64::MAX, 0), None);
}

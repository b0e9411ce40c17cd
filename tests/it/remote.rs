//! ADD of URLs and of git repositories, from a server on loopback.

use std::collections::HashMap;

use crate::support::git::{git, publish, repository};
use crate::support::{Kiln, WebServer, have, run, write};

const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[test]
fn a_url_becomes_a_file() {
    let kiln = Kiln::new();
    write(kiln.path("www/hello"), "hello");
    let server = WebServer::start(kiln.path("www"));
    let url = &server.url;
    kiln.file(
        "Dockerfile",
        format!(
            "FROM scratch\n\
             ADD {url}/hello /a/\n\
             ADD --checksum={HELLO} --chown=3:4 --chmod=644 {url}/hello?x=1 /b\n"
        ),
    );
    let image = kiln.build(&[]);
    let (first, second) = (image.layer(0), image.layer(1));
    let (a, b) = (&first["a/hello"], &second["b"]);
    assert_eq!((a.mode, a.uid, a.gid), (0o600, 0, 0));
    assert_eq!((b.mode, b.uid, b.gid), (0o644, 3, 4));
    assert_eq!(kiln.build(&[]).digest, image.digest, "the content's digest is the cache's key");
    write(kiln.path("www/hello"), "other");
    kiln.file("Dockerfile", format!("FROM scratch\nADD --checksum={HELLO} {url}/hello /c\n"));
    kiln.build_fails(&[]).expect(1, "digest mismatch").expect(1, HELLO);
}

#[test]
fn archives_are_unpacked_when_asked() {
    let kiln = Kiln::new();
    write(kiln.path("tree/x"), "x");
    std::fs::create_dir(kiln.path("www")).unwrap();
    run("tar", &["-czf", "www/t.tgz", "-C", "tree", "x"], &kiln.path("."));
    let server = WebServer::start(kiln.path("www"));
    let url = &server.url;
    kiln.file(
        "Dockerfile",
        format!("FROM scratch\nADD {url}/t.tgz /p/\nADD --unpack {url}/t.tgz /u/\n"),
    );
    let image = kiln.build(&[]);
    assert!(image.layer(0).contains_key("p/t.tgz"));
    assert!(image.layer(1).contains_key("u/x"));
}

#[test]
fn what_cannot_be_fetched() {
    let kiln = Kiln::new();
    write(kiln.path("www/hello"), "hello");
    let server = WebServer::start(kiln.path("www"));
    let url = &server.url;
    let cases = HashMap::from([
        (format!("ADD {url}/none /"), (4, "404")),
        ("ADD http://127.0.0.1:1/x /".to_owned(), (4, "refused")),
        ("ADD http://169.254.169.254/latest/ /".to_owned(), (2, "metadata service")),
        (format!("ADD --checksum=md5:00 {url}/hello /"), (2, "md5")),
        (format!("ADD --checksum={HELLO} Dockerfile /"), (2, "HTTP(S) or Git")),
        (format!("ADD --checksum={HELLO} {url}/hello {url}/hello /"), (2, "multiple sources")),
        (format!("COPY {url}/hello /"), (2, "for COPY")),
    ]);
    for (instruction, (code, named)) in cases {
        kiln.file("Dockerfile", format!("FROM scratch\n{instruction}\n"));
        kiln.build_fails(&[]).expect(code, named);
    }
}

#[test]
fn a_git_repository_becomes_its_files() {
    if !have("git") {
        return;
    }
    let kiln = Kiln::new();
    let tree = kiln.path("tree");
    repository(&tree, &[("f", "f"), ("sub/g", "g")]);
    git(&tree, &["tag", "v1"]);
    let commit = git(&tree, &["rev-parse", "HEAD"]).trim().to_owned();
    publish(&tree, &kiln.path("www/r.git"));
    let server = WebServer::start(kiln.path("www"));
    let url = &server.url;
    kiln.file(
        "Dockerfile",
        format!(
            "FROM scratch\n\
             ADD {url}/r.git#main /a\n\
             ADD --checksum={commit} {url}/r.git#v1:sub /b\n\
             ADD --keep-git-dir=true {url}/r.git#v1 /c\n"
        ),
    );
    let image = kiln.build(&[]);
    let names = |index| image.layer(index).into_keys().collect::<Vec<_>>();
    assert_eq!(names(0), ["a", "a/f", "a/sub", "a/sub/g"]);
    assert_eq!(names(1), ["b", "b/g"]);
    assert!(names(2).contains(&"c/.git/HEAD".to_owned()));
    for (source, code, named) in [
        (format!("{url}/r.git#none"), 2, "none"),
        (format!("--checksum=00 {url}/r.git#main"), 1, "expected checksum"),
        (format!("{url}/absent.git#main"), 4, "absent.git"),
    ] {
        kiln.file("Dockerfile", format!("FROM scratch\nADD {source} /\n"));
        kiln.build_fails(&[]).expect(code, named);
    }
}

#[test]
fn a_password_in_a_url_is_never_shown() {
    let kiln = Kiln::with("FROM scratch\nADD http://user:hunter2@127.0.0.1:1/file /\n");
    let failed = kiln.build_fails(&[]);
    failed.expect(4, "127.0.0.1:1");
    assert!(!failed.stderr.contains("hunter2"), "{}", failed.stderr);
}

#[test]
fn a_signature_in_a_url_that_was_given_is_never_shown() {
    let kiln = Kiln::with("FROM scratch\nARG URL\nADD $URL /\n");
    let failed = kiln.build_fails(&["--build-arg", "URL=http://127.0.0.1:1/file?sig=hunter2"]);
    failed.expect(4, "127.0.0.1:1/file?xxxxx");
    assert!(!failed.stderr.contains("hunter2"), "{}", failed.stderr);
}

#[test]
fn what_a_checksum_names_is_not_fetched_again() {
    let kiln = Kiln::new();
    write(kiln.path("www/hello"), "hello");
    let server = WebServer::start(kiln.path("www"));
    let add = format!("FROM scratch\nADD --checksum={HELLO} {}/hello /c\n", server.url);
    kiln.file("Dockerfile", add);
    let first = kiln.build(&[]);
    assert_eq!(server.count("/hello"), 1);
    assert_eq!(kiln.build(&[]).digest, first.digest);
    assert_eq!(server.count("/hello"), 1, "the cache answers by the checksum");
    kiln.build(&["--no-cache"]);
    assert_eq!(server.count("/hello"), 2);
}

#[test]
fn a_secret_opens_a_file() {
    let mut kiln = Kiln::new();
    write(kiln.path("www/hello"), "hello");
    let server = WebServer::start_guarded(kiln.path("www"), "Bearer hunter2");
    kiln.file("Dockerfile", format!("FROM scratch\nADD {}/hello /\n", server.url));
    kiln.env("TOKEN", "hunter2").env("HEADER", "Bearer hunter2");
    kiln.build_fails(&[]).expect(4, "401");
    kiln.build(&["--secret", "id=HTTP_AUTH_TOKEN_127.0.0.1,env=TOKEN"]);
    kiln.build(&["--no-cache", "--secret", "id=HTTP_AUTH_HEADER_127.0.0.1,env=HEADER"]);
    kiln.build_fails(&["--secret", "id=HTTP_AUTH_TOKEN_localhost,env=TOKEN"]).expect(4, "401");
    // Whoever is redirected to takes no login along.
    let moved = WebServer::start_moved(&server.url.replace("127.0.0.1", "localhost"));
    kiln.file("Dockerfile", format!("FROM scratch\nADD {}/hello /\n", moved.url));
    kiln.build_fails(&["--secret", "id=HTTP_AUTH_TOKEN_127.0.0.1,env=TOKEN"]).expect(4, "401");
}

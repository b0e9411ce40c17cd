//! ADD of URLs and of git repositories, from a server on loopback.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use crate::support::{Kiln, have, run, write};

const HELLO: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// Serves the files of a directory until the test's process ends; gives its URL.
fn serve(root: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let root = root.clone();
            std::thread::spawn(move || answer(stream, &root));
        }
    });
    url
}

fn answer(mut stream: TcpStream, root: &Path) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    while lines.next().is_some_and(|line| !line.is_empty()) {}
    let path = request.split(' ').nth(1).unwrap_or("/").split('?').next().unwrap_or("/");
    let file = root.join(path.trim_start_matches('/'));
    let (status, body) = match std::fs::read(file) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\
         Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n",
        body.len()
    );
    // A client that has read enough may hang up.
    let _hung_up = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

#[test]
fn a_url_becomes_a_file() {
    let kiln = Kiln::new();
    write(kiln.path("www/hello"), "hello");
    let url = serve(kiln.path("www"));
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
    kiln.build_fails(&[]).expect(1, "digest mismatch").expect(1, HELLO);
}

#[test]
fn archives_are_unpacked_when_asked() {
    let kiln = Kiln::new();
    write(kiln.path("tree/x"), "x");
    std::fs::create_dir(kiln.path("www")).unwrap();
    run("tar", &["-czf", "www/t.tgz", "-C", "tree", "x"], &kiln.path("."));
    let url = serve(kiln.path("www"));
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
    let url = serve(kiln.path("www"));
    let cases = HashMap::from([
        (format!("ADD {url}/none /"), (4, "404")),
        ("ADD http://127.0.0.1:1/x /".to_owned(), (4, "refused")),
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
    write(tree.join("f"), "f");
    write(tree.join("sub/g"), "g");
    let git = |args: &[&str]| {
        let user = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
        run("git", &[&user[..], args].concat(), &tree)
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message=one"]);
    git(&["tag", "v1"]);
    let commit = git(&["rev-parse", "HEAD"]).trim().to_owned();
    git(&["clone", "--quiet", "--bare", ".", "../www/r.git"]);
    run("git", &["update-server-info"], &kiln.path("www/r.git"));
    let url = serve(kiln.path("www"));
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

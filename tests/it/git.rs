//! Git repositories with submodules and over SSH, in ADD and as contexts.

use crate::support::git::{commit_all, git, publish, repository};
use crate::support::sshd::Sshd;
use crate::support::{Kiln, WebServer, have, write};

/// A repository `main` with a submodule `part`, and bare copies of both in `www`.
fn with_submodule() -> Option<Kiln> {
    if !have("git") {
        return None;
    }
    let kiln = Kiln::new();
    repository(&kiln.path("part"), &[("p", "p")]);
    let tree = kiln.path("tree");
    repository(&tree, &[("f", "f"), ("Dockerfile", "FROM scratch\nCOPY . /\n")]);
    publish(&kiln.path("part"), &kiln.path("www/part.git"));
    let part = kiln.path("www/part.git");
    git(&tree, &["submodule", "--quiet", "add", part.to_str().unwrap(), "part"]);
    // As it is found from wherever the repository lies.
    write(tree.join(".gitmodules"), "[submodule \"part\"]\n\tpath = part\n\turl = ../part.git\n");
    commit_all(&tree);
    publish(&tree, &kiln.path("www/main.git"));
    Some(kiln)
}

/// Publishes `main` again, with its submodule at another URL.
fn move_submodule(kiln: &Kiln, url: &str) {
    let tree = kiln.path("tree");
    let modules = format!("[submodule \"part\"]\n\tpath = part\n\turl = {url}\n");
    write(tree.join(".gitmodules"), modules);
    commit_all(&tree);
    let _absent = std::fs::remove_dir_all(kiln.path("www/main.git"));
    publish(&tree, &kiln.path("www/main.git"));
}

fn names(kiln: &Kiln, add: &str, args: &[&str]) -> Vec<String> {
    kiln.file("Dockerfile", format!("FROM scratch\nADD {add} /\n"));
    kiln.build(args).last_layer().into_keys().collect()
}

#[test]
fn submodules_come_along_unless_told() {
    let Some(kiln) = with_submodule() else { return };
    let server = WebServer::start(kiln.path("www"));
    let url = format!("{}/main.git", server.url);
    let with = [".gitmodules", "Dockerfile", "f", "part", "part/p"];
    assert_eq!(names(&kiln, &url, &[]), with);
    let without = names(&kiln, &format!("{url}?submodules=false"), &[]);
    assert!(!without.contains(&"part/p".to_owned()), "{without:?}");
    let kept = names(&kiln, &format!("--keep-git-dir=true {url}#main"), &[]);
    assert!(kept.contains(&".git/HEAD".to_owned()) && kept.contains(&"part/p".to_owned()));
}

#[test]
fn a_submodule_reads_no_file_of_this_machine() {
    let Some(kiln) = with_submodule() else { return };
    let local = kiln.path("www/part.git");
    for url in [local.to_str().unwrap(), &format!("file://{}", local.display()), "ext::sh -c id"] {
        move_submodule(&kiln, url);
        let server = WebServer::start(kiln.path("www"));
        kiln.file("Dockerfile", format!("FROM scratch\nADD {}/main.git /\n", server.url));
        kiln.build_fails(&[]).expect(4, "failed to update submodules");
    }
}

#[test]
fn a_repository_over_ssh_with_the_agents_key() {
    let Some(kiln) = with_submodule() else { return };
    let Some(sshd) = Sshd::start(&kiln.path("ssh")) else { return };
    let url = format!("ssh://root@127.0.0.1:{}{}", sshd.port, kiln.path("www/main.git").display());
    let agent = format!("default={}", sshd.agent.display());
    let with = [".gitmodules", "Dockerfile", "f", "part", "part/p"];
    assert_eq!(names(&kiln, &url, &["--ssh", &agent]), with);
    let out = kiln.path("out");
    let output = format!("type=oci,dest={}", out.display());
    kiln.run(["build", &format!("{url}#main"), "--ssh", &agent, "--output", &output, "--no-cache"])
        .expect(0, "load remote build context ssh://");
    kiln.file("Dockerfile", format!("FROM scratch\nADD {url}#main /\n"));
    kiln.build_fails(&["--no-cache"]).expect(4, "Permission denied");
}

#[test]
fn a_token_opens_a_repository_and_its_submodules() {
    let Some(mut kiln) = with_submodule() else { return };
    // x-access-token:hunter2
    let server =
        WebServer::start_guarded(kiln.path("www"), "basic eC1hY2Nlc3MtdG9rZW46aHVudGVyMg==");
    let url = format!("{}/main.git", server.url);
    let host = server.url.trim_start_matches("http://");
    kiln.env("TOKEN", "hunter2");
    let own = format!("id=GIT_AUTH_TOKEN.{host},env=TOKEN");
    let wrong = "id=GIT_AUTH_TOKEN,env=HOME";
    // As in BuildKit a token is for the repository that was named, elsewhere than on GitHub.
    let add = format!("{url}?submodules=false");
    let with = [".gitmodules", "Dockerfile", "f", "part"];
    assert_eq!(names(&kiln, &add, &["--secret", &own, "--secret", wrong]), with);
    assert_eq!(names(&kiln, &add, &["--secret", "id=GIT_AUTH_TOKEN,env=TOKEN"]), with);
    kiln.file("token", "basic eC1hY2Nlc3MtdG9rZW46aHVudGVyMg==\n");
    let header = format!("id=GIT_AUTH_HEADER,src={}", kiln.context().join("token").display());
    assert_eq!(names(&kiln, &add, &["--secret", &header]), with);
    let output = format!("type=oci,dest={}", kiln.path("out").display());
    kiln.run([
        "build",
        &format!("{add}#main"),
        "--secret",
        &own,
        "--output",
        &output,
        "--no-cache",
    ])
    .expect(0, "load remote build context");
    kiln.build_fails(&["--secret", wrong]).expect(4, "wants a login");
    let failed = kiln.build_fails(&[]);
    assert!(!failed.stderr.contains("hunter2"), "{}", failed.stderr);
}

#[test]
fn a_kept_repository_holds_no_password() {
    let Some(kiln) = with_submodule() else { return };
    let server = WebServer::start(kiln.path("www"));
    let url = server.url.replace("http://", "http://user:hunter2@");
    kiln.file("Dockerfile", format!("FROM scratch\nADD --keep-git-dir=true {url}/main.git /\n"));
    let layer = kiln.build(&[]).last_layer();
    assert!(layer.contains_key(".git/modules/part/config"), "{:?}", layer.keys());
    for (name, entry) in &layer {
        let content = String::from_utf8_lossy(&entry.content);
        assert!(!content.contains("hunter2"), "{name}: {content}");
        assert!(!content.contains("gitconfig"), "{name}: {content}");
    }
}

#[test]
fn a_redirect_is_followed_unless_it_leads_to_a_metadata_service() {
    let Some(kiln) = with_submodule() else { return };
    let server = WebServer::start(kiln.path("www"));
    let moved = WebServer::start_moved(&server.url);
    let with = [".gitmodules", "Dockerfile", "f", "part", "part/p"];
    assert_eq!(names(&kiln, &format!("{}/main.git", moved.url), &[]), with);
    let trap = WebServer::start_moved("http://169.254.169.254");
    kiln.file("Dockerfile", format!("FROM scratch\nADD {}/main.git /\n", trap.url));
    kiln.build_fails(&[]).expect(2, "metadata service");
    // A submodule's server is as little trusted.
    move_submodule(&kiln, &format!("{}/part.git", trap.url));
    kiln.file("Dockerfile", format!("FROM scratch\nADD {}/main.git /\n", server.url));
    kiln.build_fails(&[]).expect(2, "metadata service");
}

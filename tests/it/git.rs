//! Git repositories with submodules and over SSH, in ADD and as contexts.

use crate::support::git::{commit_all, git, publish, repository};
use crate::support::sshd::Sshd;
use crate::support::{Kiln, WebServer, have, write};

/// A repository `main` with a submodule `part`, and bare copies of both in `www`.
fn with_submodule(kiln: &Kiln) {
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
}

fn names(kiln: &Kiln, add: &str, args: &[&str]) -> Vec<String> {
    kiln.file("Dockerfile", format!("FROM scratch\nADD {add} /\n"));
    kiln.build(args).last_layer().into_keys().collect()
}

#[test]
fn submodules_come_along_unless_told() {
    if !have("git") {
        return;
    }
    let kiln = Kiln::new();
    with_submodule(&kiln);
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
    if !have("git") {
        return;
    }
    let kiln = Kiln::new();
    with_submodule(&kiln);
    let tree = kiln.path("tree");
    let local = kiln.path("www/part.git");
    for url in [local.to_str().unwrap(), &format!("file://{}", local.display()), "ext::sh -c id"] {
        write(
            tree.join(".gitmodules"),
            format!("[submodule \"part\"]\n\tpath = part\n\turl = {url}\n"),
        );
        commit_all(&tree);
        let _absent = std::fs::remove_dir_all(kiln.path("www/main.git"));
        publish(&tree, &kiln.path("www/main.git"));
        let server = WebServer::start(kiln.path("www"));
        kiln.file("Dockerfile", format!("FROM scratch\nADD {}/main.git /\n", server.url));
        kiln.build_fails(&[]).expect(4, "failed to update submodules");
    }
}

#[test]
fn a_repository_over_ssh_with_the_agents_key() {
    let kiln = Kiln::new();
    let Some(sshd) = Sshd::start(&kiln.path("ssh")) else { return };
    with_submodule(&kiln);
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

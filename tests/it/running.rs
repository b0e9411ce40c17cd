//! RUN.

use crate::support::{Kiln, base};

/// A build on the busybox base; nothing where there is none.
fn on_busybox(dockerfile: &str) -> Option<(Kiln, String)> {
    let layout = base("busybox")?;
    Some((Kiln::with(dockerfile), Kiln::base_arg("base", &layout)))
}

#[test]
fn shell_exec_and_heredoc_forms() {
    let Some((kiln, base)) = on_busybox(
        "FROM base\n\
         ARG A=arg\n\
         ENV E=env\n\
         WORKDIR /w\n\
         RUN echo \"$A $E $PWD\" > one\n\
         RUN [\"/bin/sh\", \"-c\", \"echo $0 > two\"]\n\
         RUN <<EOF\necho first > three\necho second >> three\nEOF\n\
         RUN <<EOF cat > four\ndata $A\nEOF\n\
         RUN <<EOF\n#!/bin/cat\n# shown by cat\nEOF\n\
         SHELL [\"/bin/sh\", \"-ec\"]\n\
         RUN echo $- > five\n",
    ) else {
        return;
    };
    let image = kiln.build(&["--build-context", &base]);
    let content = |from_end: usize, name: &str| {
        let layer = image.layer(image.layer_count() - 1 - from_end);
        String::from_utf8(layer[name].content.clone()).unwrap()
    };
    assert_eq!(content(5, "w/one"), "arg env /w\n");
    assert_eq!(content(4, "w/two"), "/bin/sh\n");
    assert_eq!(content(3, "w/three"), "first\nsecond\n");
    assert_eq!(content(2, "w/four"), "data arg\n");
    assert!(image.layer(image.layer_count() - 2).is_empty());
    assert!(content(0, "w/five").contains('e'));
    assert_eq!(image.history(0), "RUN |1 A=arg /bin/sh -ec echo $- > five # buildkit");
}

#[test]
fn a_nul_byte_is_the_inputs_fault_whatever_runs_the_step() {
    let Some((kiln, base)) = on_busybox("FROM base\nRUN echo a\0b\n") else { return };
    let other = "FROM base\nENV A=a\0b\nRUN echo $A\n";
    for dockerfile in [None, Some(other)] {
        if let Some(text) = dockerfile {
            kiln.file("Dockerfile", text);
        }
        kiln.build_fails(&["--build-context", &base]).expect(2, "holds a NUL byte");
    }
}

#[test]
fn users_are_looked_up_in_the_image() {
    let Some((kiln, base)) = on_busybox(
        "FROM base\n\
         RUN echo app:x:1234:2345::/home/app:/bin/sh >> /etc/passwd; \
             echo app:x:2345: >> /etc/group; echo more:x:99:app >> /etc/group; \
             mkdir -m 777 /out\n\
         USER app\n\
         RUN id > /out/a; echo $HOME >> /out/a\n\
         USER app:more\n\
         RUN id > /out/b\n\
         USER 42\n\
         RUN id > /out/c\n\
         WORKDIR /made/by/42\n",
    ) else {
        return;
    };
    let image = kiln.build(&["--build-context", &base]);
    let count = image.layer_count();
    let text = |layer: usize, name: &str| {
        String::from_utf8(image.layer(layer)[name].content.clone()).unwrap()
    };
    assert_eq!(
        text(count - 4, "out/a"),
        "uid=1234(app) gid=2345(app) groups=99(more),2345(app)\n/home/app\n"
    );
    assert_eq!(text(count - 3, "out/b"), "uid=1234(app) gid=99(more) groups=99(more)\n");
    assert_eq!(text(count - 2, "out/c"), "uid=42 gid=0(root) groups=0(root)\n");
    let made = &image.last_layer()["made/by/42"];
    assert_eq!((made.uid, made.gid), (42, 42));
}

#[test]
fn changes_become_layers_and_deletions_whiteouts() {
    let Some((kiln, base)) = on_busybox(
        "FROM base\n\
         RUN mkdir -p /d/e && echo 1 > /d/f && ln /d/f /d/hard && ln -s f /d/soft && \
             mkfifo /d/fifo && chmod 4755 /d/f && chown 3:4 /d/e\n\
         RUN rm -r /d/e /d/soft && echo 2 >> /d/f\n\
         RUN rm -rf /d && mkdir /d && echo 3 > /d/new\n\
         RUN rm -rf /d && echo now a file > /d\n\
         RUN chmod 700 /tmp\n",
    ) else {
        return;
    };
    let image = kiln.build(&["--build-context", &base]);
    let names = |index: usize| image.layer(index).into_keys().collect::<Vec<_>>();
    let first = image.layer(1);
    assert_eq!(first.keys().collect::<Vec<_>>(), ["d", "d/e", "d/f", "d/fifo", "d/hard", "d/soft"]);
    assert_eq!(first["d/f"].mode, 0o4755);
    assert_eq!(first["d/hard"].link.as_deref(), Some("d/f"));
    assert_eq!((first["d/e"].uid, first["d/e"].gid), (3, 4));
    assert_eq!(names(2), ["d", "d/.wh.e", "d/.wh.soft", "d/f", "d/hard"]);
    let third = names(3);
    assert!(third.contains(&"d/new".to_owned()), "{third:?}");
    let gone = third.contains(&"d/.wh..wh..opq".to_owned())
        || ["d/.wh.f", "d/.wh.hard", "d/.wh.fifo"].iter().all(|w| third.contains(&(*w).to_owned()));
    assert!(gone, "what was deleted comes back: {third:?}");
    assert_eq!(names(4), ["d"]);
    assert_eq!(names(5), ["tmp"]);
}

#[test]
fn nothing_is_left_of_the_steps_surroundings() {
    let Some((kiln, base)) = on_busybox("FROM base\nRUN true\nRUN ls /proc /sys /dev /etc\n")
    else {
        return;
    };
    let image = kiln.build(&["--build-context", &base, "--add-host", "db:10.1.2.3"]);
    assert!(image.layer(1).is_empty(), "{:?}", image.layer(1).keys());
    assert!(image.layer(2).is_empty(), "{:?}", image.layer(2).keys());
}

#[test]
fn network_none_and_extra_hosts() {
    let Some((kiln, base)) = on_busybox(
        "FROM base\n\
         RUN --network=none ip -o addr | grep -v 'lo ' && exit 1 || true\n\
         RUN grep -q '10.1.2.3.*db' /etc/hosts\n",
    ) else {
        return;
    };
    kiln.build(&["--build-context", &base, "--add-host", "db:10.1.2.3"]);
}

#[test]
fn mounts_are_there_for_the_step_alone() {
    let Some((kiln, base)) = on_busybox(
        "FROM base AS tools\nRUN echo tool > /tool\n\
         FROM base\n\
         RUN --mount=type=bind,from=tools,source=/tool,target=/m/tool \
             --mount=type=tmpfs,target=/scratch --mount=type=cache,id=c,target=/cache \
             cp /m/tool /copy; echo x > /scratch/x; echo kept > /cache/kept\n\
         RUN --mount=type=cache,id=c,target=/elsewhere cp /elsewhere/kept /kept\n",
    ) else {
        return;
    };
    let image = kiln.build(&["--build-context", &base]);
    assert_eq!(image.layer(1).into_keys().collect::<Vec<_>>(), ["copy"]);
    assert_eq!(image.layer(2)["kept"].content, b"kept\n");
}

#[test]
fn the_cache_is_used_and_can_be_refused() {
    let Some((kiln, base)) =
        on_busybox("FROM base\nCOPY f /f\nRUN cat /proc/sys/kernel/random/uuid > /uuid\n")
    else {
        return;
    };
    kiln.file("f", "1");
    let args = ["--build-context", base.as_str()];
    let first = kiln.build(&args);
    let layer = first.last_layer();
    assert_eq!(kiln.build(&args).digest, first.digest, "cached");
    kiln.file("f", "2");
    assert_ne!(kiln.build(&args).last_layer(), layer, "changed input");
    kiln.file("f", "1");
    assert_eq!(kiln.build(&args).last_layer(), layer, "old input");
    let fresh = kiln.build(&[args[0], args[1], "--no-cache"]);
    assert_ne!(fresh.last_layer(), layer, "--no-cache");
}

#[test]
fn secrets_reach_the_step_and_nothing_else() {
    let Some((mut kiln, base)) = on_busybox(
        "FROM base\n\
         RUN --mount=type=secret,id=token,required=true \
             --mount=type=secret,id=other,env=OTHER,target=/o \
             [ $(stat -c %a /run/secrets/token) = 400 ] && \
             [ $(md5sum < /run/secrets/token | cut -c1-8) = eb178237 ] && \
             [ ${#OTHER} = 12 ] && [ \"$(cat /o)\" = $OTHER ]\n\
         RUN --mount=type=secret,id=absent [ ! -e /run/secrets/absent ]\n",
    ) else {
        return;
    };
    kiln.env("HIDDEN", "hidden-value");
    let file = kiln.path("token");
    crate::support::write(&file, "top-secret");
    let token = format!("id=token,src={}", file.display());
    let args = ["--build-context", &base, "--secret", &token, "--secret", "id=other,env=HIDDEN"];
    let image = kiln.build(&args);
    assert!(image.layer(1).is_empty(), "{:?}", image.layer(1).keys());
    let search = "! grep -rqF -e top-secret -e hidden-value work";
    crate::support::run("sh", &["-c", search], &kiln.path(""));
    kiln.file("Dockerfile", "FROM base\nRUN --mount=type=secret,id=none,required=true true\n");
    kiln.build_fails(&["--build-context", &base]).expect(2, "secret none: not found");
}

#[test]
fn the_context_can_be_mounted_and_scribbled_on() {
    let Some((kiln, base)) = on_busybox(
        "FROM base\n\
         RUN --mount=target=/ctx ls -l /ctx/dir && [ ! -e /ctx/hidden ] && ! touch /ctx/new\n\
         RUN --mount=source=dir,target=/d,rw cat /d/f && echo changed > /d/f && touch /d/new\n\
         RUN --mount=type=bind,source=dir/f,target=/one cat /one > /copy\n",
    ) else {
        return;
    };
    kiln.file("dir/f", "original\n").file("hidden", "").file(".dockerignore", "hidden\n");
    let image = kiln.build(&["--build-context", &base]);
    assert!(image.layer(1).is_empty() && image.layer(2).is_empty());
    assert_eq!(image.layer(3)["copy"].content, b"original\n");
    assert_eq!(std::fs::read_to_string(kiln.context().join("dir/f")).unwrap(), "original\n");
    assert!(!kiln.context().join("dir/new").exists());
}

#[test]
fn an_agents_socket_is_passed_in() {
    let Some((kiln, base)) =
        on_busybox("FROM base\nRUN --mount=type=ssh,required=true [ -S \"$SSH_AUTH_SOCK\" ]\n")
    else {
        return;
    };
    let socket = kiln.path("agent.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let spec = format!("default={}", socket.display());
    let image = kiln.build(&["--build-context", &base, "--ssh", &spec]);
    assert!(image.last_layer().is_empty());
}

#[test]
fn a_stage_inherits_the_variables_of_the_stage_it_is_based_on() {
    let kiln = Kiln::with(
        "FROM scratch AS base\nARG FILE=Dockerfile\nENV KEPT=yes\n\
         FROM base\nCOPY $FILE /copied\nLABEL kept=$KEPT\n",
    );
    let image = kiln.build(&[]);
    assert_eq!(image.last_layer().into_keys().collect::<Vec<_>>(), ["copied"]);
    assert_eq!(image.config["config"]["Labels"]["kept"], "yes");
}

#[test]
fn limits_and_host_name_of_steps() {
    let Some((kiln, base)) = on_busybox(
        "FROM base\n\
         RUN ulimit -n > /limits; ulimit -Hn >> /limits; hostname >> /limits; \
             grep -c 'localhost builder$' /etc/hosts >> /limits\n",
    ) else {
        return;
    };
    let args = ["--build-context", &base, "--build-arg", "BUILDKIT_SANDBOX_HOSTNAME=builder"];
    let image = kiln.build(&[&args[..], &["--ulimit", "nofile=1062:1100"]].concat());
    assert_eq!(image.layer(image.layer_count() - 1)["limits"].content, b"1062\n1100\nbuilder\n1\n");
    // Other limits are another step.
    let image = kiln.build(&[&args[..], &["--ulimit", "nofile=1000"]].concat());
    assert_eq!(image.layer(image.layer_count() - 1)["limits"].content, b"1000\n1000\nbuilder\n1\n");
    kiln.build_fails(&["--ulimit", "files=1"]).expect(2, "there is no limit `files`");
}

#[test]
fn a_locked_cache_can_be_mounted_twice() {
    let Some((kiln, base)) = on_busybox(
        "FROM base\n\
         RUN --mount=type=cache,id=c,target=/a,sharing=locked \
             --mount=type=cache,id=c,target=/b,sharing=locked echo x > /a/f && cat /b/f > /got\n",
    ) else {
        return;
    };
    let image = kiln.build(&["--build-context", &base]);
    assert_eq!(image.layer(image.layer_count() - 1)["got"].content, b"x\n");
}

#[test]
fn what_a_step_reads_of_another_stage_counts_and_no_more() {
    let dockerfile = |from: &str| {
        format!(
            "FROM base AS build\nCOPY cachebust /\nRUN mkdir out && echo foo > out/foo\n\
             FROM base AS second\n\
             RUN --mount=from=build,src=out,target=/out,rw touch /out/bar && \
             head -c 100 /dev/urandom > /unique\n\
             FROM scratch\n{from}\nCOPY --from=second /unique /u\n"
        )
    };
    let copy = "COPY --from=build /out /o";
    let Some((kiln, base)) = on_busybox(&dockerfile(copy)) else { return };
    kiln.file("cachebust", "0");
    let args = ["--build-context", base.as_str()];
    // Each build replaces the output of the one before.
    let layers = || {
        let image = kiln.build(&args);
        [image.layer(0), image.last_layer()]
    };
    let first = layers();
    kiln.file("cachebust", "1");
    assert_eq!(layers(), first, "a step ran again");
    // What it reads changed.
    kiln.file("Dockerfile", dockerfile(copy).replace("echo foo", "echo bar"));
    let [copied, made] = layers();
    assert_ne!(copied, first[0]);
    assert_ne!(made, first[1]);
}

#[test]
fn a_cache_mount_is_told_by_its_id_and_what_it_starts_with() {
    let Some((kiln, base)) = on_busybox(
        "FROM base\n\
         RUN --mount=type=cache,target=c,id=x touch c/plain\n\
         RUN --mount=type=cache,target=/c,id=x,uid=7 ls /c > /owned; touch /c/owned\n\
         WORKDIR /a\nRUN --mount=type=cache,target=rel touch rel/a\n\
         WORKDIR /b\nRUN --mount=type=cache,target=rel ls rel > /rel\n",
    ) else {
        return;
    };
    let args = ["--build-context", base.as_str()];
    let image = kiln.build(&args);
    let text = |image: &crate::support::Image, from_end: usize, name: &str| {
        let layer = image.layer(image.layer_count() - 1 - from_end);
        String::from_utf8(layer[name].content.clone()).unwrap()
    };
    assert_eq!(text(&image, 0, "rel"), "a\n", "both are the cache `rel`");
    assert_eq!(text(&image, 4, "owned"), "", "another owner's cache is another one");
    let namespaced =
        [&args[..], &["--no-cache", "--build-arg", "BUILDKIT_CACHE_MOUNT_NS=n"]].concat();
    kiln.file("Dockerfile", "FROM base\nRUN --mount=type=cache,target=/c,id=x ls /c > /l\n");
    assert_eq!(text(&kiln.build(&args), 0, "l"), "plain\n");
    assert_eq!(text(&kiln.build(&namespaced), 0, "l"), "");
}

//! What another builder of pods is known to get wrong, one test a fault.
//!
//! Elsewhere: `COPY --parents` and `--exclude` in `copying.rs`; SSH mounts in `running.rs`; an
//! unresolvable FROM in an unused stage in `multi_stage.rs` and `planning.rs`; hostile layers in the
//! tests of `kiln-rootfs`, hostile archives in `contexts.rs`.

use std::os::unix::fs::{PermissionsExt, symlink};

use crate::support::{Image, Kiln, WebServer, base, run, write};

/// Builds on a base whose files are in `tree`, made by a first build.
fn with_base(kiln: &Kiln, args: &[&str]) -> Option<Image> {
    let busybox = base("busybox")?;
    let named = Kiln::base_arg("base", &busybox);
    Some(kiln.build(&[&["--build-context", &named][..], args].concat()))
}

#[test]
fn a_wrong_checksum_fails_the_build() {
    let kiln = Kiln::new();
    write(kiln.path("www/f"), "f");
    let server = WebServer::start(kiln.path("www"));
    let zeros = "0".repeat(64);
    kiln.file(
        "Dockerfile",
        format!("FROM scratch\nADD --checksum=sha256:{zeros} {}/f /\n", server.url),
    );
    kiln.build_fails(&[]).expect(1, "digest mismatch");
}

#[test]
fn a_heredoc_is_run_and_its_body_is_part_of_the_key() {
    let kiln = Kiln::with("FROM base\nRUN <<'EOF'\necho \"one $HOME\" > /x\nEOF\n");
    let Some(first) = with_base(&kiln, &[]) else { return };
    assert_eq!(first.last_layer()["x"].content, b"one /root\n");
    kiln.file("Dockerfile", "FROM base\nRUN <<'EOF'\necho \"two $HOME\" > /x\nEOF\n");
    let Some(second) = with_base(&kiln, &[]) else { return };
    assert_eq!(second.last_layer()["x"].content, b"two /root\n");
    kiln.file("Dockerfile", "FROM scratch\nCOPY <<a <<b /\nx\na\ny\nb\n");
    let one = kiln.build(&[]);
    kiln.file("Dockerfile", "FROM scratch\nCOPY <<a <<b /\nx\ny\na\nb\n");
    assert_ne!(kiln.build(&[]).digest, one.digest, "the bodies are framed by their lengths");
}

#[test]
fn a_step_mounts_from_a_stage_and_an_image() {
    let kiln = Kiln::with(
        "FROM scratch AS files\nCOPY f /d/f\nFROM base\n\
         RUN --mount=type=bind,from=files,source=/d,target=/m cat /m/f > /from-stage\n\
         RUN --mount=from=base,source=/bin,target=/m ls /m > /from-image\n\
         RUN --mount=type=tmpfs,target=/t,size=1m echo x > /t/x && cat /t/x > /kept\n",
    );
    kiln.file("f", "content");
    let Some(image) = with_base(&kiln, &[]) else { return };
    let count = image.layer_count();
    assert_eq!(image.layer(count - 3)["from-stage"].content, b"content");
    assert!(image.layer(count - 2)["from-image"].content.starts_with(b"["));
    let last = image.last_layer();
    assert_eq!(last["kept"].content, b"x\n");
    assert!(!last.contains_key("t/x") && !last.contains_key("m/f"));
}

#[test]
fn tmp_keeps_its_sticky_bit() {
    let kiln = Kiln::with("FROM base\nRUN echo x > /tmp/x\nFROM base\nCOPY --from=0 /tmp /tmp\n");
    let Some(image) = with_base(&kiln, &["--target", "0"]) else { return };
    assert_eq!(image.last_layer()["tmp"].mode, 0o1777);
    let Some(image) = with_base(&kiln, &[]) else { return };
    assert_eq!(image.last_layer()["tmp"].mode, 0o1777);
}

#[test]
fn excess_parents_in_symlinks_end_at_the_root() {
    let kiln = Kiln::with(
        "FROM scratch AS a\nCOPY tree /\nCOPY f /up/f\nFROM scratch\nCOPY --from=a /up/f /g\n",
    );
    kiln.file("f", "f").file("tree/real/keep", "");
    symlink("../../../../../../real", kiln.context().join("tree/up")).unwrap();
    let image = kiln.build(&["--target", "a"]);
    assert_eq!(image.last_layer()["real/f"].content, b"f");
    assert_eq!(kiln.build(&[]).last_layer()["g"].content, b"f");
    assert!(!kiln.path("real").exists());
}

#[test]
fn parents_that_are_made_belong_to_whom_buildkit_gives_them() {
    let kiln = Kiln::with(
        "FROM scratch\nCOPY --chown=7:8 --chmod=640 f /a/b/f\nCOPY --chown=7:8 d /x/y\nCOPY f /p/q/f\n",
    );
    kiln.file("f", "").file("d/e/g", "");
    run("chmod", &["-R", "u=rwX,go=rX", "."], &kiln.context());
    let image = kiln.build(&[]);
    let shown = |index: usize, path: &str| {
        let layer = image.layer(index);
        (layer[path].mode, layer[path].uid, layer[path].gid)
    };
    assert_eq!(shown(0, "a"), (0o640, 7, 8));
    assert_eq!(shown(0, "a/b/f"), (0o640, 7, 8));
    assert_eq!(shown(1, "x"), (0o755, 7, 8));
    assert_eq!(shown(1, "x/y/e"), (0o755, 7, 8));
    assert_eq!(shown(2, "p/q"), (0o755, 0, 0));
}

#[test]
fn set_uid_bits_and_capabilities_survive_a_copy_between_stages() {
    let kiln = Kiln::with(
        "FROM scratch AS a\nADD files.tar /\nFROM scratch\nCOPY --from=a /suid /caps /\n",
    );
    let mut builder = tar::Builder::new(Vec::new());
    let capability: &[u8] = b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    for (name, mode) in [("suid", 0o4755), ("caps", 0o755)] {
        if name == "caps" {
            builder
                .append_pax_extensions([("SCHILY.xattr.security.capability", capability)])
                .unwrap();
        }
        let mut header = tar::Header::new_ustar();
        header.set_size(1);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, name, &b"x"[..]).unwrap();
    }
    kiln.file("files.tar", builder.into_inner().unwrap());
    let layer = kiln.build(&[]).last_layer();
    assert_eq!(layer["suid"].mode, 0o4755);
    assert_eq!(layer["caps"].pax["SCHILY.xattr.security.capability"], capability);
}

#[test]
fn a_removed_file_leaves_a_whiteout_and_no_file_of_that_name() {
    let kiln = Kiln::with(
        "FROM base\nRUN echo x > /gone && mkdir /dir && echo y > /dir/in\nRUN rm -r /gone /dir\n\
         RUN ls -a / /bin | grep -c '^[.]wh[.]' > /seen || true\n",
    );
    let Some(image) = with_base(&kiln, &[]) else { return };
    let removed = image.layer(image.layer_count() - 2);
    assert_eq!(removed.keys().collect::<Vec<_>>(), [".wh.dir", ".wh.gone"]);
    assert_eq!(image.last_layer()["seen"].content, b"0\n", "a step sees no whiteout");
}

#[test]
fn a_step_leaves_no_process_behind() {
    let kiln = Kiln::with(
        "FROM base\nRUN (sleep 3217 &) ; sleep 3217 & (exit 3) & echo started\nRUN ps > /after\n",
    );
    let Some(image) = with_base(&kiln, &[]) else { return };
    let after = String::from_utf8(image.last_layer()["after"].content.clone()).unwrap();
    assert!(!after.contains("3217") && !after.contains("[sh]"), "{after}");
    let own = format!("KILN_WORK_DIR={}", kiln.path("work").display());
    let left = std::fs::read_dir("/proc").unwrap().flatten().filter(|process| {
        let read = |file: &str| std::fs::read(process.path().join(file)).unwrap_or_default();
        let has = |bytes: Vec<u8>, text: &str| {
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        };
        has(read("cmdline"), "3217") && has(read("environ"), &own)
    });
    assert_eq!(left.count(), 0, "a step's process is still there");
}

#[test]
fn files_of_the_context_keep_their_modes() {
    let kiln = Kiln::with("FROM scratch\nCOPY x /\nCOPY --chmod=u+s,g-w x /y\n");
    kiln.file("x", "");
    std::fs::set_permissions(kiln.context().join("x"), std::fs::Permissions::from_mode(0o664))
        .unwrap();
    let image = kiln.build(&[]);
    assert_eq!(image.layer(0)["x"].mode, 0o664);
    assert_eq!(image.layer(1)["y"].mode, 0o4644);
}

#[test]
fn a_pulled_bases_triggers_need_stages() {
    let kiln = Kiln::with(
        "FROM scratch\nONBUILD COPY --from=helper /made /triggered\nONBUILD ARG V=1\nLABEL a=b\n",
    );
    kiln.build(&[]);
    let base = kiln.path("base");
    std::fs::rename(kiln.path("out"), &base).unwrap();
    kiln.file("Dockerfile", "FROM scratch AS helper\nCOPY f /made\nFROM pulled\n");
    kiln.file("f", "f");
    let image = kiln.build(&["--build-context", &Kiln::base_arg("pulled", &base)]);
    assert_eq!(image.last_layer()["triggered"].content, b"f");
    assert_eq!(image.config["config"].get("OnBuild"), None);
}

#[test]
fn an_argument_of_one_stage_is_not_anothers() {
    let kiln = Kiln::with(
        "FROM base AS one\nARG V=leaked\nRUN echo $V > /x\nFROM base\nRUN echo \"<$V>\" > /y\n\
         COPY --from=one /x /\n",
    );
    let Some(image) = with_base(&kiln, &["--build-arg", "V=given"]) else { return };
    assert_eq!(image.layer(image.layer_count() - 2)["y"].content, b"<>\n");
    assert_eq!(image.last_layer()["x"].content, b"given\n");
}

//! Programs of the image that mean harm: every import with every sort of bad number.

use crate::harness::{Stage, step};
use kiln_runner::RunError;
use kiln_runner_wasi::Options;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// Every import of preview 1: its name, and a letter a parameter, `i` for `i32`, `I` for `i64`.
const PREVIEW1: &str = "args_get ii, args_sizes_get ii, environ_get ii, environ_sizes_get ii, \
    clock_res_get ii, clock_time_get iIi, poll_oneoff iiii, proc_raise i, sched_yield, random_get ii, \
    sock_accept iii, sock_recv iiiiii, sock_send iiiii, sock_shutdown ii, fd_advise iIIi, \
    fd_allocate iII, fd_close i, fd_datasync i, fd_fdstat_get ii, fd_fdstat_set_flags ii, \
    fd_fdstat_set_rights iII, fd_filestat_get ii, fd_filestat_set_size iI, \
    fd_filestat_set_times iIIi, fd_pread iiiIi, fd_prestat_get ii, fd_prestat_dir_name iii, \
    fd_pwrite iiiIi, fd_read iiii, fd_readdir iiiIi, fd_renumber ii, fd_seek iIii, fd_sync i, \
    fd_tell ii, fd_write iiii, path_create_directory iii, path_filestat_get iiiii, \
    path_filestat_set_times iiiiIIi, path_link iiiiiii, path_open iiiiiIIii, path_readlink iiiiii, \
    path_remove_directory iii, path_rename iiiiii, path_symlink iiiii, path_unlink_file iii";

/// Every import of the module `kiln`.
const KILN: &str = "open iiii, stat iiii, fstat ii, access iii, chmod iii, fchmod ii, chown iiiii, \
    fchown iii, mkdir iii, mknod iiiii, link iiiii, symlink iiii, readlink iiii, rename iiiii, \
    unlink ii, rmdir ii, utimens iiiIiIi, getxattr iiiiiii, setxattr iiiiiiii, listxattr iiiii, \
    removexattr iiiii, chdir ii, getcwd ii, umask i, spawn ii, run iii, find_program iiiiii, wait iii, \
    kill ii, getpid, getppid, pipe i, buffer i, dup i, dup2 ii, close i, getids i, setids ii, getgroups ii, setgroups ii, \
    needs_native ii, flavor, hostname ii, nproc, fork i";

/// A module whose `_start` calls one import with the same number everywhere.
fn module(from: &str, name: &str, params: &str, value: i64) -> Vec<u8> {
    let types: Vec<&str> = params.chars().map(|c| if c == 'i' { "i32" } else { "i64" }).collect();
    let args: String = types.iter().map(|ty| format!("({ty}.const {value}) ")).collect();
    let types = types.join(" ");
    let text = format!(
        "(module (import \"{from}\" \"{name}\" (func $f (param {types}) (result i32)))
          (memory (export \"memory\") 1)
          (func (export \"_start\") (drop (call $f {args}))))"
    );
    wat::parse_str(text).unwrap()
}

/// Runs a program of the image; it may take five seconds.
fn run(stage: &Stage, program: &[u8]) -> Result<i32, RunError> {
    let path = stage.rootfs.host_path().join("hostile.wasm");
    fs::write(&path, program).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut step = step(&["/hostile.wasm"]);
    step.limits.timeout = Some(Duration::from_secs(5));
    stage.run(&step).result.map(|outcome| outcome.status.shell_code())
}

#[test]
fn no_import_takes_numbers_that_are_not_the_guests() {
    let Some(stage) = Stage::new() else { return };
    for (from, list) in [("wasi_snapshot_preview1", PREVIEW1), ("kiln", KILN)] {
        for import in list.split(", ") {
            let (name, params) = import.split_once(' ').unwrap_or((import, ""));
            // Behind the memory, across its end, at its end, negative, and where nothing is.
            for value in [-1, -8, 0x7fff_ffff, 65_536, 65_535, 65_530, 0, 3] {
                let result = run(&stage, &module(from, name, params, value));
                let fine = match &result {
                    Ok(_) | Err(RunError::NeedsNative(_)) => true,
                    // A fork of what exports no stack pointer.
                    Err(RunError::Io { .. }) => name == "fork",
                    // It asked to sleep for as long.
                    Err(RunError::TimedOut(_)) => name == "poll_oneoff",
                    Err(_) => false,
                };
                assert!(fine, "{from} {name} {value}: {result:?}");
            }
        }
    }
}

#[test]
fn a_program_that_takes_all_it_can_get_meets_limits() {
    let options = Options { guest_memory: 32 << 20, processes: 8, ..Options::default() };
    let Some(stage) = Stage::with(options) else { return };
    let start = |body: &str| {
        let text = format!(
            "(module (import \"wasi_snapshot_preview1\" \"fd_write\" (func $w (param i32 i32 i32 i32) (result i32)))
              (memory (export \"memory\") 1) {body})"
        );
        run(&stage, &wat::parse_str(text).unwrap())
    };
    let grow = "(func (export \"_start\") (loop (drop (memory.grow (i32.const 100))) (br 0)))";
    assert!(matches!(start(grow), Err(RunError::Limit(what)) if what.contains("memory")));
    let spin = "(func (export \"_start\") (loop (br 0)))";
    assert!(matches!(start(spin), Err(RunError::TimedOut(_))));
    let deep = "(func $f (call $f)) (func (export \"_start\") (call $f))";
    assert_eq!(start(deep).unwrap(), 128 + 11);
    let trap = "(func (export \"_start\") (unreachable))";
    assert_eq!(start(trap).unwrap(), 128 + 6);
    let large =
        wat::parse_str("(module (memory (export \"memory\") 60000) (func (export \"_start\")))");
    assert!(matches!(run(&stage, &large.unwrap()), Err(RunError::Limit(_))));
    for rubbish in [&b"\0asm"[..], b"\0asm\x01\0\0\0junk", b"\0asm\xff\xff\xff\xff"] {
        assert!(matches!(run(&stage, rubbish), Err(RunError::NeedsNative(_))));
    }
}

/// A module whose `_start` opens a path for writing, creating it if need be, and then does `body`
/// with the descriptor in `$fd`; two vectors of four bytes each lie at 0.
fn with_file(path: &str, body: &str) -> Vec<u8> {
    let text = format!(
        "(module
          (import \"wasi_snapshot_preview1\" \"path_open\"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
          (import \"wasi_snapshot_preview1\" \"fd_pread\"
            (func $pread (param i32 i32 i32 i64 i32) (result i32)))
          (import \"wasi_snapshot_preview1\" \"fd_pwrite\"
            (func $pwrite (param i32 i32 i32 i64 i32) (result i32)))
          (import \"wasi_snapshot_preview1\" \"fd_allocate\"
            (func $allocate (param i32 i64 i64) (result i32)))
          (memory (export \"memory\") 1)
          (data (i32.const 0) \"\\40\\00\\00\\00\\04\\00\\00\\00\\40\\00\\00\\00\\04\\00\\00\\00\")
          (data (i32.const 256) \"{path}\")
          (func (export \"_start\") (local $fd i32)
            (if (call $open (i32.const 3) (i32.const 0) (i32.const 256) (i32.const {length})
                  (i32.const 1) (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 128))
              (then (unreachable)))
            (local.set $fd (i32.load (i32.const 128)))
            {body}))",
        length = path.len()
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn offsets_at_the_end_of_numbers_end_nothing() {
    let Some(stage) = Stage::new() else { return };
    for call in ["pread", "pwrite"] {
        for path in ["dev/zero", "dev/null", "dev/random", "plain"] {
            let body = format!(
                "(drop (call ${call} (local.get $fd) (i32.const 0) (i32.const 2) (i64.const -1) (i32.const 96)))"
            );
            let result = run(&stage, &with_file(path, &body));
            assert_eq!(result.unwrap(), 0, "{call} {path}");
        }
    }
}

#[test]
fn allocated_bytes_count_as_written() {
    let options = Options { written: 1 << 20, ..Options::default() };
    let Some(stage) = Stage::with(options) else { return };
    let allocate = |length: i64| {
        let body =
            format!("(drop (call $allocate (local.get $fd) (i64.const 0) (i64.const {length})))");
        run(&stage, &with_file("plain", &body))
    };
    assert_eq!(allocate(1 << 16).unwrap(), 0);
    assert_eq!(allocate(-1).unwrap(), 0);
    let result = allocate(1 << 21);
    assert!(
        matches!(&result, Err(RunError::Limit(what)) if what.contains("written")),
        "{result:?}"
    );
}

#[test]
fn what_lies_in_pipes_is_memory_too() {
    let options = Options { guest_memory: 32 << 20, total_memory: 48 << 20, ..Options::default() };
    let Some(stage) = Stage::with(options) else { return };
    // So many buffers, in each of which 24 MiB are left unread.
    let fill = |buffers: u32| {
        let text = format!(
            "(module
              (import \"kiln\" \"buffer\" (func $buffer (param i32) (result i32)))
              (import \"wasi_snapshot_preview1\" \"fd_write\"
                (func $write (param i32 i32 i32 i32) (result i32)))
              (memory (export \"memory\") 2)
              (data (i32.const 0) \"\\00\\00\\01\\00\\00\\00\\01\\00\")
              (func (export \"_start\") (local $n i32) (local $k i32)
                (loop $buffers
                  (if (call $buffer (i32.const 64)) (then (unreachable)))
                  (local.set $k (i32.const 384))
                  (loop $writes
                    (if (call $write (i32.load (i32.const 68)) (i32.const 0) (i32.const 1)
                          (i32.const 96))
                      (then (unreachable)))
                    (local.set $k (i32.sub (local.get $k) (i32.const 1)))
                    (br_if $writes (local.get $k)))
                  (local.set $n (i32.add (local.get $n) (i32.const 1)))
                  (br_if $buffers (i32.lt_u (local.get $n) (i32.const {buffers}))))))"
        );
        run(&stage, &wat::parse_str(text).unwrap())
    };
    assert_eq!(fill(1).unwrap(), 0);
    let result = fill(2);
    assert!(matches!(&result, Err(RunError::Limit(what)) if what.contains("memory of all guests")));
}

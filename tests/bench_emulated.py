#!/usr/bin/env python3
"""Measures the `emulated` runner: the same work under chroot as root, under it, and under PRoot.

usage: bench_emulated.py [--runs N] [--only NAME,...] [--write FILE]     (make bench-emulated; as root)
The runner and PRoot run as a uid without privileges. The three sides take turns, so that noise of the
machine meets all of them; figures are medians of CPU time (user + system) and of wall time.
Packages come from apt, pip and npm by name, before anything is measured; the works need no network.
"""
import argparse
import ctypes
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
RUNNER = TOP / "target/release/examples/emulated-run"
KEPT = TOP / "target/bench-emulated"
POD = 65532
SIDES = ("chroot", "kiln", "proot")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# In the base: a compiler, Python and npm, and the tools that make packages.
INCLUDE = "build-essential,python3-venv,python3-pip,npm,apt-utils,ca-certificates"
DEBS = "git openssh-client cron man-db sqlite3 libxml2-utils"
WHEELS = ["requests", "flask", "sqlalchemy", "pyyaml", "rich", "setuptools"]
NPM = {"express": "4", "webpack": "5", "typescript": "5", "lodash": "4", "eslint": "8"}

# name, target ratio, what is done before (not measured), what is measured
WORKS = [
    ("metadata walk of 30,000 entries", 2.5, "", "find /bench/tree -printf '%p %s %u %m\\n' >/dev/null"),
    ("untar of 10,000 files", 2.5, "rm -rf /t; mkdir /t", "tar -C /t -xf /bench/files.tar"),
    ("rm -rf of 10,000 files", 2.5, "rm -rf /t; mkdir /t; tar -C /t -xf /bench/files.tar", "rm -rf /t"),
    ("2,000 x /bin/true", 2.5, "", "i=0; while [ $i -lt 2000 ]; do /bin/true; i=$((i+1)); done"),
    ("20 x gcc -c", 1.2, "", "cd /tmp; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do "
     "gcc -O1 -c /bench/one.c -o one.o; done"),
    ("dpkg -i, package of 5,000 files", 2.5, "dpkg --purge bench-many", "dpkg -i /bench/many.deb"),
    ("apt-get install, local repository", 1.2, f"apt-get purge -y --auto-remove {DEBS}; apt-get update",
     f"apt-get install -y --no-install-recommends {DEBS}"),
    ("make of a C library (zstd)", 1.2, "rm -rf /t; cp -r /bench/zstd /t", "make -C /t/lib -j2 libzstd.a CFLAGS=-O1"),
    ("npm ci, 5 packages with dependencies", 1.2, "rm -rf /t; mkdir /t; cp /bench/npm/package*.json /t; "
     "rm -rf /tmp/npm; cp -r /bench/npm/cache /tmp/npm", "cd /t; npm ci --offline --cache /tmp/npm --no-audit --no-fund"),
    ("pip install, 6 packages in a venv", 1.2, "rm -rf /t; python3 -m venv /t",
     "/t/bin/pip install --no-index --find-links /bench/wheels " + " ".join(WHEELS)),
]


def run(*command, **options):
    subprocess.run([str(part) for part in command], check=True, **options)


def quietly(*command, **options):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        sys.exit(f"{command}: {done.stdout.decode(errors='replace')[-2000:]}")


def chroot(root, script):
    quietly("chroot", root, "/usr/bin/env", "-i", f"PATH={PATH}", "HOME=/root", "DEBIAN_FRONTEND=noninteractive",
            "LC_ALL=C", "/bin/sh", "-ec", script)


def mount(source, target, kind, flags=0):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source.encode(), str(target).encode(), kind.encode() if kind else None, flags, None) != 0:
        sys.exit(f"mount {target}: {os.strerror(ctypes.get_errno())}")


def mount_kernel_trees(root):
    """In a mount namespace of the script's own; nothing of the host's /dev is in reach of a mistake."""
    mount("proc", root / "proc", "proc")
    mount("tmpfs", root / "dev", "tmpfs")
    for name, minor in (("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9)):
        os.mknod(root / "dev" / name, 0o020666, os.makedev(1, minor))
        os.chmod(root / "dev" / name, 0o666)
    os.symlink("/proc/self/fd", root / "dev/fd")
    (root / "dev/shm").mkdir(mode=0o1777)


def remove(root):
    """A tree with mounts in it; what cannot be unmounted stays."""
    for tree in ("proc", "dev"):
        if os.path.ismount(root / tree):
            run("umount", root / tree)
    run("rm", "-rf", "--one-file-system", root)


def make_data(root):
    """The works' files, below /bench."""
    bench = root / "bench"
    for directory in range(300):
        inner = bench / f"tree/{directory // 20}/{directory}"
        inner.mkdir(parents=True)
        for file in range(99):
            (inner / f"file-{file}").write_bytes(b"x" * file)
    with tarfile.open(bench / "files.tar", "w") as archive:
        for directory in range(100):
            for file in range(100):
                entry = tarfile.TarInfo(f"d/{directory}/file-{file}")
                entry.size, entry.mode, entry.mtime = 300, 0o644, 1700000000
                archive.addfile(entry, Zeros(300))
    includes = ("stdio", "stdlib", "string", "unistd", "math", "time", "sys/stat", "sys/socket", "pthread")
    functions = "".join(f"int f{n}(int a) {{ char b[64]; snprintf(b, 64, \"%d\", a * {n}); return strlen(b); }}\n"
                        for n in range(60))
    (bench / "one.c").write_text("".join(f"#include <{name}.h>\n" for name in includes) + functions)
    package = root / "tmp/many"
    (package / "DEBIAN").mkdir(parents=True)
    (package / "DEBIAN/control").write_text(
        "Package: bench-many\nVersion: 1\nArchitecture: all\nMaintainer: bench <bench@localhost>\nDescription: many files\n")
    for file in range(5000):
        path = package / f"usr/share/bench/{file // 100}/{file}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"y" * 200)
    chroot(root, "chown -R 0:0 /bench /tmp/many; dpkg-deb -Zgzip -b /tmp/many /bench/many.deb; rm -rf /tmp/many")


class Zeros:
    """A file of so many zero bytes."""

    def __init__(self, size):
        self.left = size

    def read(self, size):
        size = min(size, self.left)
        self.left -= size
        return bytes(size)


def fetch_packages(root):
    """What the network is for."""
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    sources = root / "etc/apt/sources.list"
    lines = sources.read_text()
    sources.write_text(lines + "\n" + lines.replace("deb ", "deb-src ", 1))
    chroot(root, f"""apt-get update; mkdir -p /bench/repo; cd /bench
        apt-get install -y --no-install-recommends --download-only {DEBS}
        mv /var/cache/apt/archives/*.deb repo/; cd repo; dpkg-scanpackages . >Packages
        cd /bench; apt-get source zstd; rm -f libzstd_*; mv libzstd-* zstd; rm -rf /var/lib/apt/lists/* zstd/tests""")
    sources.write_text("deb [trusted=yes] file:/bench/repo ./\n")
    run("pip3", "download", "-q", "-d", root / "bench/wheels", "--python-version", "3.11", "--only-binary=:all:", *WHEELS)
    npm = root / "bench/npm"
    npm.mkdir()
    wanted = ", ".join(f'"{name}": "{version}"' for name, version in NPM.items())
    (npm / "package.json").write_text(f'{{"name": "bench", "version": "1.0.0", "dependencies": {{{wanted}}}}}\n')
    install = ["npm", "--no-audit", "--no-fund", "--ignore-scripts", "--cache", npm / "cache"]
    quietly(*install, "install", "--package-lock-only", cwd=npm)
    quietly(*install, "ci", cwd=npm)
    shutil.rmtree(npm / "node_modules")
    run("chown", "-R", "0:0", root / "bench")


def prepare(top):
    """The three roots."""
    tar = KEPT / "root.tar"
    if not tar.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        print("making the image (once; kept as target/bench-emulated/root.tar)")
        base = KEPT / "base.tar"
        if not base.exists() or base.stat().st_size == 0:
            run("mmdebstrap", "--quiet", "--variant=minbase", f"--include={INCLUDE}", "bookworm", base)
        root = top / "making"
        root.mkdir()
        run("tar", "-C", root, "--exclude=./dev/*", "-xpf", base)
        mount_kernel_trees(root)
        make_data(root)
        fetch_packages(root)
        run("umount", root / "proc", root / "dev")
        run("tar", "-C", root, "--numeric-owner", "-cf", str(tar) + ".part", ".")
        os.rename(str(tar) + ".part", tar)
        base.unlink()
        remove(root)
    for side in SIDES:
        (top / side).mkdir()
    run("tar", "-C", top / "chroot", "-xpf", tar)
    mount_kernel_trees(top / "chroot")
    for side in SIDES[1:]:
        os.chown(top / side, POD, POD)
    os.chmod(top, 0o755)
    run(RUNNER, top / "kiln/stage", "--create", tar, "--", preexec_fn=drop)
    run("tar", "-C", top / "proot", "--no-same-owner", "-xf", tar, preexec_fn=drop)


def drop():
    os.setgroups([])
    os.setresgid(POD, POD, POD)
    os.setresuid(POD, POD, POD)


def command(side, top, script):
    environment = f"export DEBIAN_FRONTEND=noninteractive LC_ALL=C; {script}"
    if side == "chroot":
        return ["chroot", top / "chroot", "/bin/sh", "-c", environment]
    if side == "kiln":
        return [RUNNER, top / "kiln/stage", "--", "/bin/sh", "-c", environment]
    binds = [part for tree in ("/proc", "/dev", "/sys") for part in ("-b", tree)]
    return ["proot", "-0", "-r", top / "proot", *binds, "-w", "/", "/bin/sh", "-c", environment]


def execute(side, top, script):
    """CPU and wall seconds, or None and the output's end."""
    log = top / "log"
    with open(log, "wb") as out:
        start = time.monotonic()
        process = subprocess.Popen([str(part) for part in command(side, top, script)], stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=out, env={"PATH": PATH, "HOME": "/root"}, cwd="/",
                                   preexec_fn=drop if side != "chroot" else None)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
    if status != 0:
        return None, log.read_bytes()[-600:].decode(errors="replace")
    return (usage.ru_utime + usage.ru_stime, wall), ""


def measure(top, work, sides, runs):
    name, _, before, script = work
    times = {side: [] for side in sides}
    for number in range(runs):
        for side in [*sides[number % len(sides):], *sides[:number % len(sides)]]:
            if times[side] is None:
                continue
            if before:
                execute(side, top, before)
            result, text = execute(side, top, script)
            if result is None:
                print(f"{name}: fails under {side}: {text}")
                times[side] = None
            else:
                times[side].append(result)
    return {side: tuple(statistics.median(column) for column in zip(*values)) if values else None
            for side, values in times.items()}


def table(results, sides):
    lines = ["| work | chroot, CPU s (wall) | kiln, CPU s (wall) | kiln / chroot CPU (wall) | target | proot / chroot CPU (wall) |",
             "|---|---|---|---|---|---|"]
    for (name, target, _, _), medians in results:
        base = medians["chroot"]
        seconds = [f"{t[0]:.2f} ({t[1]:.2f})" if t else "fails" for t in (base, medians["kiln"])]
        ratios = [f"{t[0] / base[0]:.2f} ({t[1] / base[1]:.2f})" if t and base else "fails"
                  for t in (medians["kiln"], medians.get("proot"))]
        if "proot" not in sides:
            ratios[1] = "not measured"
        lines.append(f"| {name} | {seconds[0]} | {seconds[1]} | **{ratios[0]}** | {target} | {ratios[1]} |")
    return "\n".join(lines)


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    proot = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "proot"], capture_output=True, text=True).stdout
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}, Debian's proot {proot or 'not installed'}"


def main():
    sys.stdout.reconfigure(line_buffering=True)
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default="", help="parts of names of works, with commas")
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--write", help="put the table into this file")
    options = parser.parse_args()
    for program in ("mmdebstrap", "chroot", "pip3", "npm"):
        if shutil.which(program) is None:
            sys.exit(f"bench: {program} is not installed; tests/setup.sh and apt-get install npm python3-pip proot do that")
    sides = [side for side in options.sides.split(",") if side in SIDES]
    if shutil.which("proot") is None:
        print("skipped: proot is not installed, no comparison with it")
        sides.remove("proot")
    if os.geteuid() != 0:
        sys.exit("bench: chroot needs root")
    if ctypes.CDLL(None).unshare(0x20000) != 0:  # CLONE_NEWNS
        sys.exit("bench: unshare(CLONE_NEWNS) was refused")
    mount("none", "/", None, 16384 | (1 << 18))  # MS_REC | MS_PRIVATE
    top = Path(subprocess.check_output(["mktemp", "-d", "-p", os.environ.get("TMPDIR", "/tmp"), "kiln-bench.XXXXXX"], text=True).strip())
    try:
        prepare(top)
        results = []
        for work in WORKS:
            if any(part in work[0] for part in options.only.split(",")):
                results.append((work, measure(top, work, sides, options.runs)))
                print(table(results[-1:], sides).splitlines()[-1])
        place = subprocess.check_output(["stat", "-f", "-c", "%T", top], text=True).strip()
        text = f"Machine: {machine()}; files on {place}; medians of {options.runs} runs, sides interleaved.\n\n{table(results, sides)}\n"
        print("\n" + text)
        if options.write:
            path = Path(options.write)
            old = path.read_text() if path.exists() else ""
            head, mark, _ = old.partition("<!-- measured -->\n")
            path.write_text((head + mark if mark else old) + text)
    finally:
        for side in ("making", *SIDES):
            remove(top / side)
        run("rm", "-rf", "--one-file-system", top)


if __name__ == "__main__":
    main()

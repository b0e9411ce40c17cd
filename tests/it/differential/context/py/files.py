"""Work on files, processes, sockets, memory and signals; what came of it goes to a file."""
import errno
import fcntl
import glob
import mmap
import os
import pathlib
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading

lines = []


def note(name, value):
    lines.append(f"{name}: {value}")


def fails(call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"


def attributes(path):
    found = os.lstat(path)
    return f"{stat.filemode(found.st_mode)} {found.st_uid}:{found.st_gid} {found.st_nlink} {found.st_size}"


work = pathlib.Path("/py")
work.mkdir()
os.chdir(work)

# Names, attributes and their errors.
pathlib.Path("a").write_text("a\n")
os.link("a", "b")
os.symlink("a", "link")
os.symlink("nowhere", "dangling")
os.mkfifo("fifo", 0o640)
os.mknod("device", stat.S_IFCHR | 0o620, os.makedev(4, 64))
for name, uid, gid, mode in [("a", 1, 2, 0o6755), ("fifo", 3, 4, 0o600), ("device", 0, 5, 0o660)]:
    os.chown(name, uid, gid)
    os.chmod(name, mode)
os.chown("link", 8, 9, follow_symlinks=False)
os.utime("a", ns=(10**18, 10**18 + 5))
for name in sorted(os.listdir(".")):
    note(name, attributes(name))
note("device number", os.lstat("device").st_rdev)
note("times", os.stat("a").st_mtime_ns)
for call, args in [
    (os.open, ("none", os.O_RDONLY)), (os.mkdir, ("a",)), (os.rmdir, ("a",)), (os.unlink, (".",)),
    (os.open, ("dangling", os.O_RDONLY)), (os.open, ("a/b", os.O_RDONLY)), (os.rename, ("a", "none/x")),
    (os.open, ("link", os.O_RDONLY | os.O_NOFOLLOW)), (os.link, (".", "dir")), (os.readlink, ("a",)),
    (os.open, ("a", os.O_CREAT | os.O_EXCL)), (os.rename, (".", "x")), (os.truncate, (".", 0)),
    (os.open, ("a", os.O_DIRECTORY)), (os.chroot, ("a",)), (os.listdir, ("a",)), (os.mkdir, ("x" * 256,)),
]:
    note(f"{call.__name__}{args[:1]}", fails(call, *args))
here = os.open(".", os.O_RDONLY)
with open(os.open("relative", os.O_CREAT | os.O_WRONLY, 0o606, dir_fd=here), "w") as file:
    file.write("x" * 100)
os.setxattr("relative", "user.note", b"value")
note("xattr", (os.listxattr("relative"), os.getxattr("relative", "user.note")))
note("access", [os.access("relative", how) for how in (os.R_OK, os.W_OK, os.X_OK)])
os.rename("relative", "moved", src_dir_fd=here, dst_dir_fd=here)
note("cwd", (os.getcwd(), os.readlink("/proc/self/cwd"), os.path.realpath("link")))

# Trees.
shutil.copytree(".", "/py2", symlinks=True, ignore=shutil.ignore_patterns("fifo", "device"))
shutil.make_archive("/py3", "gztar", "/py2")
shutil.unpack_archive("/py3.tar.gz", "/py4")
os.remove("/py3.tar.gz")
shutil.move("/py4/b", "/py4/c")
shutil.chown("/py4/c", "daemon", "games")
shutil.rmtree("/py2")
note("tree", sorted(glob.glob("/py4/**", recursive=True)))
with tempfile.TemporaryFile(dir=work) as file:
    file.write(b"unnamed")
    note("unnamed", os.fstat(file.fileno()).st_nlink)
with tempfile.NamedTemporaryFile(dir=work) as file:
    note("named", stat.filemode(os.stat(file.name).st_mode))

# Memory and locks.
with open("mapped", "w+b") as file:
    file.truncate(8192)
    with mmap.mmap(file.fileno(), 0) as memory:
        memory[4096:4100] = b"page"
        memory.flush()
    fcntl.flock(file, fcntl.LOCK_EX)
    with open("mapped", "rb") as other:
        note("lock", fails(fcntl.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB))
note("mapped", pathlib.Path("mapped").read_bytes().count(0))

# Processes: pipes, ids, signals, environment, exec by a descriptor.
note("shell", subprocess.run("echo $0; exit 3", shell=True, capture_output=True))
note("killed", subprocess.run(["sh", "-c", "kill -9 $$"]).returncode)
note("user", subprocess.run(["id"], user=1, group=60, extra_groups=[5], capture_output=True).stdout)
note("none", fails(subprocess.run, ["/nonesuch"]))
note("session", subprocess.run(["sh", "-c", "echo $1", "x", "y"], start_new_session=True, stdout=-1).stdout)
child = os.fork()
if child == 0:
    os.setgroups([100])
    os.setresgid(7, 7, 7)
    os.setresuid(6, 6, 6)
    ok = fails(os.setuid, 0) == "EPERM" and fails(os.unlink, "a") == "EACCES"
    ok = ok and fails(os.open, "/etc/shadow", os.O_RDONLY) == "EACCES" and os.getgroups() == [100]
    os._exit(0 if ok else 1)
note("dropped", os.waitpid(child, 0)[1])
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append("alarm"))
signal.setitimer(signal.ITIMER_REAL, 0.05)
select.select([], [], [], 0.5)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
os.kill(os.getpid(), signal.SIGUSR1)
note("signals", (seen, signal.sigpending(), signal.sigwait([signal.SIGUSR1])))

# Threads and sockets, by path, abstract and over loopback.
counts = []
threads = [threading.Thread(target=lambda n=n: counts.append(len(os.listdir("/etc")) > n)) for n in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
note("threads", counts.count(True))


def echo(family, address):
    with socket.socket(family) as server, socket.socket(family) as client:
        server.bind(address)
        server.listen()
        client.connect(server.getsockname())
        peer, _ = server.accept()
        with peer:
            client.sendall(b"over")
            peer.sendall(peer.recv(9)[::-1])
            return client.recv(9)


note("path", (echo(socket.AF_UNIX, "socket"), attributes("socket")))
note("abstract", echo(socket.AF_UNIX, "\0kiln-test"))
note("loopback", echo(socket.AF_INET, ("127.0.0.1", 0)))
os.unlink("socket")
left, right = socket.socketpair()
with left, right, open("a") as file:
    socket.send_fds(left, [b"x"], [file.fileno()])
    _, passed, _, _ = socket.recv_fds(right, 1, 1)
    note("passed", os.read(passed[0], 9))
note("stdin", sys.stdin.read())
pathlib.Path(sys.argv[1]).write_text("\n".join(lines) + "\n")

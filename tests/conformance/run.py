#!/usr/bin/env python3
"""run.py KILN CASES: builds recorded cases with kiln and compares what comes out.

CASES holds `<Test>/<NN>/` with local-context.tar, local-dockerfile.tar, solve.json (the options) and
golden.json (config, history, every entry of every layer), or none when the build has to fail, and
`base-image-oci-layout/`, which stands for every image that a FROM names.

Prints a line a case and, last, `N passed, M failed, K skipped`. A case is skipped only for what no
builder could have from the recording alone; the line says what. Exit status 1 when a case failed.
"""
import hashlib
import io
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time

from registry import Registry

TIMEOUT = 300
# kiln's exit status when the machine lacks what a build needs.
NOT_HERE = 5
# kiln's exit status when a server failed, and what it then says of the recording builder's own.
NO_NETWORK = 4
GONE = r"https?://(127\.0\.0\.1|localhost):\d+\S*: .*[Cc]onnection refused"
KINDS = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.DIRTYPE: "dir",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hardlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.FIFOTYPE: "fifo",
}
# Options that say where a client has its files or what an attestation tells, not what is built.
ABOUT_THE_CLIENT = ("attest", "local-sessionid", "vcs", "input-metadata")
# The same, or what to ask a registry first, which has one answer here.
IGNORED = ("filename", "image-resolve-mode", "contextkey", "dockerfilekey")
CONFIG_KEYS = ("architecture", "os", "variant", "os.version", "author", "config")
HISTORY_KEYS = ("created_by", "comment", "empty_layer", "author")


class Skip(Exception):
    """The recording lacks what the case needs."""


def options(solve, files, earlier):
    """kiln's arguments for the options of a case; `earlier` has what its test built before."""
    args, attrs = [], solve.get("frontend_attrs") or {}
    for key, value in attrs.items():
        name, _, rest = key.partition(":")
        if key in IGNORED or name in ABOUT_THE_CLIENT:
            continue
        if key == "context" and re.match(r"(https?|git|ssh)://|git@", value):
            raise Skip("its context came from a server that is not in the recording")
        if key == "target":
            args += ["--target", value]
        elif name == "build-arg":
            args += ["--build-arg", f"{rest}={value}"]
        elif name == "label":
            args += ["--label", f"{rest}={value}"]
        elif key == "platform":
            args += ["--platform", value]
        elif key == "no-cache":
            args += ["--no-cache-filter", value] if value else ["--no-cache"]
        elif key == "force-network-mode":
            args += ["--network", "default" if value == "sandbox" else value]
        elif key == "hostname":
            # What BuildKit's clients offer for it.
            if "build-arg:BUILDKIT_SANDBOX_HOSTNAME" not in attrs:
                args += ["--build-arg", f"BUILDKIT_SANDBOX_HOSTNAME={value}"]
        elif key == "ulimit":
            for limit in filter(None, value.split(",")):
                args += ["--ulimit", limit]
        elif key == "multi-platform":
            args += ["--build-arg", f"BUILDKIT_MULTI_PLATFORM={value}"]
        elif key == "shm-size":
            args += ["--shm-size", value]
        elif key == "add-hosts":
            for host in filter(None, value.split(",")):
                args += ["--add-host", host]
        elif name == "context" and rest:
            args += ["--build-context", f"{rest}={named_context(value, files, earlier)}"]
        elif key == "requestid":
            raise Skip(f"it asks the builder for {value}, which is no image")
        elif key in ("cgroup-parent", "contextsubdir") or name in ("source", "cmdline"):
            raise Skip(f"the option {key} names what is not in the recording")
        else:
            raise Skip(f"the option {key} is of BuildKit's own protocol")
    return args


def named_context(value, files, earlier):
    if value.startswith("local:"):
        name = value.removeprefix("local:")
        if name not in files:
            raise Skip(f"its local context {name} is not in the recording")
        return str(files[name])
    if value.startswith("oci-layout:"):
        digest = value.partition("@")[2]
        if digest not in earlier:
            raise Skip("its OCI store is not in the recording")
        return f"oci-layout://{earlier[digest]}"
    if value.startswith("input:"):
        raise Skip("its input is of BuildKit's own protocol")
    if re.match(r"(https?|git|ssh)://", value):
        raise Skip("its context came from a server that is not in the recording")
    return value


def unpack(case, into):
    """The input trees, by name."""
    found = {}
    for archive in case.glob("local-*.tar"):
        name = archive.stem.removeprefix("local-")
        found[name] = into / name
        found[name].mkdir()
        with tarfile.open(archive) as tar:
            # The recordings are trusted; older Pythons know no filter.
            tar.extraction_filter = lambda member, _: member
            tar.extractall(found[name])
    return found


def entry(tar, member):
    kind = KINDS.get(member.type, "other")
    value = {
        "path": member.name.strip("/").removeprefix("./"),
        "type": kind,
        "mode": oct(member.mode),
        "uid": member.uid,
        "gid": member.gid,
    }
    if kind == "file":
        data = tar.extractfile(member).read()
        value |= {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    if kind in ("symlink", "hardlink"):
        value["link"] = member.linkname
    return value


def image(blobs, descriptor, base):
    """An image in the form of golden.json."""

    def blob(digest):
        return blobs.joinpath(*digest.split(":")).read_bytes()

    manifest = json.loads(blob(descriptor["digest"]))
    config = json.loads(blob(manifest["config"]["digest"]))
    layers = []
    for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"]):
        if diff_id in base:
            layers.append({"base": True})
            continue
        with tarfile.open(fileobj=io.BytesIO(blob(layer["digest"]))) as tar:
            layers.append({"entries": [entry(tar, member) for member in tar]})
    return {"config": config, "layers": layers}


def comparable(image):
    """What has to be equal: no times, no digests, entries in any order."""
    config = {key: image["config"].get(key) for key in CONFIG_KEYS if image["config"].get(key)}
    history = [
        {key: step[key] for key in HISTORY_KEYS if step.get(key)}
        for step in image["config"].get("history") or []
    ]
    layers = []
    for layer in image["layers"]:
        if layer.get("base"):
            layers.append("base")
        else:
            layers.append(sorted((simple(e) for e in layer["entries"]), key=lambda e: e["path"]))
    return {"config": config, "history": history, "layers": layers}


def simple(entry):
    value = {key: field for key, field in entry.items() if field is not None}
    value["path"] = value["path"].strip("/")
    return value


def difference(wanted, got, path=""):
    """The first difference, for a person to read."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key in sorted(wanted.keys() | got.keys()):
            if wanted.get(key) != got.get(key):
                return difference(wanted.get(key), got.get(key), f"{path}/{key}")
    if isinstance(wanted, list) and isinstance(got, list):
        for number, pair in enumerate(zip(wanted, got)):
            if pair[0] != pair[1]:
                return difference(*pair, f"{path}[{number}]")
        if len(wanted) != len(got):
            return f"{path}: {len(wanted)} items wanted, {len(got)} got"
    return f"{path}: wanted {json.dumps(wanted)[:300]}, got {json.dumps(got)[:300]}"


def instructions(text):
    """The instructions of a Dockerfile with their continuation lines, without comments."""
    kept = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return re.sub(r"\\\s*\n", " ", "\n".join(kept)).splitlines()


def check_surroundings(text, wanted):
    """Skips what needs a server that the recording does not hold."""
    if wanted is None:
        return
    for line in instructions(text):
        fetches = re.match(r"\s*(ONBUILD\s+)?(ADD|FROM|COPY)\s|.*\b(wget|curl|git)\b", line, re.I)
        if fetches and re.search(r"(https?|git|ssh)://|git@", line):
            raise Skip("it fetches from a server that is not in the recording")
        if re.search(r"\bnc\s+(127\.0\.0\.1|localhost)\s", line):
            raise Skip("it talks to a server that is not in the recording")


def environment_files(text):
    """Names of files that get a whole environment: the recording builder's had its trace id."""
    return {pathlib.PurePath(path).name for path in re.findall(r"\benv\s*>>?\s*(\S+)", text)}


def forget_environments(images, names):
    for image in images:
        for layer in image["layers"]:
            for entry in layer if layer != "base" else []:
                if pathlib.PurePath(entry["path"]).name in names:
                    entry.pop("sha256", None)
                    entry.pop("size", None)


def read(layout, base):
    """The images of a layout, in their order."""
    descriptors = json.loads((layout / "index.json").read_text())["manifests"]
    if len(descriptors) == 1 and "index" in descriptors[0]["mediaType"]:
        nested = layout.joinpath("blobs", *descriptors[0]["digest"].split(":"))
        descriptors = json.loads(nested.read_text())["manifests"]
    return [comparable(image(layout / "blobs", one, base)) for one in descriptors]


def forget_random(wanted, got, again):
    """Takes the digest of a file out of the comparison when two builds of ours differ in it."""
    for images in zip(wanted, got, again):
        for layers in zip(*(image["layers"] for image in images)):
            if "base" in layers:
                continue
            by_path = [{entry["path"]: entry for entry in layer} for layer in layers]
            for path in set(by_path[1]) & set(by_path[2]) & set(by_path[0]):
                if by_path[1][path].get("sha256") != by_path[2][path].get("sha256"):
                    for entries in by_path[:2]:
                        entries[path].pop("sha256", None)


def last_lines(text):
    return " | ".join(text.strip().splitlines()[-4:])


def remember(solve, out, work, earlier):
    """Keeps what a case built under the digest that the recording builder gave it."""
    digest = (solve.get("exporter_response") or {}).get("containerimage.digest")
    if digest:
        earlier[digest] = work.with_name(f"{work.name}-{len(earlier)}")
        shutil.copytree(out, earlier[digest])


def run_case(kiln, case, registry, base, work, earlier):
    solve = json.loads((case / "solve.json").read_text())
    golden = case / "golden.json"
    wanted = json.loads(golden.read_text()) if golden.exists() else None
    if wanted is None and not solve.get("error"):
        raise Skip("nothing was recorded to compare with")
    if solve.get("frontend_inputs"):
        raise Skip("its inputs are of BuildKit's own protocol")
    if solve.get("session_attachables"):
        raise Skip("its secrets and SSH agents are not in the recording")
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        files = unpack(case, directory)
        context = files.get("context")
        if context is None:
            context = directory / "empty"
            context.mkdir()
        attrs = solve.get("frontend_attrs") or {}
        where = files.get("dockerfile", context)
        dockerfile = where / attrs.get("filename", "Dockerfile")
        if "filename" not in attrs and not dockerfile.exists() and (where / "dockerfile").exists():
            dockerfile = where / "dockerfile"
        out = directory / "out"
        args = [kiln, "build", str(context), "--file", str(dockerfile), "--work-dir", str(work)]
        args += ["--output", f"type=oci,dest={out}", "--progress", "plain"]
        args += ["--registry-mirror", f"docker.io={registry.host}"]
        args += options(solve, files, earlier)
        text = dockerfile.read_text(errors="replace") if dockerfile.is_file() else ""
        check_surroundings(text, wanted)
        for host in set(re.findall(r"(localhost:\d+)/", text + json.dumps(solve))):
            args += ["--registry-mirror", f"{host}={registry.host}"]
        for export in solve.get("exports") or []:
            name = (export.get("attrs") or {}).get("name", "")
            # Docker Hub's names are the same registry's here.
            if match := re.fullmatch(r"(?:localhost:\d+|docker\.io)/([^,]+)", name):
                args += ["--tag", f"{registry.host}/{match[1]}", "--push"]
        done = subprocess.run(args, capture_output=True, text=True, timeout=TIMEOUT, errors="replace")
        if wanted is None:
            if done.returncode == 0:
                return f"it should have failed: {solve['error']}"
            # A refusal for want of a runner, say, is not the failure that was recorded.
            lacks = done.returncode == NOT_HERE
            return "kiln lacks something here: " + last_lines(done.stderr) if lacks else None
        if done.returncode == NO_NETWORK and re.search(GONE, done.stderr):
            raise Skip("it fetches from a server that is not in the recording")
        if done.returncode:
            return "kiln failed: " + last_lines(done.stderr)
        remember(solve, out, work, earlier)
        got = read(out, base)
        wanted = wanted if isinstance(wanted, list) else [wanted]
        # The recording says that there was an attestation, not what it said.
        wanted = [one for one in wanted if not one.get("attestation")]
        wanted = [comparable(one) for one in wanted]
        for images in (wanted, got):
            forget_environments(images, environment_files(text))
        if wanted == got:
            return None
        # What differs between two builds of ours is random or the clock's: nobody can have it equal.
        again = directory / "again"
        replaced = {str(out): str(again), str(work): str(directory / "fresh-work")}
        args = [replaced.get(arg, arg.replace(str(out), str(again))) for arg in args]
        args = [arg for arg in args if arg not in ("--push", "--no-cache")] + ["--no-cache"]
        time.sleep(1.1)
        subprocess.run(args, capture_output=True, timeout=TIMEOUT, check=True)
        repeated = read(again, base)
        forget_environments(repeated, environment_files(text))
        forget_random(wanted, got, repeated)
        return None if wanted == got else difference(wanted, got)


def main(kiln, cases):
    kiln, cases = str(pathlib.Path(kiln).absolute()), pathlib.Path(cases)
    layout = cases / "base-image-oci-layout"
    if not (layout / "index.json").is_file():
        sys.exit(f"{cases} holds no base-image-oci-layout/")
    registry = Registry(layout)
    manifest = json.loads(registry.blobs[registry.base])
    base = set(json.loads(registry.blobs[manifest["config"]["digest"]])["rootfs"]["diff_ids"])
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    test, work, earlier = None, None, {}
    with tempfile.TemporaryDirectory() as all_work:
        for case in sorted(path.parent for path in cases.glob("*/*/solve.json")):
            name = case.relative_to(cases)
            # The cases of one test are the steps of one story: they share a builder.
            if case.parent != test:
                test, work, earlier = case.parent, pathlib.Path(all_work, case.parent.name), {}
            try:
                problem = run_case(kiln, case, registry, base, work, earlier)
            except Skip as reason:
                counts["skipped"] += 1
                print(f"skip {name}: {reason}", flush=True)
                continue
            except subprocess.TimeoutExpired:
                problem = f"kiln did not end within {TIMEOUT} s"
            except (OSError, ValueError, KeyError, tarfile.TarError, subprocess.SubprocessError) as e:
                # One damaged recording must not end the others.
                problem = f"{type(e).__name__}: {e}"
            counts["passed" if problem is None else "failed"] += 1
            print(f"pass {name}" if problem is None else f"FAIL {name}: {problem}", flush=True)
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))

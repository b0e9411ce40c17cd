#!/usr/bin/env python3
"""oci_layout.py ROOTFS.tar DIR TAG [LEVEL]: a one-layer OCI layout, made without kiln: what it builds from
must not depend on what is tested."""
import gzip
import hashlib
import json
import pathlib
import shutil
import sys


def main(tar: str, out: str, tag: str, level: str = "6") -> None:
    blobs = pathlib.Path(out, "blobs", "sha256")
    blobs.mkdir(parents=True)

    def put(data: bytes) -> dict:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": "sha256:" + digest, "size": len(data)}

    plain = hashlib.sha256()
    packed = pathlib.Path(out, "layer.part")
    with open(tar, "rb") as source, gzip.GzipFile(packed, "wb", int(level), mtime=0) as sink:
        while piece := source.read(1 << 20):
            plain.update(piece)
            sink.write(piece)
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    size = packed.stat().st_size
    shutil.move(packed, blobs / digest)
    created = "2024-01-01T00:00:00Z"
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {"Env": ["PATH=" + path], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + plain.hexdigest()]},
        "history": [{"created": created, "created_by": "test base"}],
    }
    media = "application/vnd.oci.image."
    manifest = {
        "schemaVersion": 2,
        "mediaType": media + "manifest.v1+json",
        "config": {"mediaType": media + "config.v1+json", **put(json.dumps(config).encode())},
        "layers": [{"mediaType": media + "layer.v1.tar+gzip", "digest": "sha256:" + digest, "size": size}],
    }
    entry = {
        "mediaType": media + "manifest.v1+json",
        **put(json.dumps(manifest).encode()),
        "platform": {"architecture": "amd64", "os": "linux"},
        "annotations": {"org.opencontainers.image.ref.name": tag},
    }
    index = {"schemaVersion": 2, "mediaType": media + "index.v1+json", "manifests": [entry]}
    pathlib.Path(out, "index.json").write_text(json.dumps(index))
    pathlib.Path(out, "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))


if __name__ == "__main__":
    main(*sys.argv[1:4])

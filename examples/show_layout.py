#!/usr/bin/env python3
"""show_layout.py DIR: prints what is in the image of an OCI layout, with nothing but the standard library."""
import json
import pathlib
import sys
import tarfile


def main(layout: str) -> None:
    blobs = pathlib.Path(layout, "blobs")

    def path(digest: str) -> pathlib.Path:
        return blobs.joinpath(*digest.split(":"))

    index = json.loads(pathlib.Path(layout, "index.json").read_text())
    for entry in index["manifests"]:
        manifest = json.loads(path(entry["digest"]).read_text())
        config = json.loads(path(manifest["config"]["digest"]).read_text())
        print(f"manifest {entry['digest']}")
        print(f"platform {config['os']}/{config['architecture']}")
        for key, value in sorted(config["config"].items()):
            print(f"{key}: {json.dumps(value)}")
        print("history:")
        for step in config["history"]:
            print(f"  {step['created_by']}")
        for number, layer in enumerate(manifest["layers"], 1):
            print(f"layer {number}: {layer['size']} bytes, {layer['digest']}")
            with tarfile.open(path(layer["digest"])) as tar:
                for member in tar:
                    kind = "/" if member.isdir() else f" -> {member.linkname}" if member.linkname else ""
                    print(f"  {member.mode:04o} {member.uid}:{member.gid} {member.size:>8} {member.name}{kind}")


if __name__ == "__main__":
    main(sys.argv[1])

"""A registry on a loopback port, for the conformance driver alone: what was pushed to it is served
as it is; any other name is the base image that the cases were recorded with."""
import hashlib
import http.server
import json
import pathlib
import re
import threading
import uuid

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry:
    """Serves until the program ends; `host` is `127.0.0.1:PORT`."""

    def __init__(self, base_layout: pathlib.Path):
        self.blobs = {}
        self.tags = {}
        self.uploads = {}
        index = json.loads((base_layout / "index.json").read_text())
        for file in (base_layout / "blobs" / "sha256").iterdir():
            self.blobs["sha256:" + file.name] = file.read_bytes()
        self.base = index["manifests"][0]["digest"]
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def body(self):
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0)))
                data = b""
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    data += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return data

            def do_GET(self):
                path = self.path.split("?")[0]
                if match := re.fullmatch(r"/v2/(.+)/manifests/(.+)", path):
                    digest = registry.find(*match.groups())
                    if digest is None:
                        return self.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
                    data = registry.blobs[digest]
                    kind = json.loads(data).get("mediaType", MANIFEST)
                    return self.answer(200, data, Content_Type=kind, Docker_Content_Digest=digest)
                if match := re.fullmatch(r"/v2/.+/blobs/(sha256:.+)", path):
                    if match[1] not in registry.blobs:
                        return self.answer(404, b'{"errors":[{"code":"BLOB_UNKNOWN"}]}')
                    return self.answer(200, registry.blobs[match[1]], Docker_Content_Digest=match[1])
                return self.answer(200, b"{}")

            do_HEAD = do_GET

            def do_POST(self):
                data = self.body()
                if match := re.search(r"[?&]digest=(sha256(?::|%3A)[0-9a-f]{64})", self.path):
                    registry.put(data)
                    return self.answer(201, Location=self.path, Docker_Content_Digest=match[1])
                upload = str(uuid.uuid4())
                registry.uploads[upload] = b""
                name = self.path.split("?")[0].rstrip("/")
                return self.answer(202, Location=f"{name}/{upload}", Range="0-0")

            def do_PATCH(self):
                path = self.path.split("?")[0]
                upload = path.rsplit("/", 1)[1]
                registry.uploads[upload] += self.body()
                end = max(len(registry.uploads[upload]) - 1, 0)
                return self.answer(202, Location=path, Range=f"0-{end}")

            def do_PUT(self):
                path = self.path.split("?")[0]
                if match := re.fullmatch(r"/v2/(.+)/manifests/(.+)", path):
                    digest = registry.put(self.body())
                    registry.tags[match.groups()] = digest
                    return self.answer(201, Location=path, Docker_Content_Digest=digest)
                upload = path.rsplit("/", 1)[1]
                digest = registry.put(registry.uploads.pop(upload, b"") + self.body())
                return self.answer(201, Location=path, Docker_Content_Digest=digest)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def put(self, data):
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return digest

    def find(self, name, reference):
        if reference.startswith("sha256:"):
            return reference if reference in self.blobs else self.base
        return self.tags.get((name, reference), self.base)

"""A small image registry on this computer, which asks for a login: what `docker pull` needs of the distribution API."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


@dataclass
class Registry:
    port: int
    asked: list[str] = field(default_factory=list)  # the logins that were shown

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"


def _image(tag: str) -> tuple[bytes, dict[str, bytes]]:
    """The manifest of an image with one small file, and its blobs by digest."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        data = tag.encode()
        member = tarfile.TarInfo("tag.txt")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    packed = gzip.compress(layer.getvalue(), mtime=0)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": ["/none"]},
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer.getvalue())]},
        }
    ).encode()
    blobs = {_digest(data): data for data in (packed, config)}
    parts = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _part("application/vnd.docker.container.image.v1+json", config),
        "layers": [_part("application/vnd.docker.image.rootfs.diff.tar.gzip", packed)],
    }
    return json.dumps(parts).encode(), blobs


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _part(kind: str, data: bytes) -> dict[str, object]:
    return {"mediaType": kind, "size": len(data), "digest": _digest(data)}


@contextmanager
def served(username: str, password: str, tag: str = "1") -> Iterator[Registry]:
    """One image, `acme/private:<tag>`, for whoever shows this login."""
    manifest, blobs = _image(tag)
    wanted = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()

    class Answers(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown = self.headers.get("Authorization", "")
            registry.asked.append(shown)
            if shown != wanted:
                self._send(401, b"{}", "application/json")
            elif self.path == "/v2/":
                self._send(200, b"{}", "application/json")
            elif "/manifests/" in self.path:
                self._send(200, manifest, MANIFEST)
            elif blob := blobs.get(self.path.rpartition("/")[2]):
                self._send(200, blob, "application/octet-stream")
            else:
                self._send(404, b"{}", "application/json")

        do_HEAD = do_GET  # noqa: N815 - its caller's name

        def _send(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="private"')
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            self.send_header("Docker-Content-Digest", _digest(body))
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its caller's name
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    registry = Registry(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

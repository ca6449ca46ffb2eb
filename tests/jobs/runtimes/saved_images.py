"""Streams of `docker save` made by hand: layers of chosen members, in the old layout and in that of OCI."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Sequence
from typing import Any

Member = tuple[str, bytes] | tarfile.TarInfo
APPDEF = "etc/NAE/AppDef.json"


def tar(*members: Member, **options: Any) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            archive.addfile(info, io.BytesIO(member[1]))
    return out.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def folder(name: str) -> tarfile.TarInfo:
    return special(name, tarfile.DIRTYPE)


def saved(*layers: bytes, reverse: bool = True) -> bytes:
    """As engines before 25 save an image; its layers come before the manifest, and not in their order."""
    names = [f"{number:064x}/layer.tar" for number in range(len(layers))]
    manifest = [{"Config": "config.json", "RepoTags": ["x:1"], "Layers": names}]
    members = list(zip(names, layers, strict=True))
    return tar(
        *(reversed(members) if reverse else members),
        ("config.json", b"{}"),
        ("manifest.json", json.dumps(manifest).encode()),
    )


def saved_as_oci(*layers: bytes) -> bytes:
    """In the OCI image layout, each layer under its digest, found through index and manifest."""
    blobs: list[tuple[str, bytes]] = []

    def blob(content: bytes) -> dict[str, str]:
        digest = hashlib.sha256(content).hexdigest()
        blobs.append((f"blobs/sha256/{digest}", content))
        return {"digest": f"sha256:{digest}"}

    manifest = blob(json.dumps({"layers": [blob(layer) for layer in layers]}).encode())
    nested = blob(json.dumps({"manifests": [manifest]}).encode())
    index = json.dumps({"manifests": [nested]}).encode()
    return tar(*reversed(blobs), ("oci-layout", b"{}"), ("index.json", index))


def packed(layer: bytes) -> bytes:
    return gzip.compress(layer)


def chunks(data: bytes, size: int = 7_000) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def one_file(content: bytes, path: str = APPDEF, *more: Member) -> bytes:
    return saved(tar((path, content), *more))


def of(**files: bytes) -> Sequence[Member]:
    """Members of /etc/NAE: of(AppDef_json=b"{}")."""
    return [(f"etc/NAE/{name.replace('_', '.')}", content) for name, content in files.items()]

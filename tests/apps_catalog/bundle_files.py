"""Bundles as people pack them: files by path, as zip, tar or a folder."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from apps_catalog import services
from apps_catalog.services import ImportedBundle
from portal.people.models import User

PACKED: dict[str, Callable[[bytes], bytes]] = {"": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
CODE = "import os\nopen(os.path.join(os.environ['TASK_RESULTS_DIR'], 'out.txt'), 'w').write('done')\n"


def manifest(**over: Any) -> str:
    return json.dumps({"name": "counter", "version": "0.1"} | over)


def bundle(manifest_text: str = "", **files: str | bytes) -> dict[str, str | bytes]:
    """A small bundle; keywords are further files, "__" in them a slash and a last "_" a dot."""
    more = {
        name.replace("__", "/").replace("_py", ".py").replace("_json", ".json"): data for name, data in files.items()
    }
    return {"manifest.json": manifest_text or manifest(), "app/main.py": CODE} | more


def zipped(files: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    into.seek(0)
    return into


def tarred(files: Mapping[str, str | bytes], kind: str = "") -> io.BytesIO:
    """`kind`: "", gz, bz2 or xz."""
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as archive:
        for name, data in files.items():
            raw = data.encode() if isinstance(data, str) else data
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
    return io.BytesIO(PACKED[kind](into.getvalue()))


def foldered(files: Mapping[str, str | bytes], root: Path) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    return root


def push(files: Mapping[str, str | bytes], actor: User, **how: Any) -> ImportedBundle:
    return services.import_bundle(read=services.from_archive(zipped(files)), actor=actor, **how)

"""All results as one zip, written while it is sent: neither the archive nor a file of it is ever whole in memory."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator

from django.utils import timezone

from jobs.models import Result
from jobs.results import open_result
from portal.errors import NotFound

BLOCK_BYTES = 256 * 1024
LEFT_OUT = "LEFT-OUT.txt"


class _Outlet:
    """What the zip is written to: it only keeps what was not taken yet, and can't be rewound, which zipfile respects."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def take(self) -> bytes:
        data = b"".join(self._pieces)
        self._pieces.clear()
        return data


def zip_of(results: Iterable[Result], *, by_task: bool) -> Iterator[bytes]:
    """The archive piece by piece. What is not in the store is listed in LEFT-OUT.txt inside it, with the reason."""
    outlet = _Outlet()
    missing: list[str] = []
    now = timezone.localtime().timetuple()[:6]
    with zipfile.ZipFile(outlet, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for result in results:
            try:
                stream = open_result(result)
            except NotFound as error:
                missing.append(f"{result.path}: {error.message}\n")
                continue
            name = f"{result.task.index}/{result.path}" if by_task else result.path
            entry = zipfile.ZipInfo(name, now)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            with stream, archive.open(entry, "w", force_zip64=True) as member:
                while block := stream.read(BLOCK_BYTES):
                    member.write(block)
                    if data := outlet.take():
                        yield data
        if missing:
            archive.writestr(LEFT_OUT, "".join(missing))
    yield outlet.take()

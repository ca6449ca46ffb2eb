"""The images of the runtime in memory: found or missing, private, with files in them, and saved as an archive."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jobs.runtimes import references
from jobs.runtimes.base import ImageInfo, RegistryLogin, RuntimeFault
from jobs.runtimes.fake_programs import pieces


@dataclass
class FakeImages:
    """All images are there but those of `missing`; see FakeRuntime. `saved`: what `docker save` gives, by reference."""

    missing: set[str]
    registries: tuple[str, ...]
    files: Mapping[str, bytes]
    private: Mapping[str, RegistryLogin]
    saved: dict[str, bytes] = field(default_factory=dict)

    def require(self, reference: str) -> None:
        if reference in self.missing:
            raise _missing(reference, retry=True)

    def info(self, reference: str, *, pull: bool, login: RegistryLogin | None) -> ImageInfo:
        if not references.is_image_id(reference):
            references.require_allowed(references.parse_or_refuse(reference), reference, self.registries)
        if reference in self.missing:
            raise _missing(reference, retry=not pull)
        if pull and reference in self.private and login != self.private[reference]:
            raise RuntimeFault(f"Image {reference!r} was denied by its registry.", code="image_denied", retry=False)
        return ImageInfo(reference=reference, pinned=_id_of(reference), size_bytes=2**20, architecture="amd64")

    def export(self, reference: str) -> Iterator[bytes]:
        found = next((name for name in self.saved if reference in (name, _id_of(name))), None)
        if found is None:
            raise _missing(reference, retry=True)
        yield from pieces(self.saved[found])

    def read_file(self, image: str, path: str, limit_bytes: int) -> bytes | None:
        self.require(image)
        content = self.files.get(path)
        return content if content is not None and len(content) <= limit_bytes else None


def _id_of(reference: str) -> str:
    digest = reference.rpartition("@")[2]
    if references.is_image_id(digest):
        return digest
    return f"sha256:{hashlib.sha256(reference.encode()).hexdigest()}"


def _missing(reference: str, *, retry: bool) -> RuntimeFault:
    return RuntimeFault(
        f"Image {reference!r} is missing. Pull it, or check its name.", code="image_missing", retry=retry
    )

"""What Docker Engine says about images, in our words: pins, and why a pull failed. Pure."""

from __future__ import annotations

from typing import Any

from jobs.runtimes import references
from jobs.runtimes.base import ImageInfo, RuntimeFault


def image_missing(reference: str, words: str, *, retry: bool) -> RuntimeFault:
    return RuntimeFault(f"Image {reference!r} is missing: {words}.", code="image_missing", retry=retry)


def pull_fault(reference: str, problem: str) -> RuntimeFault:
    words = problem.lower()
    if "no space left on device" in words:
        message = f"Image {reference!r} was not pulled: the engine's disk is full. Free some space."
        return RuntimeFault(message, code="disk_full", retry=True)
    if any(part in words for part in ("access denied", "unauthorized", "authentication required", "no basic auth")):
        message = (
            f"Image {reference!r} was denied by its registry: {problem}. Check the name, or log this host in to it."
        )
        return RuntimeFault(message, code="image_denied", retry=False)
    final = any(part in words for part in ("manifest unknown", "not found", "no matching manifest", "does not exist"))
    final = final and "no such host" not in words
    hint = "Check its name and tag" if final else "Try again when the registry can be reached"
    return image_missing(reference, f"pulling it failed: {problem}. {hint}", retry=not final)


def image_info(reference: str, parsed: references.Reference | None, found: dict[str, Any]) -> ImageInfo:
    """From what an inspection found. `parsed` is None for an image id, which is its own pin."""
    digests = [text for text in found.get("RepoDigests") or () if parsed is not None and _names(text, parsed)]
    return ImageInfo(
        reference=reference,
        pinned=digests[0] if digests else str(found["Id"]),
        size_bytes=int(found["Size"]),
        architecture=str(found.get("Architecture") or ""),
    )


def _names(text: str, parsed: references.Reference) -> bool:
    try:
        digest = references.parse(text)
    except ValueError:  # engines list "<none>@<none>" where a tag was taken away
        return False
    return digest.name == parsed.name and parsed.digest in ("", digest.digest)

"""Image references: which registry a name means, by the grammar of the distribution project's `reference` package."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobs.runtimes.base import RuntimeFault

DEFAULT_REGISTRY = "docker.io"
_ALIASES = {"index.docker.io": DEFAULT_REGISTRY, "registry-1.docker.io": DEFAULT_REGISTRY}
_REGISTRY = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?"
)
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """A parsed reference. `repository` holds Docker Hub's `library/` where the text leaves it out."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.repository}"


def is_image_id(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def parse(text: str) -> Reference:
    """Raises ValueError where the text is no reference. An image id (sha256:...) is none: it has no registry."""
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise ValueError(f"{text!r} has a digest that is not sha256 and 64 hexadecimal digits")
    first, slash, path = rest.partition("/")
    # The first part is a host only if it could not be a part of a Docker Hub name.
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, rest = first, path
    else:
        registry = DEFAULT_REGISTRY
    repository, colon, tag = rest.partition(":")
    if not _REGISTRY.fullmatch(registry):
        raise ValueError(f"{text!r} names the registry {registry!r}, which is not a host")
    registry = registry.lower()
    registry = _ALIASES.get(registry, registry)
    if not _REPOSITORY.fullmatch(repository) or len(repository) > 255:
        raise ValueError(f"{text!r} is not an image reference")
    if colon and not _TAG.fullmatch(tag):
        raise ValueError(f"{text!r} has a tag that is not allowed")
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    return Reference(registry=registry, repository=repository, tag=tag or ("" if digest else "latest"), digest=digest)


def parse_or_refuse(text: str) -> Reference:
    """`parse`, with the fault a runtime raises."""
    try:
        return parse(text)
    except ValueError as error:
        raise RuntimeFault(
            f"{error}. Write it as [registry/]name[:tag] or [registry/]name@sha256:digest.",
            code="image_denied",
            retry=False,
        ) from None


def same_registry(one: str, other: str) -> bool:
    """Whether two names mean one registry: a login is shown to its own only."""
    first, second = one.strip().lower(), other.strip().lower()
    return _ALIASES.get(first, first) == _ALIASES.get(second, second)


def require_allowed(reference: Reference, text: str, allowed: tuple[str, ...]) -> None:
    """Raises RuntimeFault(image_denied) unless the registry is one of `allowed`."""
    if reference.registry not in {_ALIASES.get(name.lower(), name.lower()) for name in allowed}:
        raise RuntimeFault(
            f"Image {text!r} is in the registry {reference.registry}, which is not allowed here. "
            f"Allowed: {', '.join(allowed) or 'none'}. Ask an operator to allow it, or use another image.",
            code="image_denied",
            retry=False,
        )

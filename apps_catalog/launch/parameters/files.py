"""FILE and UPLOAD."""

from __future__ import annotations

import base64
import binascii
import posixpath
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from apps_catalog.launch.document import text_fault
from apps_catalog.launch.findings import Json
from apps_catalog.launch.parameters.base import MAX_WORD_BYTES, Generic, Hint, Parameter, UnfitError, checked_text
from apps_catalog.launch.reading import Section

VAULT_ROOT = "/data"
UPLOAD_ROOT = "/opt"
EXTENSION = re.compile(r"\*?\.?([A-Za-z0-9][A-Za-z0-9_.+-]{0,31})")
# Base64 in a submission is held in memory and in rows; larger files are uploaded first and named by their id.
MAX_INLINE_BYTES = 8 * 1024 * 1024


def inside(path: str) -> str | None:
    """A relative path without empty and `.` segments; None where it is absolute or leads out with `..`."""
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    return None if path.startswith("/") or ".." in segments else "/".join(segments)


@dataclass(frozen=True, kw_only=True)
class File(Parameter):
    """A path in the chosen vault. Its value is relative to the vault's root; the program gets /data/<value>."""

    kind: ClassVar[str] = "FILE"
    own_keys: ClassVar[frozenset[str]] = frozenset({"filter", "value"})

    filters: tuple[str, ...] = ()

    @classmethod
    def parse(cls, section: Section, generic: Generic) -> Self | None:
        raw = section.get("filter")
        patterns = "|".join(section.texts("filter") or ()) if isinstance(raw, list) else section.text("filter")
        filters = tuple(part.strip() for part in patterns.split("|") if part.strip())
        bare = cls(filters=filters, **generic)
        default = None
        try:
            default = bare.clean(section.text("value")) if section.text("value") else None
        except UnfitError as fault:
            section.notes.warn("bad-default", f"The default is not used: it {fault.message}.", section.at("value"))
        return cls(filters=filters, default=default, **generic)

    def value_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string", "maxLength": MAX_WORD_BYTES}
        return {**schema, "minLength": 1} if self.required else schema

    def clean(self, value: Json) -> Json:
        path = checked_text(value)
        if path == VAULT_ROOT or path.startswith(VAULT_ROOT + "/"):
            path = path[len(VAULT_ROOT) :].lstrip("/")
        if path.startswith("/"):
            raise UnfitError(
                "path", f"must be a path inside the vault, such as folder/file, or start with {VAULT_ROOT}/"
            )
        relative = inside(path)
        if relative is None:
            raise UnfitError("path", "must stay inside the vault; '..' is not allowed")
        return relative or "."

    def text(self, value: Json) -> str:
        return VAULT_ROOT if value == "." else posixpath.join(VAULT_ROOT, value) if value else ""

    def hint(self) -> Hint:
        return self._hint("file", limits=", ".join(self.filters), filters=self.filters)


@dataclass(frozen=True, kw_only=True)
class Upload(Parameter):
    """A file from the person's computer, found by the program at /opt/<target>; never on the command line.

    Its value is `{"upload": "<id>"}` of a file uploaded before, or base64 text.
    """

    kind: ClassVar[str] = "UPLOAD"
    own_keys: ClassVar[frozenset[str]] = frozenset({"target", "filter", "size"})

    target: str = ""
    extensions: tuple[str, ...] = ()
    size: int | None = None

    @classmethod
    def parse(cls, section: Section, generic: Generic) -> Self | None:
        written = section.text("target").strip()
        target = inside(written)
        if not target or written.endswith("/") or "\\" in written or text_fault(written):
            where = section.at("target") if section.has("target") else section.pointer
            message = (
                f"'target' must name a file below {UPLOAD_ROOT}, such as input.json, "
                f"without a leading slash and without '..'; it is {written!r}."
            )
            section.notes.error("target", message, where)
            return None
        size = section.integer("size")
        if size is not None and size <= 0:
            section.notes.warn("ignored-value", "'size' should be at least 1 byte; it is ignored.", section.at("size"))
            size = None
        return cls(target=target, extensions=read_extensions(section), size=size, **generic)

    @property
    def path(self) -> str:
        return f"{UPLOAD_ROOT}/{self.target}"

    def value_schema(self) -> dict[str, Any]:
        reference = {
            "type": "object",
            "properties": {"upload": {"type": "string", "minLength": 1, "maxLength": 200}},
            "required": ["upload"],
            "additionalProperties": False,
        }
        return {"anyOf": [{"type": "string", "contentEncoding": "base64"}, reference]}

    def clean(self, value: Json) -> Json:
        if isinstance(value, dict):
            fault = text_fault(str(value["upload"]))
            if fault:
                raise UnfitError("text", fault)
            return {"upload": value["upload"]}
        if len(value) > MAX_INLINE_BYTES * 2:
            raise UnfitError("size", f"must be at most {in_bytes(MAX_INLINE_BYTES)} as base64; upload the file first")
        compact = "".join(value.split())
        try:
            content = base64.b64decode(compact, validate=True)
        except (binascii.Error, ValueError):
            raise UnfitError("base64", "must be the file's content as base64 text") from None
        self.check_size(len(content))
        return compact

    def check_size(self, size: int) -> None:
        """Raises UnfitError for a file of more bytes than the author allows."""
        if self.size is not None and size > self.size:
            raise UnfitError("size", f"must be at most {self.size} bytes ({in_bytes(self.size)}); this file has {size}")

    def check_name(self, name: str) -> None:
        """Raises UnfitError for a file name without one of the author's extensions."""
        if self.extensions and not name.lower().endswith(tuple(part.lower() for part in self.extensions)):
            raise UnfitError("extension", f"must be a file that ends in {' or '.join(self.extensions)}")

    def text(self, value: Json) -> str:
        return self.path

    def words(self, value: Json) -> tuple[str, ...]:
        return ()

    def hint(self) -> Hint:
        size = "" if self.size is None else f"at most {in_bytes(self.size)}"
        accept = ",".join(self.extensions)
        words = ", ".join(part for part in (" or ".join(self.extensions), size) if part)
        return self._hint("upload", limits=words, accept=accept, size=self.size)


def in_bytes(size: int) -> str:
    """ "512 bytes", "4 KiB", "1.5 MiB"."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size} byte{'' if size == 1 else 's'}"


def read_extensions(section: Section) -> tuple[str, ...]:
    """`filter` as extensions with their dot; patterns like `*.key` and lists with `|` or `,` are taken too."""
    raw = section.get("filter")
    parts = section.texts("filter") or () if isinstance(raw, list) else re.split(r"[|,\s]+", section.text("filter"))
    found: list[str] = []
    for part in (part.strip() for part in parts):
        match = EXTENSION.fullmatch(part)
        if match:
            found.append("." + match.group(1))
        elif part not in ("", "*", "*.*", ".*"):
            message = f"'filter' should be an extension such as .json; {part!r} is ignored."
            section.notes.warn("ignored-value", message, section.at("filter"))
    return tuple(dict.fromkeys(found))

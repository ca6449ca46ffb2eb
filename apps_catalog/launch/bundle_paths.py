"""Paths of a bundle: what may be one, what is left out, and names that some computer would take for the same."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from apps_catalog.launch.findings import Finding

PATH_MAX, PART_MAX, DEPTH_MAX = 1000, 255, 40
_DRIVE = re.compile(r"[A-Za-z]:")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]")
# What version control, editors and Python leave behind; nothing of a bundle.
LEFT_OUT: Final = frozenset(
    [
        ".git",
        ".hg",
        ".svn",
        ".idea",
        ".vscode",
        ".venv",
        "__pycache__",
        "__MACOSX",
        ".DS_Store",
        "Thumbs.db",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
    ]
)


class BundleFault(Exception):
    """Raised where a bundle can't be taken. `finding` is the error that says why."""

    def __init__(self, code: str, message: str, file: str = "") -> None:
        super().__init__(message)
        self.finding = Finding("error", code, message, file=file)


def shown(path: str) -> str:
    """A path inside a sentence, whatever its bytes were."""
    text = path.encode("utf-8", "replace").decode()
    return repr(text if len(text) <= 120 else f"{text[:117]}...")


def clean_path(written: str) -> str:
    """The path as it is kept: relative, "/" between its parts, no "." in it; "" for the folder itself. Raises BundleFault."""
    fault = _fault(written)
    if fault:
        raise BundleFault(*fault)
    return "/".join(part for part in written.split("/") if part not in ("", "."))


def _fault(written: str) -> tuple[str, str] | None:
    try:
        size = len(written.encode("utf-8"))
    except UnicodeEncodeError:
        return "name-encoding", f"The name {shown(written)} is not UTF-8. Rename the file, and pack the bundle again."
    if _UNSEEN.search(written):
        return "unsafe-path", f"The name {shown(written)} holds a control character. Rename the file."
    if written.startswith(("/", "\\")) or _DRIVE.match(written):
        return "unsafe-path", f"The path {shown(written)} is absolute. Pack the folder by its name, from beside it."
    if "\\" in written:
        return "unsafe-path", f"The path {shown(written)} holds a backslash. Write / between folders."
    parts = written.split("/")
    if ".." in parts:
        return "unsafe-path", f"The path {shown(written)} leads out of the bundle. Pack the folder itself."
    if size > PATH_MAX or len(parts) > DEPTH_MAX or any(len(part.encode()) > PART_MAX for part in parts):
        return "long-path", f"The path {shown(written)} is too long or too deep. Use shorter names and fewer folders."
    return None


def left_out(path: str) -> bool:
    """Whether a file is no part of the bundle, but what tools leave beside it."""
    parts = path.split("/")
    return not LEFT_OUT.isdisjoint(parts) or path.endswith((".pyc", ".pyo")) or parts[-1].startswith("._")


def same_elsewhere(path: str) -> str:
    """Equal for paths that a file system without case, or one that composes accents, takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())

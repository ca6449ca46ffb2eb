"""`cmdscript`: the script that is written to a command's `path` and run; plain text or base64, which is detected.

It is taken for base64 only if it can't well be anything else. One word (line breaks aside) of letters, digits, `+` and
`/`, with a capital letter in it, that decodes to readable UTF-8 text: then the decoded text is the script. All else is
the script as written: what has a blank, `#!` or any other sign in it; a word in small letters (`hostname`), a path
(`/opt/App/run`). A word that looks like base64 to its padding and decodes to no text is an error.
"""

from __future__ import annotations

import base64
import binascii
import posixpath
import re

from apps_catalog.launch.reading import Section, shortened

MAX_CHARACTERS = 1024 * 1024
SHEBANG = "#!"
DEFAULT_SHEBANG = "#!/bin/sh\n"
BASE64 = re.compile(r"[A-Za-z0-9+/]*[A-Z][A-Za-z0-9+/]*={0,2}")
PATH = re.compile(r"(?:/[A-Za-z0-9+]+)+")
UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
# Folders of the job and of the kernel, and files that every script needs or that Slipway writes itself.
CLOSED_FOLDERS = ("/data", "/results", "/etc/JARVICE", "/proc", "/sys", "/dev", "/home", "/root")
CLOSED_FILES = frozenset(
    {f"{folder}/{shell}" for folder in ("/bin", "/usr/bin") for shell in ("sh", "bash", "dash", "env", "busybox")}
    | {"/etc/passwd", "/etc/group", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"}
)


def read_cmdscript(section: Section, path: tuple[str, ...] | None) -> str:
    """The script with its first line, "" where there is none; an error is noted where it can't be run at `path`."""
    written = section.text("cmdscript")
    if not written.strip():
        return ""
    where = section.at("cmdscript")
    script = decoded(written)
    if script is None:
        message = (
            "'cmdscript' reads like base64, but what it decodes to is not UTF-8 text. "
            "Save the script as UTF-8 and encode it again, or write it as plain text."
        )
        section.notes.error("cmdscript-encoding", message, where)
        return ""
    if len(script) > MAX_CHARACTERS:
        message = f"'cmdscript' is longer than {MAX_CHARACTERS // 1024} KiB. Put a script of that size into the image."
        section.notes.error("cmdscript-too-long", message, where)
        return ""
    fault = path_fault(path[0]) if path else ""
    if fault:
        message = f"'cmdscript' is written to 'path', which {fault}. Name a file of its own, such as /opt/script.sh."
        section.notes.error("cmdscript-path", message, section.at("path"))
        return ""
    script = script.replace("\r\n", "\n")
    return script if script.startswith(SHEBANG) else DEFAULT_SHEBANG + script


def decoded(written: str) -> str | None:
    """The script that a text stands for: itself, or what it decodes to; None for base64 of what is no text."""
    word = "".join(written.strip().splitlines())
    if not BASE64.fullmatch(word):
        return written
    padded = word + "=" * (-len(word) % 4)
    try:
        content = base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError):
        return written
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if text and not UNREADABLE.search(text):
        return text
    is_word = len(word) < 8 or PATH.fullmatch(word) is not None or (len(word) % 4 and "=" not in word)
    return written if is_word and not word.endswith("=") else None


def path_fault(path: str) -> str:
    """Why no script can be written to a path of the container, or an empty text; it goes on after "which"."""
    if not path.startswith("/"):
        return f"is not absolute ({shortened(path)!r})"
    clean = posixpath.normpath("/" + path.lstrip("/"))
    if clean != path:
        return f"is not the plain path of a file ({shortened(path)!r})"
    if clean in CLOSED_FILES:
        return f"would replace {clean}"
    folder = next((one for one in CLOSED_FOLDERS if clean == one or clean.startswith(one + "/")), None)
    if folder is not None or clean == "/tmp":  # noqa: S108 - a path of the container
        return f"is in {folder or clean}, where the job's own files are"
    return "is the root of the system" if clean == "/" else ""

"""The text of a definition as JSON: decoding, bounds, and faults with line, column and the line itself."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass

from apps_catalog.launch.findings import Finding, Json
from apps_catalog.launch.positions import join, place, tokens
from portal.nesting import deeper_than

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64
MAX_DIGITS = 300
SHOWN = 120

TRAILING_COMMA = "the comma before this bracket is one too many (a trailing comma). Remove it"
EXPLANATIONS = (
    ("Expecting property name", "a key in double quotes was expected here; a comma before it may be one too many"),
    ("Expecting ',' delimiter", "a comma or a closing bracket is missing before this place"),
    ("Expecting ':' delimiter", "a colon is missing after the key"),
    ("Expecting value", "a value was expected here; a comma before it may be one too many"),
    ("Extra data", "the JSON has already ended here; there may be a closing bracket too many"),
    ("Unterminated string", "the text that starts here is not closed with a double quote"),
    (
        "Invalid control character",
        "a line break or control character inside a text must be written as \\n, \\t or \\u00..",
    ),
    ("Invalid \\u", "\\u must be followed by four hexadecimal digits"),
    ("Invalid \\escape", "this backslash sequence does not exist in JSON; write a backslash as \\\\"),
)


@dataclass(frozen=True)
class Document:
    """A text that is JSON, and its value."""

    text: str
    value: Json
    has_bom: bool
    repeats_keys: bool


class _NotJsonError(ValueError):
    """A number that Python's reader takes but JSON or this program does not. `token` is how it is written."""

    def __init__(self, token: str, why: str) -> None:
        super().__init__(why)
        self.token = token
        self.why = why


def read_document(source: str | bytes, *, max_bytes: int = MAX_BYTES) -> Document | Finding:
    """The JSON value of a text, of a definition or of a submission, or the one finding that says why there is none."""
    if len(source) > max_bytes:
        return too_large(len(source), max_bytes)
    try:
        raw = source.encode("utf-8") if isinstance(source, str) else source
    except UnicodeEncodeError as fault:
        line, column = place(fault.object, fault.start)
        return _refusal("encoding", "the text holds half of a surrogate pair, which is not a character", line, column)
    if len(raw) > max_bytes:
        return too_large(len(raw), max_bytes)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as fault:
        before = raw[: fault.start].decode("utf-8", "replace")
        line, column = place(before, len(before))
        return _refusal("encoding", "the file is not UTF-8; save it as UTF-8 and import it again", line, column)
    has_bom = text.startswith("\ufeff")
    text = text.removeprefix("\ufeff")
    if not text.strip():
        return Finding("error", "empty", "The file is empty. Paste or choose an AppDef.json.", "", 1, 1)
    return _parse(text, has_bom)


def too_large(size: int, limit: int) -> Finding:
    message = (
        f"The definition is {size / 1048576:.1f} MiB long; at most {limit / 1048576:.0f} MiB are read. "
        "An icon of some kilobytes is enough; leave other data out of the definition."
    )
    return Finding("error", "too-large", message)


def _parse(text: str, has_bom: bool) -> Document | Finding:
    repeats = False

    def pairs(items: list[tuple[str, Json]]) -> dict[str, Json]:
        nonlocal repeats
        found = dict(items)
        repeats = repeats or len(found) < len(items)
        return found

    try:
        value = json.loads(
            text, object_pairs_hook=pairs, parse_int=_integer, parse_float=_float, parse_constant=_constant
        )
    except json.JSONDecodeError as fault:
        return _json_fault(text, fault)
    except _NotJsonError as fault:
        offset = next((at for token, at in tokens(text) if token == fault.token), 0)
        return _at(text, offset, fault.why)
    except RecursionError:
        return _too_deep()
    if deeper_than(value, MAX_DEPTH):
        return _too_deep()
    return Document(text, value, has_bom, repeats)


def _integer(token: str) -> int:
    if len(token) > MAX_DIGITS:
        raise _NotJsonError(token, f"this number has more than {MAX_DIGITS} digits")
    return int(token)


def _float(token: str) -> float:
    value = float(token)
    if math.isinf(value):
        raise _NotJsonError(token, "this number is too large")
    return value


def _constant(token: str) -> Json:
    raise _NotJsonError(token, f"{token} is not a JSON value")


def _too_deep() -> Finding:
    message = f"The text is nested more than {MAX_DEPTH} levels deep. Fewer than ten are needed."
    return Finding("error", "too-deep", message)


def _json_fault(text: str, fault: json.JSONDecodeError) -> Finding:
    if _after_a_comma(text, fault.pos):
        return _at(text, fault.pos, TRAILING_COMMA)
    words = next((words for start, words in EXPLANATIONS if fault.msg.startswith(start)), fault.msg)
    return _at(text, fault.pos, words)


def _after_a_comma(text: str, offset: int) -> bool:
    """Whether a parser stumbled over a closing bracket after a comma; some stop at the bracket, some at the comma."""
    rest = text[offset:].removeprefix(",").lstrip()
    before = text[: offset + 1] if text[offset : offset + 1] == "," else text[:offset].rstrip()
    return rest.startswith(("}", "]")) and before.endswith(",")


def _at(text: str, offset: int, why: str) -> Finding:
    line, column = place(text, offset)
    start = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    whole = text[start : len(text) if end < 0 else end]
    shown = whole.rstrip("\r")
    which = "The line"
    if not shown.strip():
        shown = text[:start].rstrip().rpartition("\n")[2]
        column_shown, which = len(shown), "The last line before it"
    else:
        column_shown = column - 1
    if len(shown) > SHOWN:
        left = max(0, min(column_shown - SHOWN // 2, len(shown) - SHOWN))
        after = "..." if left + SHOWN < len(shown) else ""
        shown = ("..." if left else "") + shown[left : left + SHOWN] + after
    shown = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "\ufffd", shown)
    return _refusal("not-json", f"{why}. {which} is: {shown}", line, column)


def _refusal(code: str, why: str, line: int, column: int) -> Finding:
    return Finding("error", code, f"Line {line}, column {column}: {why}", "", line, column)


def bad_texts(value: Json) -> list[tuple[str, str]]:
    """Pointer and reason of every text that no program, environment or database column can hold."""
    if not text_fault(json.dumps(value, ensure_ascii=False).replace("\\u0000", "\0")):
        return []
    found: list[tuple[str, str]] = []
    todo: list[tuple[str, Json]] = [("", value)]
    while todo and len(found) < 20:
        pointer, node = todo.pop()
        if isinstance(node, str):
            reason = text_fault(node)
            if reason:
                found.append((pointer, reason))
        elif isinstance(node, dict):
            found.extend((pointer, f"A key {reason}") for reason in map(text_fault, node) if reason)
            todo.extend((join(pointer, key), child) for key, child in node.items())
        elif isinstance(node, list):
            todo.extend((join(pointer, index), child) for index, child in enumerate(node))
    return found


def text_fault(text: str) -> str:
    """Why a text can't be passed to a program, or an empty text."""
    if "\0" in text:
        return "holds a NUL character, which no program can be given; remove it"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return "holds half of a surrogate pair, which is not a character; remove it"
    return ""

"""Patterns of authors' schemas. jsonschema reads them by `re`; what only JavaScript knows, as \\p{L}, is read by `regex`.

They never leave the server, so nothing breaks where a browser would refuse one; authors are told all the same.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import regex
from jsonschema import ValidationError, validators

from apps_catalog.launch.findings import Json

REFUSED = (
    (re.compile(r"\(\?[aiLmsux]+[:)-]"), "inline flags such as (?i)"),
    (re.compile(r"\(\?P[<=>]"), "groups named with (?P<..>)"),
    (re.compile(r"\(\?#"), "comments"),
    (re.compile(r"\(\?\("), "conditions"),
    (re.compile(r"\(\?>"), "atomic groups"),
    (re.compile(r"(?<!\\)(?:[*+?]|\{[\d,]+\})\+"), "possessive repeats"),
    (re.compile(r"(?<!\\)(?:\\\\)*\\[AZ]"), r"\A and \Z"),
)
Errors = Iterator[ValidationError]


def javascript_refuses(pattern: str) -> str:
    """What of it a browser would refuse, in words, or ""."""
    return next((words for sign, words in REFUSED if sign.search(pattern)), "")


def nobody_reads(pattern: str) -> str:
    """Why no value could be judged by it, or ""."""
    try:
        _compiled(pattern)
    except re.error as fault:
        return str(fault)
    except (RecursionError, OverflowError, MemoryError):
        return "it is too large"
    return ""


def is_foreign(pattern: str) -> bool:
    """Whether jsonschema itself could not read it, and we can."""
    return not nobody_reads(pattern) and not isinstance(_compiled(pattern), re.Pattern)


def patterns_of(schema: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """The patterns of a schema itself, each with the keyword that it stands in."""
    if isinstance(schema.get("pattern"), str):
        yield "pattern", schema["pattern"]
    if isinstance(schema.get("patternProperties"), dict):
        yield from (("patternProperties", key) for key in schema["patternProperties"])


def matches(pattern: str, text: str) -> bool:
    return _compiled(pattern).search(text) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> Any:
    """Raises re.error where neither can read it, with what `re` says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(pattern)
        except re.error as fault:
            try:
                return regex.compile(pattern)
            except regex.error:
                raise fault from None


def judge_of(judge: Any, root: Json) -> Any:
    """A class of validators: jsonschema's own, or, only where a schema has a foreign pattern, one that can read it too."""
    if not any(is_foreign(pattern) for schema in objects_of(root) for _, pattern in patterns_of(schema)):
        return judge
    return validators.extend(judge, KEYWORDS)  # type: ignore[no-untyped-call]


def objects_of(value: Json) -> Iterator[Mapping[str, Json]]:
    """Every object in a value, itself among them."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            yield one
            todo.extend(one.values())
        elif isinstance(one, list):
            todo.extend(one)


def _pattern(validator: Any, pattern: str, value: Json, schema: Json) -> Errors:
    if isinstance(value, str) and not matches(pattern, value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, named: Mapping[str, Json], value: Json, schema: Json) -> Errors:
    for pattern, inner in named.items() if isinstance(value, dict) else ():
        for key in (key for key in value if matches(pattern, key)):
            yield from validator.descend(value[key], inner, path=key, schema_path=pattern)


def _additional_properties(validator: Any, inner: Json, value: Json, schema: Mapping[str, Json]) -> Errors:
    if not isinstance(value, dict):
        return
    patterns = schema.get("patternProperties", {})
    more = [
        key for key in value if key not in schema.get("properties", {}) and not any(matches(p, key) for p in patterns)
    ]
    if isinstance(inner, dict):
        for key in more:
            yield from validator.descend(value[key], inner, path=key)
    elif inner is False and more:
        yield ValidationError(f"{', '.join(map(repr, more))} must not be there")


KEYWORDS: Mapping[str, Callable[..., Errors]] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
}

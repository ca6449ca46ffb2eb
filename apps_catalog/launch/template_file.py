"""Reads template.json: the app, the engines and the defaults that a job in stages starts from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from apps_catalog.launch.bytenite import PASSTHROUGH, ROLES, TEMPLATE, in_file
from apps_catalog.launch.document import bad_texts, read_document
from apps_catalog.launch.findings import Finding, Json
from apps_catalog.launch.placing import placed
from apps_catalog.launch.reading import Notes, Section, shortened

TEMPLATE_BYTES_MAX = 256 * 1024
TAG = re.compile(r"[A-Za-z0-9_-]{1,64}(?:@(?:0|[1-9][0-9]{0,5})(?:\.(?:0|[1-9][0-9]{0,5}))?)?")
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# As ByteNite writes them; docs/reference/bytenite.md has a row for each.
TEMPLATE_KEYS: Final = (
    "id",
    "name",
    "description",
    "app",
    "partitioner",
    "assembler",
    "dataSource",
    "dataDestination",
    "params",
    "config",
)
_SPELT: Final = {key.casefold(): key for key in TEMPLATE_KEYS}


@dataclass(frozen=True)
class Template:
    """What a template.json says. Tags are name, name@1, name@1.2, or passthrough for an engine; "" where it names none."""

    id: str = ""
    name: str = ""
    description: str = ""
    app: str = ""
    partitioner: str = PASSTHROUGH
    assembler: str = PASSTHROUGH
    source: Mapping[str, Json] = field(default_factory=dict)
    destination: Mapping[str, Json] = field(default_factory=dict)
    params: Mapping[str, Json] = field(default_factory=dict)
    config: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class TemplateReading:
    """What came of reading one: a template unless a finding is an error."""

    template: Template | None
    findings: tuple[Finding, ...]


def read_template(text: str | bytes) -> TemplateReading:
    """Never raises. Parameters and settings are judged where a job uses them."""
    document = read_document(text, max_bytes=TEMPLATE_BYTES_MAX)
    if isinstance(document, Finding):
        return TemplateReading(None, (in_file(TEMPLATE, _of_a_template(document, len(text))),))
    notes = Notes()
    template = None
    if not isinstance(document.value, dict):
        notes.error("not-an-object", "A template is a JSON object: it starts with { and ends with }.")
    else:
        for pointer, reason in bad_texts(document.value):
            notes.error("bad-text", f"This text {reason}.", pointer)
        template = _read(Section(document.value, "", notes, frozenset(TEMPLATE_KEYS), spelling=_spelling))
    findings = tuple(in_file(TEMPLATE, finding) for finding in placed(document, notes))
    return TemplateReading(None if notes.failed else template, findings)


def _spelling(written: str) -> str:
    return _SPELT.get(written.casefold().replace("_", "").replace("-", ""), written) if len(written) < 40 else written


def _of_a_template(finding: Finding, size: int) -> Finding:
    said = {
        "too-large": f"The template is {size / 1024:.0f} KiB long; at most {TEMPLATE_BYTES_MAX // 1024} KiB are read.",
        "empty": 'The file is empty. A template is at least {"app": "the name of an app"}; or leave the file out.',
    }.get(finding.code, finding.message)
    return Finding(finding.level, finding.code, said, finding.pointer, finding.line, finding.column)


def _read(section: Section) -> Template:
    name = section.text("id").strip()
    if name and not ID.fullmatch(name):
        said = (
            f"{shortened(name)!r} can't be the id of a template. Use letters, digits, dash and underscore, at most 64."
        )
        section.notes.error("bad-id", said, section.at("id"))
    params = _object(section, "params")
    for key, value in params.items():
        if key not in ROLES:
            said = f"Parameters are for {', '.join(ROLES)}; {shortened(key)!r} is none of them."
            section.notes.error("unknown-section", said, section.at("params", key))
        elif not isinstance(value, dict):
            section.notes.error("type", "Parameters are an object: keys and their values.", section.at("params", key))
    return Template(
        id=name,
        name=section.prose("name").strip(),
        description=section.prose("description"),
        app=_tag(section, "app", ""),
        partitioner=_tag(section, "partitioner", PASSTHROUGH),
        assembler=_tag(section, "assembler", PASSTHROUGH),
        source=_object(section, "dataSource"),
        destination=_object(section, "dataDestination"),
        params=params,
        config=_object(section, "config"),
    )


def _tag(section: Section, key: str, usual: str) -> str:
    tag = section.text(key).strip()
    if tag and not TAG.fullmatch(tag):
        said = f"{shortened(tag)!r} is no tag. Write the name of a bundle, name@1 or name@1.2."
        section.notes.error("bad-tag", said, section.at(key))
    return tag or usual


def _object(section: Section, key: str) -> dict[str, Json]:
    raw = section.get(key)
    if raw is None or isinstance(raw, dict):
        return raw or {}
    section.notes.error("type", f"'{key}' must be an object.", section.at(key))
    return {}

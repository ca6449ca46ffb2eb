"""Reads manifest.json and schema.json of a ByteNite bundle into a LaunchSpec, with a finding for all its author should know.

Keys may be written in lower case or capitalised, in snake_case or camelCase. Lenient where the bundle can still be run,
strict where it can't: only an `error` finding refuses it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Final, Literal

from apps_catalog.launch.digests import digest_of_texts
from apps_catalog.launch.document import bad_texts, read_document
from apps_catalog.launch.environment import name_fault
from apps_catalog.launch.findings import Finding, Json
from apps_catalog.launch.json_schema.bounds import read_schema
from apps_catalog.launch.placing import placed
from apps_catalog.launch.positions import join
from apps_catalog.launch.reading import Notes, Section, closest, shortened
from apps_catalog.launch.registry_login import masked
from apps_catalog.launch.spec import Command, LaunchSpec, Reading, Requirements

MANIFEST, SCHEMA, TEMPLATE = "manifest.json", "schema.json", "template.json"
MANIFEST_BYTES_MAX = 128 * 1024
COMMAND: Final = "run"  # the one command of a bundle
ENTRY: Final = "main.py"
PASSTHROUGH: Final = "passthrough"
ROLES: Final = ("app", "partitioner", "assembler")
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
VERSION = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})(\.rev[0-9]{1,6})?")
IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._/:@-]{0,499}")
ENTRY_POINT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_. +-]{0,99}(?:/[A-Za-z0-9_][A-Za-z0-9_. +-]{0,99}){0,9}")
SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
SECRETS_MAX, MODELS_MAX = 20, 50
CPU_MAX, MEMORY_GIB_MAX = 4096, 65_536

# Every key that means something here; docs/reference/bytenite.md has a row for each.
MANIFEST_KEYS = (
    "name",
    "id",
    "version",
    "type",
    "description",
    "entrypoint",
    "platform",
    "platform_config",
    "device_requirements",
    "secrets",
    "author",
)
PLATFORM_KEYS = ("container", "private_image", "username", "token", "secrets")
DEVICE_KEYS = ("min_cpu", "min_memory", "gpu")


class _Keys:
    """The keys of one object, however they are spelt."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.known = frozenset(names)
        self.folded = {_folded(name): name for name in self.known}

    def __call__(self, written: str) -> str:
        return self.folded.get(_folded(written), written)


def _folded(key: str) -> str:
    return key.casefold().replace("_", "").replace("-", "") if len(key) < 40 else key


_MANIFEST, _PLATFORM, _DEVICE = _Keys(MANIFEST_KEYS), _Keys(PLATFORM_KEYS), _Keys(DEVICE_KEYS)


def read_bytenite(text: str | bytes, schema_text: str | bytes = "") -> Reading:
    """The launch spec of a bundle's manifest.json and schema.json ("" where it has none), and the findings, each with its
    `file`; no spec where one is an error. Never raises. `image` is "" where the manifest names no container."""
    spec, findings = _manifest_of(text)
    schema, about_schema = _schema_of(schema_text)
    found = (*findings, *about_schema)
    if spec is None or schema is None:
        return Reading(None, found)
    digest = digest_of_texts(_verbatim(text), _verbatim(schema_text))
    command = replace(spec.commands[COMMAND], schema=schema)
    return Reading(replace(spec, digest=digest, commands={COMMAND: command}), found)


def _verbatim(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode("utf-8")


def _manifest_of(text: str | bytes) -> tuple[LaunchSpec | None, tuple[Finding, ...]]:
    document = read_document(text, max_bytes=MANIFEST_BYTES_MAX)
    if isinstance(document, Finding):
        return None, (in_file(MANIFEST, _of_a_manifest(document, len(text))),)
    notes = Notes()
    spec = None
    if document.has_bom:
        notes.info("byte-order-mark", "The file starts with a byte order mark, which is skipped.")
    if not isinstance(document.value, dict):
        notes.error("not-an-object", "A manifest is a JSON object: it starts with { and ends with }.")
    else:
        for pointer, reason in bad_texts(document.value):
            notes.error("bad-text", f"This text {reason}.", pointer)
        spec = _read_manifest(Section(document.value, "", notes, _MANIFEST.known, spelling=_MANIFEST))
    findings = tuple(in_file(MANIFEST, finding) for finding in placed(document, notes))
    return (None if notes.failed else spec), findings


def in_file(name: str, finding: Finding) -> Finding:
    """The finding as one of this file; a token that a line of it shows is masked."""
    return replace(finding, message=masked(finding.message), file=name)


def _of_a_manifest(finding: Finding, size: int) -> Finding:
    match finding.code:
        case "too-large":
            message = f"The manifest is {size / 1024:.0f} KiB long; at most {MANIFEST_BYTES_MAX // 1024} KiB are read."
            return replace(finding, message=message)
        case "empty":
            return replace(
                finding, message='The file is empty. A manifest is at least {"name": "..", "version": "0.1"}.'
            )
        case _:
            return finding


def _schema_of(text: str | bytes) -> tuple[dict[str, Json] | None, tuple[Finding, ...]]:
    """The schema that the parameters are judged by: {} where any object will do; None where it can't be used."""
    if not text:
        return {}, ()
    reading = read_schema(text)
    findings = tuple(in_file(SCHEMA, finding) for finding in reading.findings)
    if reading.schema is None:
        return None, findings
    root = reading.schema.root
    if root is False:
        said = "The schema is `false`, which no parameters fit. Write {} where any will do."
        return None, (*findings, Finding("error", "schema", said, "", 1, 1, SCHEMA))
    kinds = [] if root is True else root.get("type", "object")
    if kinds and "object" not in ([kinds] if isinstance(kinds, str) else kinds):
        said = 'Parameters are an object, and this schema takes none. Write "type": "object" on top, or leave it out.'
        return None, (*findings, Finding("error", "schema", said, "/type", 1, 1, SCHEMA))
    return ({} if root is True else root), findings


def _read_manifest(section: Section) -> LaunchSpec:
    notes = section.notes
    platform = section.text("platform").strip()
    if platform and platform.casefold() != "docker":
        said = f"The platform {shortened(platform)!r} is run as docker, the only one here."
        notes.warn("platform", said, section.at("platform"))
    container = _inner(section, "platform_config", _PLATFORM)
    device = _inner(section, "device_requirements", _DEVICE)
    major, minor = _version(section)
    return LaunchSpec(
        kind="bytenite",
        digest="",
        name=_name(section),
        description=section.prose("description"),
        author=section.prose("author"),
        categories=(),
        commands={COMMAND: Command(COMMAND, "Run", "", (), {})},
        machines=("*",),
        vault_types=("NONE",),
        extra=section.extra,
        role=_role(section),
        entrypoint=_entry_point(section),
        image=_container(container),
        requirements=_requirements(device),
        secrets=_secrets(section, container),
        private_image=container.flag("private_image"),
        major=major,
        minor=minor,
    )


def _inner(section: Section, key: str, keys: _Keys) -> Section:
    raw = section.mapping(key) or {}
    return Section(raw, section.at(key), section.notes, keys.known, spelling=keys)


def _name(section: Section) -> str:
    key = "name" if section.has("name") or not section.has("id") else "id"
    name = section.text(key).strip()
    if not section.has(key):
        section.notes.error(
            "no-name", 'The manifest has no name. Add "name": letters, digits, "-" and "_", at most 64.'
        )
    elif not NAME.fullmatch(name):
        said = f"{shortened(name)!r} can't be a name. Use letters, digits, '-' and '_', at most 64: it is in addresses and tags."
        section.notes.error("bad-name", said, section.at(key))
    if section.has("name") and section.has("id") and section.text("id").strip() != name:
        section.notes.info("id", "'id' is the older word for 'name'; the name counts.", section.at("id"))
    return name


def _version(section: Section) -> tuple[int, int]:
    raw = section.get("version")
    place = section.at("version") if section.has("version") else ""
    text = str(raw).strip() if isinstance(raw, int | float | str) and not isinstance(raw, bool) else ""
    found = VERSION.fullmatch(text)
    if found is None:
        what = f"{shortened(text)!r} is no version" if text else "The manifest has no version"
        said = f'{what}. Write "version": "major.minor", two whole numbers without leading zeros, such as "0.4".'
        section.notes.error("bad-version", said, place)
        return 0, 0
    if not isinstance(raw, str):
        said = f'Write the version in double quotes, "{text}": as a number, 1.10 would be 1.1.'
        section.notes.warn("converted", said, place)
    if found[3]:
        said = f"The older way to write a version, {text}, is read as {found[1]}.{found[2]}: a revision has no place in tags."
        section.notes.info("revision", said, place)
    return int(found[1]), int(found[2])


def _role(section: Section) -> Literal["app", "partitioner", "assembler"]:
    word = section.text("type").strip().casefold()
    match word:
        case "" | "app":
            return "app"
        case "partitioner":
            return "partitioner"
        case "assembler":
            return "assembler"
    near = closest(word, ROLES)
    advice = f"Did you mean {near}?" if near else "Leave it out for an app, or write partitioner or assembler."
    section.notes.error("bad-type", f"The type {shortened(word)!r} is unknown. {advice}", section.at("type"))
    return "app"


def _entry_point(section: Section) -> str:
    """A file of app/, relative to it."""
    path = section.text("entrypoint").strip().removeprefix("./").removeprefix("app/") or ENTRY
    if not ENTRY_POINT.fullmatch(path) or ".." in path:
        said = f"{shortened(path)!r} can't be an entry point. Name a file of app/, such as main.py."
        section.notes.error("bad-entry-point", said, section.at("entrypoint"))
        return ENTRY
    if not path.endswith(".py"):
        said = f"The entry point {path} is run by python3, whatever its ending says."
        section.notes.warn("entry-point", said, section.at("entrypoint"))
    return path


def _container(section: Section) -> str:
    image = section.text("container").strip().removeprefix("docker://")
    if image and not IMAGE.fullmatch(image):
        said = f"{shortened(image)!r} is no container image. Write registry/name:tag, without blanks, e.g. docker.io/library/python:3.12."
        section.notes.error("bad-image", said, section.at("container"))
        return ""
    return image


def _requirements(section: Section) -> Requirements:
    usual = Requirements()
    cpu = _figure(section, "min_cpu", CPU_MAX)
    memory = _figure(section, "min_memory", MEMORY_GIB_MAX)
    models = [model.strip() for model in section.texts("gpu") or () if model.strip()]
    if len(models) > MODELS_MAX or any(len(model) > 100 for model in models):
        said = f"At most {MODELS_MAX} GPU models of at most 100 characters can be listed."
        section.notes.error("too-many", said, section.at("gpu"))
    if cpu is not None and cpu != int(cpu):
        said = f"{cpu} vCPUs are read as {math.ceil(cpu)}: machine types have whole ones."
        section.notes.info("converted", said, section.at("min_cpu"))
    return Requirements(
        min_cpu=usual.min_cpu if cpu is None else math.ceil(cpu),
        min_memory_gib=usual.min_memory_gib if memory is None else float(memory),
        gpus=tuple(dict.fromkeys(models[:MODELS_MAX])),
    )


def _figure(section: Section, key: str, most: int) -> Decimal | None:
    value = section.number(key)
    if value is not None and not 0 <= value <= most:
        section.notes.error("range", f"'{key}' must be from 0 to {most:,}.", section.at(key))
        return None
    return value


def _secrets(*sections: Section) -> tuple[str, ...]:
    """Names only: what they hold is looked up when a task starts."""
    names: list[str] = []
    for section in sections:
        for name in section.texts("secrets") or ():
            names.append(name.strip())
            if reason := _secret_fault(name.strip()):
                said = f"{shortened(name)!r} can't be the name of a secret: {reason}."
                section.notes.error("secret-name", said, section.at("secrets"))
    if len(names) > SECRETS_MAX:
        sections[-1].notes.error(
            "too-many", f"At most {SECRETS_MAX} secrets can be named.", join("", "platform_config")
        )
    return _unique(names[:SECRETS_MAX])


def _secret_fault(name: str) -> str:
    if not SECRET.fullmatch(name):
        return (
            "it is handed over in a variable, so use letters, digits and '_', '-' or '.', at most 64 and no digit first"
        )
    return f"as a variable it {reason}" if (reason := name_fault(re.sub(r"\W", "_", name))) else ""


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))

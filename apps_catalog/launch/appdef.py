"""Reads a JARVICE AppDef into a LaunchSpec, with a finding for everything its author should know.

Lenient where the definition can still be run, strict where it can't: only an `error` finding refuses it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace

from apps_catalog.launch.account import read_variables
from apps_catalog.launch.commands import COMMAND_KEYS, read_command
from apps_catalog.launch.document import Document, bad_texts, read_document
from apps_catalog.launch.hints import read_hints
from apps_catalog.launch.identity import read_identity
from apps_catalog.launch.machines import read_machines, read_scale, read_vault_types
from apps_catalog.launch.placing import placed
from apps_catalog.launch.positions import join
from apps_catalog.launch.reading import Notes, Section, readable
from apps_catalog.launch.spec import Command, Finding, Json, LaunchSpec, Reading
from apps_catalog.launch.walltime import read_walltime

ICON_TYPES = frozenset(
    {"", "image/png", "image/jpeg", "image/jpg", "image/gif", "image/svg+xml", "image/x-icon", "image/webp"}
)
MAX_ICON_BYTES = 64 * 1024
MAX_COMMANDS = 500
MAX_PARAMETERS = 5_000
LATEST_VERSION = 2
ESCAPED_BAD_TEXT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")

TOP_KEYS = frozenset(
    {
        "name",
        "description",
        "author",
        "licensed",
        "appdefversion",
        "classifications",
        "machines",
        "vault-types",
        "scale_max",
        "hints",
        "variables",
        "identity",
        "image",
        "commands",
        "walltime",
    }
)
IMAGE_KEYS = frozenset({"data", "type"})


def read_appdef(text: str | bytes) -> Reading:
    """The launch spec of an AppDef.json, and the findings; no spec where a finding is an error. Never raises."""
    document = read_document(text)
    if isinstance(document, Finding):
        return Reading(None, (document,))
    notes = Notes()
    spec = _read_document(document, notes)
    findings = placed(document, notes)
    if spec is None or notes.failed:
        return Reading(None, findings)
    verbatim = text.encode("utf-8") if isinstance(text, str) else text
    return Reading(replace(spec, digest=hashlib.sha256(verbatim).hexdigest()), findings)


def _read_document(document: Document, notes: Notes) -> LaunchSpec | None:
    if document.has_bom:
        notes.info("byte-order-mark", "The file starts with a byte order mark, which is skipped.")
    if not isinstance(document.value, dict):
        notes.error("not-an-object", "An AppDef is a JSON object: it starts with { and ends with }.")
        return None
    if ESCAPED_BAD_TEXT.search(document.text):
        for pointer, reason in bad_texts(document.value):
            notes.error("bad-text", f"This text {reason}.", pointer)
    section = Section(document.value, "", notes, TOP_KEYS, elsewhere=COMMAND_KEYS - TOP_KEYS)
    return _read_top(section)


def _read_top(section: Section) -> LaunchSpec | None:
    notes = section.notes
    section.demand("name", "description", "author", "licensed", "classifications", "machines", "vault-types", "image")
    version = section.integer("appdefversion")
    if version is not None and version > LATEST_VERSION:
        message = f"appdefversion {version} is newer than {LATEST_VERSION}, the latest one known; it is read as that."
        notes.warn("newer-version", message, section.at("appdefversion"))
    vault_types = read_vault_types(section)
    commands = _read_commands(section, version or 0, vault_types)
    icon_type, icon = _read_icon(section)
    return LaunchSpec(
        kind="appdef",
        digest="",
        name=section.prose("name").strip(),
        description=section.prose("description"),
        author=section.prose("author"),
        categories=_read_categories(section),
        commands=commands,
        machines=read_machines(section) or ("*",),
        vault_types=vault_types,
        licensed=section.flag("licensed", default=True),
        scale_max=read_scale(section),
        hints=read_hints(section) or (),
        variables=read_variables(section),
        identity=read_identity(section),
        icon_base64=icon,
        icon_type=icon_type,
        definition_version=version,
        extra=section.extra,
    )


def _read_commands(section: Section, version: int, vault_types: tuple[str, ...]) -> Mapping[str, Command]:
    raw = section.get("commands")
    where = section.at("commands") if section.has("commands") else ""
    if not isinstance(raw, dict) or not raw:
        section.notes.error("no-commands", "A definition needs 'commands': an object with at least one command.", where)
        return {}
    if len(raw) > MAX_COMMANDS or _count_parameters(raw) > MAX_PARAMETERS:
        message = f"At most {MAX_COMMANDS} commands and {MAX_PARAMETERS} parameters are read from one definition."
        section.notes.error("too-many", message, where)
        return {}
    walltime = read_walltime(section)
    found: dict[str, Command] = {}
    for key, one in raw.items():
        command = read_command(key, one, join(where, key), section.notes, version, vault_types)
        if command is not None:
            found[key] = command if command.walltime_s else replace(command, walltime_s=walltime)
    return found


def _count_parameters(commands: Mapping[str, Json]) -> int:
    objects = [one.get("parameters") for one in commands.values() if isinstance(one, dict)]
    return sum(len(one) for one in objects if isinstance(one, dict))


def _read_categories(section: Section) -> tuple[str, ...]:
    """Categories as paths: `A/B` is B inside A. One text instead of a list is as the specification says."""
    raw = section.get("classifications")
    listed = (raw,) if isinstance(raw, str) else section.texts("classifications") or ()
    paths = ("/".join(part.strip() for part in readable(one).split("/") if part.strip()) for one in listed)
    return tuple(dict.fromkeys(path for path in paths if path))


def _read_icon(section: Section) -> tuple[str, str]:
    raw = section.mapping("image")
    if raw is None:
        return "", ""
    where = section.at("image")
    image = Section(raw, where, section.notes, IMAGE_KEYS)
    image.demand("data", "type")
    kind, data = image.text("type").strip().lower(), image.text("data")
    if kind not in ICON_TYPES:
        section.notes.warn("icon-type", f"The icon type {kind!r} is not known; PNG is best.", image.at("type"))
    size = len(data) * 3 // 4
    if size > MAX_ICON_BYTES:
        message = f"The icon has {size // 1024} KiB; more than {MAX_ICON_BYTES // 1024} KiB are not needed for an icon."
        section.notes.warn("icon-large", message, image.at("data"))
    return kind, data

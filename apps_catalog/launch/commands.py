"""Reads one command of an AppDef and its parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping

from apps_catalog.launch.environment import name_fault
from apps_catalog.launch.machines import read_machines, read_scale
from apps_catalog.launch.parameters import Const, File, Flag, Parameter, Upload, read_parameter
from apps_catalog.launch.positions import join
from apps_catalog.launch.reading import Notes, Section, plain_text
from apps_catalog.launch.spec import Command, Json
from apps_catalog.launch.walltime import read_walltime

COMMAND_KEYS = frozenset(
    {
        "path",
        "name",
        "description",
        "interactive",
        "publicip",
        "ports",
        "noconnect",
        "url",
        "parameters",
        "machines",
        "variables",
        "scale_max",
        "hints",
        "walltime",
        "webshell",
        "desktop",
        "verboseinit",
        "cmdscript",
        "mpirun",
    }
)
KEYS_OF_VERSION_2 = ("webshell", "desktop", "verboseinit", "cmdscript")
WAITING_KEYS = (
    "interactive",
    "publicip",
    "ports",
    "noconnect",
    "url",
    "variables",
    "hints",
    "webshell",
    "desktop",
    "verboseinit",
    "cmdscript",
    "mpirun",
)
PORT = re.compile(r"[0-9]{1,5}/(tcp|udp|sctp)")
SUBSTITUTION = re.compile(r"%[A-Z][A-Z0-9]*%")


def read_command(
    key: str, raw: Json, pointer: str, notes: Notes, version: int, vault_types: tuple[str, ...]
) -> Command | None:
    """The command an author's object describes, or None where it can't be one (an error is noted)."""
    if not isinstance(raw, dict):
        notes.error("not-an-object", f"The command {key!r} must be an object.", pointer)
        return None
    section = Section(raw, pointer, notes, COMMAND_KEYS)
    section.demand("name", "description", "parameters")
    path = _read_path(key, section)
    parameters = _read_parameters(key, section)
    _check_parameters(section, parameters, version, vault_types)
    _check_keys(section, version)
    if path is None or parameters is None:
        return None
    return Command(
        key=key,
        name=section.prose("name") or key,
        description=section.prose("description"),
        path=path,
        parameters=parameters,
        machines=read_machines(section),
        scale_max=read_scale(section),
        hints=section.texts("hints"),
        variables=section.mapping("variables") or {},
        walltime_s=read_walltime(section),
        interactive=section.flag("interactive"),
        publicip=section.flag("publicip"),
        ports=_read_ports(section),
        noconnect=section.flag("noconnect"),
        url=section.text("url"),
        webshell=section.flag("webshell"),
        desktop=section.flag("desktop"),
        verboseinit=section.flag("verboseinit"),
        cmdscript=section.text("cmdscript"),
        mpirun=section.flag("mpirun"),
        extra=section.extra,
    )


def _read_path(key: str, section: Section) -> tuple[str, ...] | None:
    """The words of `path`: it is split on blanks, nothing else in it is special."""
    raw = section.get("path")
    if isinstance(raw, list):
        words = tuple(word for word in map(plain_text, raw) if word)
        section.notes.warn("converted", "'path' should be a text; its entries are taken as words.", section.at("path"))
    else:
        words = tuple(section.text("path").split())
    if not words:
        where = section.at("path") if section.has("path") else section.pointer
        section.notes.error("no-path", f"The command {key!r} has no 'path': which program should run?", where)
        return None
    if not words[0].startswith("/"):
        message = f"The path {words[0]!r} is not absolute; it is looked up in the PATH of the image."
        section.notes.info("relative-path", message, section.at("path"))
    return words


def _read_parameters(key: str, section: Section) -> Mapping[str, Parameter] | None:
    raw = section.mapping("parameters") or {}
    where = section.at("parameters")
    read = {name: read_parameter(name, one, join(where, name), section.notes) for name, one in raw.items()}
    uploads = [name for name, parameter in read.items() if isinstance(parameter, Upload)]
    if len(uploads) > 1:
        message = f"The command {key!r} has {len(uploads)} UPLOAD parameters; one is allowed."
        section.notes.error("several-uploads", message, join(where, uploads[1]))
        return None
    found = {name: parameter for name, parameter in read.items() if parameter is not None}
    return found if len(found) == len(read) else None


def _check_parameters(
    section: Section, parameters: Mapping[str, Parameter] | None, version: int, vault_types: tuple[str, ...]
) -> None:
    for name, parameter in (parameters or {}).items():
        where = section.at("parameters", name)
        if isinstance(parameter, File) and vault_types == ("NONE",):
            message = f"{name!r} is a FILE, but the only vault type is NONE: there is nothing to pick a file from."
            section.notes.warn("file-without-vault", message, where)
        if parameter.variable and isinstance(parameter, Upload):
            section.notes.info("no-effect", "'variable' has no effect on an UPLOAD.", where)
        elif parameter.variable and name_fault(name):
            message = f"{name!r} {name_fault(name)}; it will not be in jobenv.sh."
            section.notes.warn("variable-name", message, where)
        if isinstance(parameter, Const) and SUBSTITUTION.search(parameter.default):
            section.notes.info("not-yet", "Substitutions are kept as they are in this version.", where)
        _check_conditions(section, parameters or {}, parameter, where, version)


def _check_conditions(
    section: Section, parameters: Mapping[str, Parameter], parameter: Parameter, where: str, version: int
) -> None:
    if not parameter.if_ and not parameter.ifnot:
        return
    section.notes.info("not-yet", "'if' and 'ifnot' are kept; they have no effect in this version.", where)
    if version < 2:
        section.notes.warn("needs-version-2", "'if' and 'ifnot' need \"appdefversion\": 2; they are accepted.", where)
    for name in (*parameter.if_, *parameter.ifnot):
        if not isinstance(parameters.get(name), Flag):
            section.notes.warn("condition", f"The condition names {name!r}, which is no BOOL of this command.", where)


def _check_keys(section: Section, version: int) -> None:
    newer = [f"'{key}'" for key in KEYS_OF_VERSION_2 if section.get(key)]
    if newer and version < 2:
        message = f'{", ".join(newer)} need "appdefversion": 2; accepted all the same.'
        section.notes.warn("needs-version-2", message, section.pointer)
    waiting = [f"'{key}'" for key in WAITING_KEYS if section.get(key)]
    if waiting:
        one = len(waiting) == 1
        words = "is kept; it has" if one else "are kept; they have"
        section.notes.info("not-yet", f"{', '.join(waiting)} {words} no effect in this version.", section.pointer)


def _read_ports(section: Section) -> tuple[str, ...]:
    ports = section.texts("ports") or ()
    for port in ports:
        if not PORT.fullmatch(port):
            message = f"The port {port!r} should be written like 8080/tcp."
            section.notes.warn("port", message, section.at("ports"))
    return ports

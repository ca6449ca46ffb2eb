"""Reads one command of an AppDef and its parameters."""

from __future__ import annotations

from collections.abc import Mapping

from apps_catalog.launch.account import read_variables
from apps_catalog.launch.authored import expands
from apps_catalog.launch.cmdscript import read_cmdscript
from apps_catalog.launch.conditions import check_conditions
from apps_catalog.launch.connecting import check_ports, check_url
from apps_catalog.launch.environment import name_fault
from apps_catalog.launch.hints import read_hints
from apps_catalog.launch.machines import read_machines, read_scale
from apps_catalog.launch.parameters import Const, File, Parameter, Upload, read_parameter
from apps_catalog.launch.positions import join
from apps_catalog.launch.reading import Notes, Section, plain_text, shortened, to_flag
from apps_catalog.launch.spec import Command, Json
from apps_catalog.launch.substitutions import check_substitutions
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
    _check_script_place(section, path, parameters)
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
        hints=read_hints(section),
        variables=read_variables(section),
        walltime_s=read_walltime(section),
        interactive=section.flag("interactive"),
        publicip=section.flag("publicip"),
        ports=_read_ports(section),
        noconnect=section.flag("noconnect"),
        url=_read_url(section),
        webshell=section.flag("webshell"),
        desktop=section.flag("desktop"),
        verboseinit=section.flag("verboseinit"),
        cmdscript=read_cmdscript(section, path),
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
        named = ", ".join(shortened(name) for name in uploads[:4])
        message = (
            f"The command {key!r} has {len(uploads)} UPLOAD parameters ({named}); one is allowed. Keep one of them."
        )
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
        if isinstance(parameter, Upload) and (parameter.variable or parameter.positional_given is not None):
            section.notes.info("no-effect", "'variable' and 'positional' have no effect on an UPLOAD.", where)
        elif parameter.variable and name_fault(name):
            message = f"{shortened(name)!r} {name_fault(name)}; it will not be in jobenv.sh. Give it another name."
            section.notes.warn("variable-name", message, where)
        if isinstance(parameter, Const):
            _check_constant(parameter, join(where, "value"), section.notes, version)
    check_conditions(parameters or {}, section.at("parameters"), section.notes, version)


def _check_script_place(
    section: Section, path: tuple[str, ...] | None, parameters: Mapping[str, Parameter] | None
) -> None:
    """Notes an error where the author's script and the person's file would be one file."""
    for name, parameter in (parameters or {}).items():
        if path and section.get("cmdscript") and isinstance(parameter, Upload) and parameter.path == path[0]:
            message = (
                f"'cmdscript' and the UPLOAD {shortened(name)!r} are both written to {path[0]}. Give one another path."
            )
            section.notes.error("cmdscript-path", message, section.at("path"))


def _check_constant(parameter: Const, where: str, notes: Notes, version: int) -> None:
    check_substitutions(parameter.default, where, notes)
    if "$" not in parameter.default and "`" not in parameter.default:
        return
    if parameter.variable:
        message = (
            "The value goes to jobenv.sh as it is written; only words of the command line are expanded by a shell."
        )
        notes.info("shell-literal", message, where)
    elif not expands(parameter.default, version):
        message = (
            'From "appdefversion": 2 on a shell would expand this value; in this definition it is passed as written.'
        )
        notes.info("shell-literal", message, where)


def _check_keys(section: Section, version: int) -> None:
    if isinstance(section.get("url"), str):
        check_substitutions(section.get("url"), section.at("url"), section.notes)
    newer = [f"'{key}'" for key in KEYS_OF_VERSION_2 if section.get(key)]
    if newer and version < 2:
        message = f'{", ".join(newer)} need "appdefversion": 2; accepted all the same.'
        section.notes.warn("needs-version-2", message, section.pointer)
    if to_flag(section.get("noconnect")):
        if section.get("url"):
            section.notes.info("no-effect", "'noconnect' is true, so the 'url' is never offered.", section.at("url"))
        if to_flag(section.get("webshell")):
            message = "'noconnect' is true, so the command gets no terminal: its job's page follows the output."
            section.notes.info("no-effect", message, section.at("webshell"))
    elif to_flag(section.get("webshell")) and section.get("url"):
        message = "'webshell' is true: people connect to the command's terminal, so the 'url' is never opened."
        section.notes.info("no-effect", message, section.at("url"))


def _read_url(section: Section) -> str:
    url = section.text("url").strip()
    if url:
        check_url(url, section.at("url"), section.notes)
    return url


def _read_ports(section: Section) -> tuple[str, ...]:
    ports = section.texts("ports") or ()
    check_ports(ports, section.at("ports"), section.notes)
    return ports

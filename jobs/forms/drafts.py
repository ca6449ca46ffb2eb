"""A draft: what a person has entered so far, from whichever side (form, JSON, link, earlier job), before any judgement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.http import QueryDict

from apps_catalog.launch.document import read_document, text_fault
from apps_catalog.launch.findings import Finding
from apps_catalog.launch.parameters import Parameter
from apps_catalog.launch.positions import Positions, find_positions
from apps_catalog.launch.spec import Command, Fault, Json, LaunchSpec, Submission
from apps_catalog.launch.walltime import parse_walltime
from jobs.forms.conditions import absent, as_sent
from jobs.forms.inputs import inputs_of
from jobs.forms.widgets import PREFIX, widget_of
from portal.people.models import Team, User

MAX_JSON_BYTES = 8 * 1024 * 1024
WHOLE = re.compile(r"[0-9]{1,6}", re.ASCII)
TOKEN = re.compile(r"[0-9a-f]{32}", re.ASCII)

# The keys of the JSON side beside the parameters, with the type each must have.
BODY_KEYS: Mapping[str, tuple[type, str]] = {
    "app": (str, "a text"),
    "version": (str, "a text"),
    "command": (str, "a text"),
    "parameters": (dict, "an object"),
    "machine": (str, "a text"),
    "nodes": (int, "a whole number"),
    "vault": (str, "a text"),
    "vault_readonly": (bool, "true or false"),
    "label": (str, "a text"),
    "walltime_s": (int, "a whole number of seconds"),
    "notify": (bool, "true or false"),
    "rerun_safe": (bool, "true or false"),
    "team": (str, "a text"),
}


@dataclass(frozen=True)
class Draft:
    """`clock` is the time limit as typed, `nodes_text` the number of nodes ("" where nobody typed one). `json_text` is set while the JSON side is shown. `token` guards a double click.

    `eula` is the digest of the licence terms that were ticked.
    `faults` were found in reading; `remarks` say what a link or an earlier job named and could not be taken over.
    """

    submission: Submission
    clock: str = ""
    nodes_text: str = ""
    team: str = ""
    notify: bool = False
    rerun_safe: bool = False
    token: str = field(default_factory=lambda: uuid4().hex)
    json_text: str | None = None
    positions: Positions | None = None
    faults: tuple[Fault, ...] = ()
    remarks: tuple[str, ...] = ()
    eula: str = ""

    @property
    def nodes_shown(self) -> str:
        return self.nodes_text or str(self.submission.nodes)


def first_command(spec: LaunchSpec, wanted: str = "") -> Command:
    """The wanted command, or the first one."""
    return spec.commands.get(wanted) or next(iter(spec.commands.values()))


def read_clock(text: str) -> tuple[int | None, tuple[Fault, ...]]:
    """Seconds from "HH:MM" or "HH:MM:SS"; nothing where nothing is written."""
    text = text.strip()
    if not text:
        return None, ()
    seconds = parse_walltime(text) if ":" in text else None
    if seconds is None:
        return None, (Fault("/walltime_s", "walltime", "write hours and minutes, such as 02:30"),)
    return seconds, ()


def read_nodes(text: str) -> tuple[int, tuple[Fault, ...]]:
    """A number of nodes; 1 where nothing is written."""
    text = text.strip()
    if not text:
        return 1, ()
    if WHOLE.fullmatch(text):
        return int(text), ()
    return 1, (Fault("/nodes", "nodes", "write a whole number of nodes, such as 2"),)


def as_clock(seconds: int | None) -> str:
    """ "02:30", or "02:30:15" where there are seconds."""
    if not seconds:
        return ""
    hours, rest = divmod(seconds, 3600)
    clock = f"{hours:02d}:{rest // 60:02d}"
    return f"{clock}:{rest % 60:02d}" if rest % 60 else clock


def read_form(posted: QueryDict, spec: LaunchSpec) -> Draft:
    """The draft of a posted form. `go` = `command:<key>` changes the command and keeps what both commands ask for."""
    command = first_command(spec, posted.get("command", ""))
    parameters: dict[str, Json] = {}
    for asked in inputs_of(command):
        parameters[asked.key] = widget_of(asked).read(asked, posted_value(posted, asked.key))
    walltime_s, faults = read_clock(posted.get("walltime", ""))
    go = posted.get("go", "")
    if go.startswith("command:"):
        command = first_command(spec, go.removeprefix("command:"))
        parameters = {key: value for key, value in parameters.items() if key in command.parameters}
    if posted.get("command", command.key) not in spec.commands:
        faults += (
            Fault("/command", "unknown-command", "is not a command of this app; look over the one shown instead"),
        )
    nodes, nodes_faults = read_nodes(plain(posted, "nodes"))
    faults += nodes_faults
    submission = Submission(
        command=command.key,
        parameters=parameters,
        machine=plain(posted, "machine"),
        nodes=nodes,
        vault=plain(posted, "vault"),
        vault_readonly="vault_readonly" in posted,
        label=plain(posted, "label"),
        walltime_s=walltime_s,
    )
    return Draft(
        submission,
        clock=posted.get("walltime", ""),
        nodes_text=plain(posted, "nodes").strip()[:20],
        team=plain(posted, "team"),
        notify="notify" in posted,
        rerun_safe="rerun_safe" in posted,
        token=read_token(posted),
        faults=faults,
    )


def plain(posted: QueryDict, name: str) -> str:
    """The text of a setting; what no database column can hold is made visible instead."""
    return posted.get(name, "").replace("\0", "\ufffd")


def posted_names(name: str) -> Iterator[str]:
    """How a field's name arrives: as it is, or as browsers write it (HTML, "multipart form data": escaped)."""
    yield name
    broken = re.sub(r"\r\n?|\n", "\r\n", name)
    yield broken
    yield broken.replace("\r\n", "%0D%0A").replace('"', "%22")


def posted_value(posted: QueryDict, key: str) -> str | None:
    """What was posted for a key."""
    return next((str(posted[name]) for name in posted_names(PREFIX + key) if name in posted), None)


def chosen_team(user: User, slug: str) -> tuple[Team | None, tuple[Fault, ...]]:
    """The team to share with, None for none; or a fault, for one that they are not in."""
    team = user.team(slug)
    return team, (Fault("/team", "unknown-team", "choose one of your teams"),) if slug and team is None else ()


def read_token(posted: QueryDict) -> str:
    token = posted.get("token", "")
    return token if TOKEN.fullmatch(token) else uuid4().hex


def read_json(text: str, spec: LaunchSpec, *, app: str, token: str) -> Draft:
    """The draft of the JSON side; faults have pointers, or a line and column where it isn't JSON."""
    text = text.replace("\r\n", "\n")
    empty = Draft(Submission(command=first_command(spec).key), token=token, json_text=text)
    if not text.strip():
        return replace(empty, faults=(Fault("", "empty", "There is nothing here. Write a JSON object."),))
    document = read_document(text, max_bytes=MAX_JSON_BYTES)
    if isinstance(document, Finding):
        return replace(empty, faults=(Fault("", document.code, document.message),))
    if not isinstance(document.value, dict):
        return replace(empty, faults=(Fault("", "type", "This must be a JSON object, with { } around it."),))
    draft = read_body(document.value, spec, app=app)
    positions = find_positions(document.text)
    repeats = tuple(
        Fault(pointer, "repeated", "is written twice; remove one of the two") for pointer, _ in positions.repeated
    )
    return replace(draft, token=token, json_text=text, positions=positions, faults=(*repeats, *draft.faults))


def read_body(body: Mapping[str, Any], spec: LaunchSpec, *, app: str) -> Draft:
    """The draft of a JSON object as the API takes it."""
    faults = [
        Fault(f"/{key}", "unknown", "is not known here; remove it") for key in list(body)[:40] if key not in BODY_KEYS
    ]
    good: dict[str, Any] = {}
    for key, (kind, noun) in BODY_KEYS.items():
        value = body.get(key)
        fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if value is None or not fits:
            if value is not None:
                faults.append(Fault(f"/{key}", "type", f"must be {noun}"))
            continue
        if isinstance(value, str) and (reason := text_fault(value)):
            faults.append(Fault(f"/{key}", "text", reason))
            continue
        good[key] = value
    if good.pop("app", app) != app:
        faults.append(Fault("/app", "app", f"names another app; this page launches {app}"))
    good.pop("version", "")
    extras = {name: good.pop(name) for name in ("notify", "rerun_safe", "team") if name in good}
    good.setdefault("command", first_command(spec).key)
    return Draft(Submission(**good), clock=as_clock(good.get("walltime_s")), faults=tuple(faults), **extras)


def as_body(draft: Draft, spec: LaunchSpec, *, app: str, version: str, hidden: bool = False) -> dict[str, Json]:
    """The draft as the API takes it: typed values, and only what says something.

    With `hidden`, values are kept that take no part now and differ from their default, so that nothing typed is lost.
    """
    submission = draft.submission
    body: dict[str, Json] = {"app": app, "version": version, "command": submission.command}
    body["parameters"] = typed_parameters(spec, _telling(spec, submission) if hidden else as_sent(spec, submission))
    body["machine"] = submission.machine
    optional = {
        "nodes": submission.nodes if submission.nodes != 1 else None,
        "vault": submission.vault,
        "vault_readonly": submission.vault_readonly and bool(submission.vault),
        "label": submission.label.strip(),
        "walltime_s": submission.walltime_s,
        "notify": draft.notify,
        "rerun_safe": draft.rerun_safe,
        "team": draft.team,
    }
    return {**body, **{key: value for key, value in optional.items() if value}}


def _telling(spec: LaunchSpec, submission: Submission) -> Submission:
    """The submission without those values that take no part and are as usual."""
    command = spec.commands.get(submission.command)
    if command is None:
        return submission
    hidden = absent(command, submission.parameters)
    kept = {
        key: value
        for key, value in submission.parameters.items()
        if key not in hidden or not _as_usual(command.parameters[key], value)
    }
    return replace(submission, parameters=kept)


def _as_usual(parameter: Parameter, value: Json) -> bool:
    if parameter.default is None:
        return parameter.is_blank(value)
    return bool(parameter.coerce(value) == parameter.default)


def typed_parameters(spec: LaunchSpec, submission: Submission) -> dict[str, Json]:
    """The values as JSON types. What is blank and has no default is left out; a cleared default stays as ""."""
    command = spec.commands.get(submission.command)
    if command is None:
        return dict(submission.parameters)
    found: dict[str, Json] = {}
    for key, value in submission.parameters.items():
        parameter = command.parameters.get(key)
        if parameter is None:
            found[key] = value
        elif not parameter.is_blank(value):
            found[key] = as_json(parameter.coerce(value))
        elif parameter.default is not None:
            found[key] = ""
    return found


def as_json(value: Json) -> Json:
    """A number that was kept exact while it was read, as JSON can say it: else as its digits."""
    if not isinstance(value, Decimal):
        return value
    if value == value.to_integral_value():
        return int(value)
    return float(value) if Decimal(repr(float(value))) == value else format(value, "f")

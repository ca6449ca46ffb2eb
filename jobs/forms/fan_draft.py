"""A job in stages as somebody is filling it in, from whichever side (form, JSON, link, template, draft), before any judgement."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from django.http import QueryDict

from apps_catalog.launch.bytenite import COMMAND, PASSTHROUGH
from apps_catalog.launch.document import Document, read_document, text_fault
from apps_catalog.launch.findings import Finding
from apps_catalog.launch.json_schema.absent import Bag
from apps_catalog.launch.json_schema.defaults import laid_over
from apps_catalog.launch.json_schema.values import SchemaForm
from apps_catalog.launch.positions import Positions, find_positions
from apps_catalog.launch.spec import Fault, Json
from apps_catalog.models import Version
from apps_catalog.services import spec_of
from jobs.forms.drafts import MAX_JSON_BYTES, as_clock, plain, read_clock, read_token
from jobs.forms.ends import from_form
from jobs.forms.schemas import PLACE, Filled, act_of, filled_from, filled_in, schema_form
from jobs.models import JobTemplate
from jobs.services.fan_out import FanOut, tags
from jobs.services.fan_out.asking import SECTIONS
from jobs.states import Stage
from portal.errors import Conflict
from portal.people.models import User

NAMES = tuple(SECTIONS.values())
STAGE_OF: Mapping[str, Stage] = {section: stage for stage, section in SECTIONS.items()}
CLOCKS = ("taskTimeout", "jobTimeout")
NUMBERS = ("maxTaskRetries", "max_failed_tasks")
WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
# The keys of the JSON side, with the type each must have. As the API takes them.
BODY_KEYS: Mapping[str, tuple[type, str]] = {
    "app": (str, "a text"),
    "partitioner": (str, "a text"),
    "assembler": (str, "a text"),
    "params": (dict, "an object"),
    "dataSource": (dict, "an object"),
    "dataDestination": (dict, "an object"),
    "config": (dict, "an object"),
    "machines": (dict, "an object"),
    "name": (str, "a text"),
    "description": (str, "a text"),
    "team": (str, "a text"),
    "notify": (bool, "true or false"),
}


@dataclass(frozen=True)
class FanDraft:
    """`tags` and `parameters` are by section. `filled`: forms of schemas as they stand, `boxes`: texts of JSON boxes,
    where a bundle has no schema. `clocks` and `numbers`: settings as they were typed. `number`: of the draft that is edited.

    `json_text` is set while the JSON side is shown; `token` guards a double click; `faults` were found in reading.
    """

    tags: Mapping[str, str]
    parameters: Mapping[str, Json] = field(default_factory=dict)
    filled: Mapping[str, Filled] = field(default_factory=dict)
    boxes: Mapping[str, str] = field(default_factory=dict)
    source: Json = field(default_factory=dict)
    destination: Json = field(default_factory=dict)
    machines: Mapping[str, Json] = field(default_factory=dict)
    config: Json = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    description: str = ""
    team: str = ""
    notify: bool = False
    template: JobTemplate | None = None
    number: int = 0
    token: str = field(default_factory=lambda: uuid4().hex)
    json_text: str | None = None
    positions: Positions | None = None
    faults: tuple[Fault, ...] = ()
    remarks: tuple[str, ...] = ()

    def setting(self, key: str) -> str:
        """A setting as its field shows it: as typed, else as it is stored."""
        if key in self.typed:
            return self.typed[key]
        value = self.config.get(key) if isinstance(self.config, Mapping) else None
        if value is None or isinstance(value, bool):
            return ""
        if key in CLOCKS:
            return as_clock(value) if isinstance(value, int) and 0 < value < 10**9 else str(value)
        return str(value)

    @property
    def trial(self) -> bool:
        return isinstance(self.config, Mapping) and self.config.get("isTestJob") is True


def chosen_tag(tag: str | None, section: str) -> str:
    """The tag, or what counts where nothing is chosen: engines that run nothing, and no app."""
    return tag or ("" if section == "app" else PASSTHROUGH)


def find_versions(owner: User, draft: FanDraft) -> tuple[dict[str, Version | None], list[Fault]]:
    """The versions that the tags name, by section; those that name none are missing, and are faults."""
    found: dict[str, Version | None] = {}
    faults: list[Fault] = []
    for section in NAMES:
        one = tags.find_version(owner, chosen_tag(draft.tags.get(section), section), section)
        if isinstance(one, Fault):
            faults.append(one)
        else:
            found[section] = one
    return found, faults


def form_of_section(version: Version | None, section: str) -> SchemaForm | None:
    """The form of a bundle's schema; None where it brings none, or can't be read any more."""
    if version is None or not version.schema_text:
        return None
    try:
        return schema_form(spec_of(version).commands[COMMAND], section)
    except Conflict:
        return None


def read_form(posted: QueryDict, owner: User) -> FanDraft:
    """The draft of a posted form. A section whose bundle was changed starts from the new one's defaults; another version
    of the same bundle keeps what was filled in."""
    draft = FanDraft(
        tags={section: chosen_tag(plain(posted, section).strip(), section) for section in NAMES},
        source=from_form(posted, "source"),
        destination=from_form(posted, "destination"),
        machines={str(stage): plain(posted, f"machine-{stage}") for stage in Stage if posted.get(f"machine-{stage}")},
        name=plain(posted, "name"),
        description=plain(posted, "description").replace("\r\n", "\n"),
        team=plain(posted, "team"),
        notify="notify" in posted,
        token=read_token(posted),
    )
    config, typed, faults = _read_config(posted)
    versions, _ = find_versions(owner, draft)
    parameters: dict[str, Json] = {}
    filled: dict[str, Filled] = {}
    boxes: dict[str, str] = {}
    for section in NAMES:
        version = versions.get(section)
        drawn = tags.find_version(owner, plain(posted, f"drawn-{section}") or PASSTHROUGH, section)
        before = drawn if isinstance(drawn, Version) else None
        read = _read_section(posted, section, version, before)
        parameters[section] = read.parameters
        faults += read.faults
        if read.filled is not None:
            filled[section] = read.filled
        if read.box is not None:
            boxes[section] = read.box
    return replace(
        draft, parameters=parameters, filled=filled, boxes=boxes, config=config, typed=typed, faults=tuple(faults)
    )


@dataclass(frozen=True)
class _Section:
    parameters: Json
    filled: Filled | None = None
    box: str | None = None
    faults: tuple[Fault, ...] = ()


def _read_section(posted: QueryDict, section: str, version: Version | None, before: Version | None) -> _Section:
    if version is None:
        return _Section({})
    form = form_of_section(version, section)
    same = before is not None and before.pk == version.pk
    kept = before is not None and before.app_id == version.app_id
    if form is not None and same:
        filled = filled_from(form, posted, act_of(posted))
        moved = tuple(replace(f, pointer=f"/params/{section}{f.pointer.removeprefix(PLACE)}") for f in filled.faults)
        return _Section(filled.parameters, replace(filled, faults=()), None, moved)
    if form is None and same:
        return _read_box(posted, section)
    given = _read_section(posted, section, before, before).parameters if kept else {}
    return section_of(version, section, given)


def section_of(version: Version | None, section: str, given: Json) -> _Section:
    """A section as it begins: with what is given laid over the defaults of its schema."""
    form = form_of_section(version, section)
    if form is None:
        text = json.dumps(given, indent=2, ensure_ascii=False) if given else ""
        return _Section(given, None, None if version is None else text)
    state = form.defaults()
    if isinstance(given, Mapping):
        filled = Filled(laid_over(state if isinstance(state, Bag) else Bag(), dict(given)))
    else:
        filled = filled_in(form)
    return _Section(filled.parameters, filled)


def _read_box(posted: QueryDict, section: str) -> _Section:
    """Parameters of a bundle without a schema: any JSON object."""
    text = posted.get(f"box-{section}", "").replace("\r\n", "\n")
    if not text.strip():
        return _Section({}, None, text)
    read = read_document(text, max_bytes=MAX_JSON_BYTES)
    if isinstance(read, Finding):
        return _Section({}, None, text, (Fault(f"/params/{section}", read.code, read.message),))
    if not isinstance(read.value, dict):
        said = "must be a JSON object, with { } around it"
        return _Section({}, None, text, (Fault(f"/params/{section}", "type", said),))
    return _Section(read.value, None, text)


def _read_config(posted: QueryDict) -> tuple[dict[str, Json], dict[str, str], list[Fault]]:
    """Settings, as they were typed, and what is wrong with how they were typed. What is blank is left out."""
    config: dict[str, Json] = {}
    typed: dict[str, str] = {}
    faults: list[Fault] = []
    for key in (*CLOCKS, *NUMBERS):
        text = plain(posted, f"config-{key}").strip()[:40]
        typed[key] = text
        if not text:
            continue
        if key in CLOCKS:
            seconds, wrong = read_clock(text)
            faults += [replace(fault, pointer=f"/config/{key}") for fault in wrong]
            if seconds is not None:
                config[key] = seconds
        elif WHOLE.fullmatch(text):
            config[key] = int(text)
        else:
            faults.append(Fault(f"/config/{key}", "type", "must be a whole number"))
    if "config-isTestJob" in posted:
        config["isTestJob"] = True
    return config, typed, faults


def read_json(text: str, *, app: str, token: str) -> FanDraft:
    """The draft of the JSON side; faults have pointers, or a line and column where it isn't JSON. `app` "": any."""
    text = text.replace("\r\n", "\n")
    empty = FanDraft(
        {"app": app or "", "partitioner": PASSTHROUGH, "assembler": PASSTHROUGH}, token=token, json_text=text
    )
    if not text.strip():
        return replace(empty, faults=(Fault("", "empty", "There is nothing here. Write a JSON object."),))
    document = read_document(text, max_bytes=MAX_JSON_BYTES)
    if not isinstance(document, Document):
        return replace(empty, faults=(Fault("", document.code, document.message),))
    if not isinstance(document.value, dict):
        return replace(empty, faults=(Fault("", "type", "This must be a JSON object, with { } around it."),))
    positions = find_positions(document.text)
    repeats = [
        Fault(pointer, "repeated", "is written twice; remove one of the two") for pointer, _ in positions.repeated
    ]
    draft = read_body(document.value, app=app)
    return replace(draft, token=token, json_text=text, positions=positions, faults=(*repeats, *draft.faults))


def read_body(body: Mapping[str, Any], *, app: str) -> FanDraft:
    """The draft of a JSON object as the API takes it."""
    faults = [
        Fault(f"/{key[:80]}", "unknown", "is not known here; remove it")
        for key in list(body)[:40]
        if key not in BODY_KEYS
    ]
    good: dict[str, Any] = {}
    for key, (kind, noun) in BODY_KEYS.items():
        value = body.get(key)
        if value is None:
            continue
        if not isinstance(value, kind):
            faults.append(Fault(f"/{key}", "type", f"must be {noun}"))
        elif isinstance(value, str) and (reason := text_fault(value)):
            faults.append(Fault(f"/{key}", "text", reason))
        else:
            good[key] = value
    if app and str(good.get("app", app)).partition("@")[0] != app:
        faults.append(Fault("/app", "app", f"names another app; this page launches {app}"))
        good["app"] = app
    return FanDraft(
        tags={section: good.get(section) or (app if section == "app" else PASSTHROUGH) for section in NAMES},
        parameters=good.get("params", {}),
        source=good.get("dataSource", {}),
        destination=good.get("dataDestination", {}),
        config=good.get("config", {}),
        machines=good.get("machines", {}),
        name=good.get("name", ""),
        description=good.get("description", ""),
        team=good.get("team", ""),
        notify=good.get("notify", False),
        faults=tuple(faults),
    )


def as_body(draft: FanDraft) -> dict[str, Json]:
    """The draft as the API takes it, and only what says something."""
    params = {section: value for section, value in draft.parameters.items() if value}
    machines = {stage: name for stage, name in draft.machines.items() if name}
    body: dict[str, Json] = {section: chosen_tag(draft.tags.get(section), section) for section in ("app", *NAMES)}
    optional: dict[str, Json] = {
        "params": params,
        "dataSource": draft.source,
        "dataDestination": draft.destination,
        "config": draft.config,
        "machines": machines,
        "name": draft.name.strip(),
        "description": draft.description,
        "team": draft.team,
        "notify": draft.notify,
    }
    return {**body, **{key: value for key, value in optional.items() if value}}


def opened(draft: FanDraft, owner: User) -> FanDraft:
    """The draft with its forms filled in: what it has laid over the defaults of each schema."""
    versions, _ = find_versions(owner, draft)
    parameters: dict[str, Json] = dict(draft.parameters)
    filled: dict[str, Filled] = {}
    boxes: dict[str, str] = {}
    for section in NAMES:
        if (version := versions.get(section)) is None:
            continue
        read = section_of(version, section, parameters.get(section, {}))
        parameters[section] = read.parameters
        if read.filled is not None:
            filled[section] = read.filled
        if read.box is not None:
            boxes[section] = read.box
    return replace(draft, parameters=parameters, filled=filled, boxes=boxes)


def fan_out_from(draft: FanDraft, versions: Mapping[str, Version | None], app: Version) -> FanOut:
    return FanOut(
        app=app,
        template=draft.template,
        partitioner=versions.get("partitioner"),
        assembler=versions.get("assembler"),
        parameters={section: value for section, value in draft.parameters.items() if value != {}},
        source=draft.source,
        destination=draft.destination,
        config=draft.config,
        name=draft.name,
        description=draft.description,
        machines=draft.machines,
        alternatives={section: filled.chosen for section, filled in draft.filled.items()},
    )


def of_fan_out(asked: FanOut) -> FanDraft:
    """A draft or an earlier job, to be edited: with its very versions."""
    return FanDraft(
        tags={section: tags.tag_of(asked.version(STAGE_OF[section])) for section in NAMES},
        parameters=asked.parameters,
        source=asked.source,
        destination=asked.destination,
        config=asked.config,
        machines={stage: name for stage, name in asked.machines.items() if name},
        name=asked.name,
        description=asked.description,
        template=asked.template,
    )


def of_template(template: JobTemplate) -> FanDraft:
    return FanDraft(
        tags={section: getattr(template, section) for section in NAMES},
        parameters=template.parameters,
        source=template.source,
        destination=template.destination,
        config=template.config,
        template=template if template.pk else None,
    )

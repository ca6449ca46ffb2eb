"""What a link fills in on the launch page of a job in stages, and what it could not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from django.http import QueryDict

from apps_catalog.launch.positions import join
from apps_catalog.launch.spec import Json
from jobs.forms.drafts import plain, read_clock
from jobs.forms.fan_draft import NAMES, FanDraft, find_versions, form_of_section
from jobs.forms.schemas import given_by_link, json_or_text
from jobs.services.fan_out import tags
from portal.people.models import User

SECTION_KEY = re.compile(rf"p\.(?:({'|'.join(NAMES)})\.)?(.+)", re.DOTALL)
REMARKS_MAX = 20


def linked(query: QueryDict, draft: FanDraft, *, app: str, owner: User) -> FanDraft:
    """What a link sets: `?version=`, `?partitioner=`, `?p.<key>=` (of the app), `?p.<section>.<key>=`, `?machine=`,
    `?name=`, `?walltime=`. The remarks say what of it was left out."""
    named = {section: plain(query, section) for section in ("partitioner", "assembler") if query.get(section)}
    chosen = {**draft.tags, **named}
    if version := query.get("version", ""):
        chosen["app"] = f"{app}@{version}"
    draft = replace(draft, tags=chosen)
    parameters, remarks = _parameters(query, draft, owner)
    machines = {**draft.machines, **({"run": query["machine"]} if query.get("machine") else {})}
    config: dict[str, Json] = dict(draft.config) if isinstance(draft.config, Mapping) else {}
    if clock := query.get("walltime", ""):
        seconds, faults = read_clock(clock)
        if faults:
            remarks.append(f"The time limit '{clock[:20]}' of the link was left out: {faults[0].message}.")
        elif seconds is not None:
            config["taskTimeout"] = seconds
    return replace(
        draft,
        parameters=parameters,
        machines=machines,
        config=config,
        name=(query.get("name") or query.get("label") or draft.name).replace("\0", "\ufffd"),
        remarks=tuple(remarks[:REMARKS_MAX]),
    )


def given(query: QueryDict) -> frozenset[str]:
    """Pointers of what a link has set: only that is judged before anything was touched."""
    found = {join(f"/params/{section}", key) for section, key, _ in _keys(query)}
    names = {"machine": "/machines/run", "partitioner": "/partitioner", "assembler": "/assembler", "version": "/app"}
    return frozenset(found | {pointer for name, pointer in names.items() if name in query} | {"/app"})


def _keys(query: QueryDict) -> Iterator[tuple[str, str, str]]:
    """Section, key and text of each value of a link."""
    for name in query:
        if (found := SECTION_KEY.fullmatch(name)) is not None:
            key, text = (one.replace("\0", "\ufffd") for one in (found[2], query.get(name, "")))
            yield found[1] or "app", key, text


def _parameters(query: QueryDict, draft: FanDraft, owner: User) -> tuple[dict[str, Json], list[str]]:
    texts: dict[str, dict[str, str]] = {}
    for section, key, text in _keys(query):
        texts.setdefault(section, {})[key] = text
    parameters: dict[str, Json] = dict(draft.parameters)
    remarks: list[str] = []
    versions, _ = find_versions(owner, draft) if texts else ({}, [])
    for section, values in texts.items():
        version = versions.get(section)
        form = form_of_section(version, section)
        set_: dict[str, Any] = {key: json_or_text(text) for key, text in values.items()}
        unknown: list[str] = []
        if form is not None:
            set_, unknown = given_by_link(form, values)
        elif version is None and section in versions:
            set_, unknown = {}, list(values)
        under = parameters.get(section)
        parameters[section] = {**(under if isinstance(under, Mapping) else {}), **set_}
        remarks += (
            f"{tags.tag_of(version)} does not have the parameter '{key[:100]}'. It was left out." for key in unknown
        )
    return parameters, remarks

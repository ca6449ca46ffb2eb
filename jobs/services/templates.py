"""Job templates: made, changed and deleted by their owners, found by those they are for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from apps_catalog.launch.bytenite import PASSTHROUGH
from apps_catalog.launch.document import text_fault
from apps_catalog.launch.positions import join
from apps_catalog.launch.spec import Fault, Json
from apps_catalog.launch.template_file import read_template
from apps_catalog.models import App, Version
from jobs import fan_config, sources
from jobs.models import JobTemplate
from jobs.models.fanning import TEMPLATE_ID
from jobs.services.fan_out import drafts, tags
from jobs.services.fan_out.asking import SECTIONS
from portal.errors import Conflict, Forbidden, Invalid, NotFound
from portal.people.audit import audit
from portal.people.models import Team, User

OBJECTS = {
    "parameters": "/params",
    "source": "/dataSource",
    "destination": "/dataDestination",
    "config": "/config",
}
TEXTS = {"name": 200, "description": 10_000}
RESERVED = ("new", "part", "json")  # pages beside those of templates
KEYS = ("slug", "app", "partitioner", "assembler", "everyone", "team", *TEXTS, *OBJECTS)


def find_template(user: User, slug: str) -> JobTemplate:
    """Raises NotFound for what is not there or not this person's to see."""
    rows = JobTemplate.objects.visible_to(user).select_related("owner", "team")
    found = rows.filter(slug=slug).first() if "\0" not in slug else None
    if found is None:
        raise NotFound(f"There is no template '{slug[:80]}', or it is not yours to see.")
    return found


def may_change_template(template: JobTemplate, actor: User) -> bool:
    """Its owner may, and curators where it is for everyone."""
    return template.owner_id == actor.pk or (template.everyone and actor.curates)


def demand_change(template: JobTemplate, actor: User) -> None:
    """Raises Forbidden."""
    if not may_change_template(template, actor):
        raise Forbidden("Only the owner of a template may change it. Make a copy of your own instead.")


def create_template(*, owner: User, **parts: Any) -> JobTemplate:
    """Raises Invalid with every fault, Conflict where the id is taken, Forbidden where a non-curator wants it for everyone."""
    template = JobTemplate(owner=owner)
    _take(template, owner, parts)
    return _save(template, owner, "template.create")


def change_template(*, template: JobTemplate, actor: User, **parts: Any) -> JobTemplate:
    """Change what is given. Raises Forbidden, Invalid, Conflict."""
    demand_change(template, actor)
    _take(template, actor, parts)
    return _save(template, actor, "template.change")


def delete_template(*, template: JobTemplate, actor: User) -> None:
    """Jobs that were made from it stay. Raises Forbidden."""
    if not may_change_template(template, actor):
        raise Forbidden("Only the owner of a template may delete it.")
    with transaction.atomic():
        audit("template.delete", actor=actor, target=template.slug)
        template.delete()


def template_faults(template: JobTemplate, actor: User) -> list[Fault]:
    """Everything that is wrong with it. Defaults may be unfinished: a job is what has to be whole."""
    faults = []
    if not TEMPLATE_ID.regex.fullmatch(template.slug or ""):  # type: ignore[union-attr]  # compiled by Django
        faults.append(Fault("/id", "id", str(TEMPLATE_ID.message)))
    elif template.slug in RESERVED:
        faults.append(Fault("/id", "reserved", f"'{template.slug}' is an address of the portal's own. Choose another."))
    for section in SECTIONS.values():
        found = tags.find_version(actor, getattr(template, section), section)
        if isinstance(found, Fault):
            faults.append(found)
    for name, most in TEXTS.items():
        text = getattr(template, name)
        if len(text) > most:
            faults.append(Fault(f"/{name}", "too-long", f"must have at most {most:,} characters"))
        elif text_fault(text):
            faults.append(Fault(f"/{name}", "text", text_fault(text)))
    for name, pointer in OBJECTS.items():
        given = getattr(template, name)
        if not isinstance(given, Mapping):
            faults.append(Fault(pointer, "type", "must be an object"))
        elif said := drafts.unfit(given):
            faults.append(Fault(pointer, "text", said))
    return [*faults, *_inside(template)]


def _inside(template: JobTemplate) -> list[Fault]:
    faults = fan_config.faults_of(template.config) if isinstance(template.config, Mapping) else []
    if isinstance(template.parameters, Mapping):
        for key, value in template.parameters.items():
            if key not in SECTIONS.values():
                known = ", ".join(SECTIONS.values())
                faults.append(Fault(join("/params", str(key)[:100]), "unknown", f"is none of {known}"))
            elif not isinstance(value, Mapping):
                faults.append(Fault(join("/params", key), "type", "must be an object: parameters and their values"))
            elif value and getattr(template, key) == PASSTHROUGH:
                said = f"are for a {key}, and this template has none: it is passthrough"
                faults.append(Fault(join("/params", key), "unused", said))
    return faults


def _take(template: JobTemplate, actor: User, parts: dict[str, Any]) -> None:
    unknown = parts.keys() - set(KEYS)
    if unknown:
        raise TypeError(f"A template has no {', '.join(sorted(unknown))}.")
    before = template.everyone
    for name, value in parts.items():
        setattr(template, name, value)
    # Keys that came with them become secrets of whoever saves it: a template is read by others.
    if "source" in parts:
        template.source = sources.put_away(template.source, actor)
    if "destination" in parts:
        template.destination = sources.put_destination_away(template.destination, actor)
    team: Team | None = template.team
    faults = template_faults(template, actor)
    if "team" in parts and team is not None and not team.memberships.filter(user=actor).exists():
        faults.append(Fault("/team", "unknown-team", f"You are in no team '{team.slug}'."))
    if faults:
        raise Invalid.of(faults)
    if template.everyone and not before and not actor.curates:
        raise Forbidden("Only curators may offer a template to everyone. Share it with a team, or ask a curator.")


def _save(template: JobTemplate, actor: User, act: str) -> JobTemplate:
    try:
        with transaction.atomic():
            template.save()
            audit(act, actor=actor, target=template.slug)
    except IntegrityError:
        said = f"There is a template '{template.slug}' already. Choose another id."
        raise Conflict(said, code="id_taken", faults=[Fault("/id", "taken", said)]) from None
    return template


def template_in_bundle(version: Version) -> JobTemplate | None:
    """What a bundle's own template.json offers, as a template that is not stored; None where it brings none."""
    if version.app.role != App.Role.APP or not version.template_text:
        return None
    found = read_template(version.template_text).template
    if found is None:
        return None
    return JobTemplate(
        slug=found.id or version.app.slug,
        name=found.name,
        description=found.description,
        app=tags.tag_of(version),
        partitioner=found.partitioner or PASSTHROUGH,
        assembler=found.assembler or PASSTHROUGH,
        parameters=dict(found.params),
        source=dict(found.source),
        destination=dict(found.destination),
        config=dict(found.config),
    )


BODY_KEYS: Mapping[str, str] = {
    "id": "slug",
    "name": "name",
    "description": "description",
    "app": "app",
    "partitioner": "partitioner",
    "assembler": "assembler",
    "params": "parameters",
    "dataSource": "source",
    "dataDestination": "destination",
    "config": "config",
}


def parts_of(body: Mapping[str, Json]) -> dict[str, Json]:
    """The parts of a template that a JSON object as template.json names. What it does not know is left out."""
    return {BODY_KEYS[key]: value for key, value in body.items() if key in BODY_KEYS and value is not None}


def text_of(template: JobTemplate, reader: User) -> str:
    """The template as template.json has it; whoever may not change it is shown nothing behind the `?` of its addresses."""
    body = {key: getattr(template, name) for key, name in BODY_KEYS.items()}
    if not may_change_template(template, reader):
        body |= {key: sources.masked(body[key]) for key in ("dataSource", "dataDestination")}
    return json.dumps(body, ensure_ascii=False, indent=2)

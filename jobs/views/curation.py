"""What the curate pages show of forms, machines and jobs: fetched by their address, because the catalog knows no jobs."""

from __future__ import annotations

import base64

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps_catalog.launch import overlay as overlays
from apps_catalog.launch.examples import example_values
from apps_catalog.launch.machines import fits, unmatched_globs
from apps_catalog.launch.overlay_editor import part_at
from apps_catalog.launch.parameters import Upload as UploadParameter
from apps_catalog.launch.requirements import why_none
from apps_catalog.launch.snippets import as_json_text
from apps_catalog.launch.spec import Command, Fault, Json, LaunchSpec, Requirements, Submission
from apps_catalog.models import Version
from apps_catalog.services import authored_spec, edited_overlay, spec_of
from apps_catalog.services.reading_rights import readable_version
from jobs.forms.builder import build
from jobs.forms.drafts import Draft, first_command, read_json
from jobs.forms.page import Page
from jobs.models import MachineType
from jobs.services.fan_out.machines import Machines
from jobs.usage_of_parameters import JOBS_MAX, usage_of
from portal.errors import Forbidden, Invalid, NotFound
from portal.people import signed_in
from portal.people.models import User


def find_version(user: User, slug: str, label: str) -> Version:
    """A version for a curator. Raises Forbidden, NotFound."""
    if not user.curates:
        raise Forbidden("Only curators may look behind an app. Ask a curator, or staff for the role.")
    rows = Version.objects.select_related("app").defer("app__icon", "app__search", "findings")
    version = rows.filter(app__slug=slug, label=label.replace("\0", "")).first()
    if version is None:
        raise NotFound("There is no such version. Look for the app in the list of apps.")
    return version


@require_POST
def overlay_preview(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    """The form of one command as the overlay editor stands (`command`, `part`, `page`, `entry`); without an `entry` the
    forms of all commands as they are saved. Nothing is stored."""
    version = find_version(signed_in(request), slug, label)
    posted = request.POST
    if "entry" not in posted:
        saved = spec_of(version)
        every = [build(saved, Draft(Submission(command=key)), prefix=f"c{n}-") for n, key in enumerate(saved.commands)]
        return render(request, "jobs/_form_preview.html", {"forms": every, "spec": saved})
    spec = authored_spec(version)
    number = posted.get("page", "")
    page = int(number) if number.isascii() and number.isdigit() and len(number) < 5 else 1
    part = part_at(spec, posted.get("command", ""), posted.get("part", ""), page)
    try:
        shaped = overlays.apply(spec, edited_overlay(version=version, part=part, text=posted.get("entry", "")))
    except Invalid as refused:
        shaped = [Fault(fault.pointer, fault.code, fault.message) for fault in refused.faults]
    if isinstance(shaped, list):
        return render(request, "jobs/_overlay_preview.html", {"faults": shaped})
    keys = [part.command] if part.command in shaped.commands else list(shaped.commands)[:1]
    forms = [build(shaped, Draft(Submission(command=key)), prefix="pv-") for key in keys]
    shown = {"forms": forms, "spec": shaped, "hidden": bool(part.command) and part.command not in shaped.commands}
    return render(
        request, "jobs/_overlay_preview.html", shown | {"app_words": part.kind == "app", "fixed": _fixed(shaped, keys)}
    )


def _fixed(spec: LaunchSpec, keys: list[str]) -> list[tuple[str, str]]:
    """(label, value) of what is asked of nobody, because a curator fixed or hid it."""
    found = [one for key in keys for one in spec.commands[key].parameters.values() if one.locked]
    return [(one.label, "" if one.default is None else one.text(one.default)) for one in found]


@require_http_methods(["GET", "HEAD", "POST"])
def dry_run(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    """GET: a made-up submission (`?command=`) and what it would run. POST: the same for the `json` sent. Nothing is stored."""
    user = signed_in(request)
    version = find_version(user, slug, label)
    page = Page(user, version.app, version, spec_of(version), dry_run=True)
    if request.method == "POST":
        draft = read_json(request.POST.get("json", ""), page.spec, app=slug, token="")
        return render(request, "jobs/_dry_run_panel.html", {"panel": page.panel(draft)})
    command = first_command(page.spec, request.GET.get("command", ""))
    made_up = page.settled(Draft(Submission(command=command.key, parameters=_made_up(command))))
    text = as_json_text(page.body(made_up))
    draft = read_json(text, page.spec, app=slug, token="")
    shown = {"version": version, "page": page, "command": command, "text": text, "panel": page.panel(draft)}
    return render(request, "jobs/_dry_run.html", shown)


def _made_up(command: Command) -> dict[str, Json]:
    """Defaults, else values that show what is meant; a file to upload is sent along in small."""
    values = example_values(command)
    for key in values:
        if isinstance(command.parameters.get(key), UploadParameter):
            values[key] = base64.b64encode(b"example").decode()
    return values


@require_safe
def machine_globs(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    """The machines that a definition names and that are not here, for the remarks on a version."""
    version = find_version(signed_in(request), slug, label)
    spec = spec_of(version)
    types = list(MachineType.objects.filter(enabled=True).values_list("name", "aliases"))
    names = [word for name, aliases in types for word in (name, *aliases)]
    nowhere = [command for command in spec.commands.values() if not fits(spec.machines_of(command), names)]
    shown = {"globs": unmatched_globs(spec, names), "nowhere": nowhere}
    return render(request, "jobs/_machine_globs.html", shown)


@require_safe
def fitting_machines(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    """The machine types that have what a bundle asks for, or why none has; for its page, which anybody sees who may use it."""
    version = readable_version(signed_in(request), slug, label)
    spec = spec_of(version)
    wanted = spec.requirements or Requirements()
    machines = Machines.here()
    fit = machines.fitting(wanted)
    why = "" if fit else why_none(spec.name, wanted, machines.offers)
    return render(request, "jobs/_fitting_machines.html", {"offers": fit, "why": why})


@require_safe
def parameter_usage(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    """How often each parameter left its default in the latest jobs of the app."""
    version = find_version(signed_in(request), slug, label)
    commands = usage_of(version.app, spec_of(version))
    shown = {"commands": commands, "total": sum(one.jobs for one in commands), "most": JOBS_MAX}
    return render(request, "jobs/_parameter_usage.html", shown)


urls: list[URLPattern] = [
    path("curate/apps/<slug:slug>/<str:label>/overlay/preview/", overlay_preview, name="overlay-preview"),
    path("curate/apps/<slug:slug>/<str:label>/dry-run/", dry_run, name="dry-run"),
    path("curate/apps/<slug:slug>/<str:label>/machines/", machine_globs, name="machine-globs"),
    path("apps/<slug:slug>/versions/<str:label>/machines/", fitting_machines, name="fitting-machines"),
    path("curate/apps/<slug:slug>/<str:label>/usage/", parameter_usage, name="parameter-usage"),
]

"""The launch page (the Task Builder): show the form, judge it live, launch it once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_POST

from apps_catalog.launch.bytenite import read_bytenite
from apps_catalog.launch.positions import join
from apps_catalog.launch.snippets import as_json_text
from apps_catalog.launch.spec import Fault, Submission
from apps_catalog.services import read_definition
from jobs import services
from jobs.forms import attachments
from jobs.forms.builder import build
from jobs.forms.drafts import Draft, chosen_team, first_command, read_form, read_json, read_token
from jobs.forms.inputs import inputs_of
from jobs.forms.page import Page, find_page
from jobs.forms.prefill import from_job, from_query
from jobs.models import Job, Upload
from jobs.views import fan_launch
from portal.errors import Forbidden, NotFound, PortalError
from portal.people import signed_in


@require_http_methods(["GET", "HEAD", "POST"])
def launch(request: HttpRequest, slug: str) -> HttpResponse:
    """GET draws the form (`?version=`, `?command=`, `?p.<key>=`, `?from=<job number>`); POST acts on `go`."""
    user = signed_in(request)
    if (bundle := fan_launch.find_bundle(user, slug)) is not None:
        return fan_launch.launch(request, user, bundle)
    if request.method == "POST":
        page = find_page(user, slug, request.POST.get("version", ""))
        return _act(request, page)
    page = find_page(user, slug, request.GET.get("version", ""))
    draft = _prefilled(request, page)
    return _show(request, page, draft, only=_given(draft))


@require_POST
def preview(request: HttpRequest, slug: str) -> HttpResponse:
    """The live panel for what is in the form now, with every fault for the page to show at its field."""
    if (bundle := fan_launch.find_bundle(signed_in(request), slug)) is not None:
        return fan_launch.preview(request, signed_in(request), bundle)
    page = find_page(signed_in(request), slug, request.POST.get("version", ""))
    panel = page.panel(_posted(request, page))
    return render(request, "jobs/_launch_panel.html", {"panel": panel, "live": True})


@require_POST
def part(request: HttpRequest, slug: str) -> HttpResponse:
    """What changes at once in the forms of authors' schemas, which only ByteNite apps have: `part` names the place to draw
    anew after `go`. Without `part`: as JSON, which parts that stand under a condition count now.
    """
    if (bundle := fan_launch.find_bundle(signed_in(request), slug)) is None:
        raise NotFound("There is no such ByteNite app, or it is not yours to see.")
    return fan_launch.part(request, signed_in(request), bundle)


@require_POST
def form_preview(request: HttpRequest) -> HttpResponse:
    """The forms that a definition would give, command by command, for the curate page. Nothing is stored."""
    if not signed_in(request).curates:
        raise Forbidden("Only curators may preview a definition. Ask a curator, or staff for the role.")
    text = request.POST.get("definition", "")
    schema = request.POST.get("schema")  # of a bundle, whose definition is its manifest
    reading = read_definition(text) if schema is None else read_bytenite(text, schema.replace("\r\n", "\n"))
    forms = []
    if reading.spec is not None:
        for number, key in enumerate(reading.spec.commands):
            draft = Draft(Submission(command=key))
            forms.append(build(reading.spec, draft, prefix=f"c{number}-"))
    refusals = [finding for finding in reading.findings if finding.level == "error"]
    return render(request, "jobs/_form_preview.html", {"forms": forms, "refusals": refusals, "spec": reading.spec})


def _prefilled(request: HttpRequest, page: Page) -> Draft:
    number = request.GET.get("from", "")
    if not number:
        return from_query(request.GET, page.spec, version=page.version.label)
    visible = Job.objects.visible_to(page.user).filter(version__app=page.app)
    rows = visible.select_related("machine_type", "vault", "version")
    job = rows.filter(number=int(number)).first() if number.isdecimal() and len(number) < 19 else None
    if job is None:
        raise NotFound(f"There is no job {number[:30]} of this app that you may see.")
    named = attachments.named(job.parameters)
    usable = Upload.objects.usable_by(page.user).filter(pk__in=named).values_list("pk", flat=True)
    return from_job(
        job,
        page.spec,
        version=page.version.label,
        machine=job.machine_type.name,
        vault=page.vault_for(job.vault.name if job.vault else None),
        usable_uploads=frozenset(map(str, usable)),
    )


def _given(draft: Draft) -> frozenset[str]:
    """Pointers of what a link or an earlier job has set: only that is judged before anything was touched."""
    submission = draft.submission
    nodes = draft.nodes_text or submission.nodes != 1
    settings = {
        "/machine": submission.machine,
        "/nodes": nodes,
        "/vault": submission.vault,
        "/walltime_s": draft.clock,
    }
    return frozenset(
        [join("/parameters", key) for key in submission.parameters] + [key for key, value in settings.items() if value]
    )


def _posted(request: HttpRequest, page: Page) -> Draft:
    agreed = request.POST.get("eula", "")
    if request.POST.get("side") == "json":
        text = request.POST.get("json", "")
        draft = read_json(text, page.spec, app=page.app.slug, token=read_token(request.POST))
        return replace(draft, eula=agreed)
    return replace(read_form(request.POST, page.spec), eula=agreed)


def _act(request: HttpRequest, page: Page) -> HttpResponse:
    draft = attachments.receive(request, page.spec, _posted(request, page), owner=page.user)
    go = request.POST.get("go", "check")
    if go == "launch":
        return _launch(request, page, draft)
    if go == "side:json" and draft.json_text is None:
        body = page.body(page.settled(draft), hidden=True)
        return _show(request, page, replace(draft, json_text=as_json_text(body), faults=()), only=frozenset())
    if go == "side:form" and draft.json_text is not None:
        lost = (*draft.faults, *_not_drawable(draft, page))
        if lost:
            return _show(request, page, replace(draft, faults=lost), status=422)
        return _show(request, page, replace(draft, json_text=None, positions=None), only=_given(draft))
    if go.startswith("command:"):
        return _show(request, page, draft, only=frozenset())
    return _show(request, page, draft)


def _not_drawable(draft: Draft, page: Page) -> list[Fault]:
    """What the form has no place for: switching to it would lose it."""
    command = page.spec.commands.get(draft.submission.command)
    if command is None:
        return [Fault("/command", "unknown-command", "is not a command of this app")]
    known = {asked.key for asked in inputs_of(command)}
    return [
        Fault(join("/parameters", key), "unknown-parameter", "has no field in the form; remove it first")
        for key in draft.submission.parameters
        if key not in known
    ]


def _launch(request: HttpRequest, page: Page, draft: Draft) -> HttpResponse:
    team, team_faults = chosen_team(page.user, draft.team)
    faults = (*draft.faults, *team_faults)
    if page.not_launchable:
        return _show(request, page, draft, alert=page.not_launchable, status=409)
    if faults:
        return _show(request, page, replace(draft, faults=faults), status=422)
    draft = page.settled(draft)
    body = page.body(draft)
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    try:
        # The token is one per drawn form: a double click, a refresh and a step back with unchanged values all
        # give the first job. Changed values are a new submission, also from the same form.
        submitted = services.submit(
            owner=page.user,
            version=page.version,
            submission=page.sent(draft),
            team=team,
            notify=draft.notify,
            rerun_safe=draft.rerun_safe,
            key=f"form-{draft.token}-{digest[:32]}",
            body_digest=digest,
            via="web",
            eula=draft.eula,
        )
    except PortalError as refused:
        given = tuple(Fault(fault.pointer, fault.code, fault.message) for fault in refused.faults)
        alert = "" if given else refused.message
        return _show(request, page, replace(draft, faults=given), alert=alert, status=refused.status)
    if submitted.replayed:
        messages.info(request, "This form had launched this job before. Nothing was launched twice.")
    answer = redirect("jobs:job", submitted.job.number)
    answer.status_code = 303
    return answer


def _show(
    request: HttpRequest,
    page: Page,
    draft: Draft,
    *,
    only: frozenset[str] | None = None,
    alert: str = "",
    status: int = 200,
) -> HttpResponse:
    """The whole page. `only` names the pointers whose faults are marked; None marks all and lists them on top."""
    if draft.submission.command not in page.spec.commands and draft.json_text is None:
        draft = replace(draft, submission=replace(draft.submission, command=first_command(page.spec).key))
    shown = page.shown(draft, only=only)
    return render(request, "jobs/launch.html", {**shown, "page": page, "alert": alert}, status=status)


urls: list[URLPattern] = [
    path("apps/<slug:slug>/launch/", launch, name="launch"),
    path("apps/<slug:slug>/launch/preview/", preview, name="launch-preview"),
    path("apps/<slug:slug>/launch/part/", part, name="launch-part"),
    path("curate/form-preview/", form_preview, name="form-preview"),
]

"""The launch page of ByteNite apps: three forms, source and destination, machines; drafts that are kept until they run."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from apps_catalog.launch.snippets import as_json_text
from apps_catalog.launch.spec import Fault
from apps_catalog.models import App
from jobs import services
from jobs.forms import fan_links
from jobs.forms.drafts import chosen_team, read_token
from jobs.forms.fan_draft import (
    NAMES,
    FanDraft,
    as_body,
    fan_out_from,
    of_fan_out,
    of_template,
    opened,
    read_form,
    read_json,
)
from jobs.forms.fan_page import FanPage
from jobs.forms.schemas import ACT
from jobs.models import Job
from jobs.services import fan_out
from jobs.services.fan_out import tags
from jobs.services.templates import find_template, template_in_bundle
from jobs.states import JobState
from portal.errors import Forbidden, NotFound, PortalError
from portal.people.models import Team, User


def find_bundle(user: User, slug: str) -> App | None:
    """The ByteNite app of this name, if it is one and this person may use it."""
    return tags.usable_bundles(user, "app").select_related("default_version").filter(slug=slug).first()


def launch(request: HttpRequest, user: User, app: App) -> HttpResponse:
    """GET draws the form (`?template=`, `?draft=`, `?from=`, `?version=`, `?p.<key>=`, ...); POST acts on `go`."""
    if request.method == "POST":
        return _act(request, user, app)
    draft, owner = _begun(request, user, app)
    page = FanPage(owner, draft, marked=fan_links.given(request.GET))
    return _show(request, page, app, problems=False)


def preview(request: HttpRequest, user: User, app: App) -> HttpResponse:
    draft, owner = _posted(request, user, app)
    panel = FanPage(owner, draft).panel()
    return render(request, "jobs/stages/_launch_panel.html", {"panel": panel, "live": True})


def part(request: HttpRequest, user: User, app: App) -> HttpResponse:
    draft, owner = _posted(request, user, app)
    return answer_part(request, FanPage(owner, draft))


def answer_part(request: HttpRequest, page: FanPage) -> HttpResponse:
    """The place that `part` names, drawn anew after `go`; without `part` as JSON what comes and goes in the forms."""
    address = request.POST.get("part")
    if address is None:
        return JsonResponse({"active": page.live(request.POST)})
    found, whole = page.part(request.POST, address)
    if found is None:
        raise NotFound("This place is not in the form any more. Load the page again.")
    if whole:
        return render(request, "jobs/schema/_form.html", {"whole": found})
    return render(request, "jobs/schema/_node.html", {"d": found})


# Where a draft comes from


def _begun(request: HttpRequest, user: User, app: App) -> tuple[FanDraft, User]:
    query = request.GET
    if number := query.get("draft", ""):
        job = find_draft(user, number, app)
        return opened(of_job(job), job.owner), job.owner
    if number := query.get("from", ""):
        draft = of_fan_out(fan_out.fan_out_of(_find_job(user, number, app)))
    elif slug := query.get("template", ""):
        template = find_template(user, slug)
        draft = of_template(template)
        if draft.tags["app"].partition("@")[0] != app.slug:
            raise NotFound(f"Template '{slug[:64]}' is not of this app. Open it among the templates.")
    else:
        own = template_in_bundle(app.default_version) if app.default_version else None
        draft = of_template(own) if own is not None else FanDraft({"app": app.slug})
        draft = replace(draft, tags={**draft.tags, "app": app.slug})
    draft = replace(draft, tags={"partitioner": "", "assembler": "", **draft.tags})
    return opened(fan_links.linked(query, draft, app=app.slug, owner=user), user), user


def of_job(job: Job) -> FanDraft:
    draft = of_fan_out(fan_out.fan_out_of(job))
    return replace(draft, number=job.number, team=job.team.slug if job.team else "", notify=job.notify)


def _find_job(user: User, number: str, app: App) -> Job:
    rows = Job.objects.visible_to(user).filter(in_stages=True, version__app=app)
    known = number.isascii() and number.isdecimal() and len(number) < 19
    job = rows.select_related("version__app", "template").filter(number=int(number)).first() if known else None
    if job is None:
        raise NotFound(f"There is no job {number[:30]} of this app that you may see.")
    return job


def find_draft(user: User, number: str, app: App) -> Job:
    """A draft of this app that the person may change. Raises NotFound, Forbidden."""
    job = _find_job(user, number, app)
    if job.state != JobState.DRAFT:
        raise NotFound(f"Job {job.number} is no draft any more: it was launched. Duplicate it to change it.")
    if not services.may_change(job, user):
        raise Forbidden("Only the owner of a draft may edit it. Duplicate it to get one of your own.")
    return job


def _posted(request: HttpRequest, user: User, app: App) -> tuple[FanDraft, User]:
    number = request.POST.get("number", "")
    job = find_draft(user, number, app) if number and number != "0" else None
    owner = job.owner if job is not None else user
    if request.POST.get("side") == "json":
        draft = read_json(request.POST.get("json", ""), app=app.slug, token=read_token(request.POST))
    else:
        draft = read_form(request.POST, owner)
        if draft.tags["app"].partition("@")[0] != app.slug:
            wrong = Fault("/app", "app", f"names another app; this page launches {app.slug}")
            draft = replace(draft, faults=(*draft.faults, wrong))
    template = job.template if job is not None else None
    if template is None and (slug := request.POST.get("template", "")):
        template = find_template(user, slug)
    return replace(draft, number=job.number if job is not None else 0, template=template), owner


# What a press does


def _act(request: HttpRequest, user: User, app: App) -> HttpResponse:
    try:
        draft, owner = _posted(request, user, app)
    except NotFound:
        if (done := _launched_already(request, user)) is not None:
            return done
        raise
    go = request.POST.get("go", "check")
    page = FanPage(owner, draft)
    if go == "launch":
        return _launch(request, page, app, user)
    if go in ("save", "template"):
        return _save(request, page, app, user, then=go)
    if go == "side:json" and draft.json_text is None:
        text = as_json_text(as_body(draft))
        return _show(request, FanPage(owner, replace(draft, json_text=text, faults=()), marked=frozenset()), app)
    if go == "side:form" and draft.json_text is not None:
        if draft.faults:
            return _show(request, page, app, status=422)
        form = opened(replace(draft, json_text=None, positions=None), owner)
        return _show(request, FanPage(owner, form, marked=frozenset()), app)
    if go.startswith(("tag:", ACT)):
        return _show(request, FanPage(owner, draft, marked=frozenset()), app, at=go.removeprefix("tag:"))
    return _show(request, page, app)


def _launched_already(request: HttpRequest, user: User) -> HttpResponse | None:
    """The second click on a draft's Launch: the draft runs by then, and its job is shown."""
    number = request.POST.get("number", "")
    if request.POST.get("go") != "launch" or not (number.isascii() and number.isdecimal() and len(number) < 19):
        return None
    job = Job.objects.filter(number=int(number), owner=user, in_stages=True).exclude(state=JobState.DRAFT).first()
    if job is None:
        return None
    messages.info(request, "This draft was launched before. Nothing was launched twice.")
    return _to(reverse("jobs:job", args=[job.number]))


def _launch(request: HttpRequest, page: FanPage, app: App, user: User) -> HttpResponse:
    team, wrong = chosen_team(page.owner, page.draft.team)
    page.extra = wrong
    if page.not_launchable:
        return _show(request, page, app, alert=page.not_launchable, status=409)
    if page.faults:
        return _refused(request, page, app, user)
    assert page.app is not None  # noqa: S101 - no fault says so
    asked = fan_out_from(page.draft, page.versions, page.app)
    body = as_body(page.draft)
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    # One token a drawn form: a double click gives the first job. Changed values are a new submission.
    key = f"form-{page.draft.token}-{digest[:32]}"
    try:
        if page.draft.number:
            job = _run_draft(page, team, user, key)
            replayed = False
        else:
            done = fan_out.submit(
                owner=user,
                asked=asked,
                team=team,
                notify=page.draft.notify,
                key=key,
                body_digest=digest,
                via="web",
            )
            job, replayed = done.job, done.replayed
    except PortalError as refused:
        page.refused(refused)
        return _show(request, page, app, alert="" if page.extra else refused.message, status=refused.status)
    if replayed:
        messages.info(request, "This form had launched this job before. Nothing was launched twice.")
    return _to(reverse("jobs:job", args=[job.number]))


def _run_draft(page: FanPage, team: Team | None, user: User, key: str) -> Job:
    job = Job.objects.select_related("team").get(pk=page.draft.number)
    if job.team != team:
        services.share(job=job, actor=user, team=team)
    return fan_out.run_changed(job=job, actor=user, parts=_parts(page), notify=page.draft.notify, key=key)


def _parts(page: FanPage) -> dict[str, Any]:
    """The draft as parts of a FanOut; engines that are not found stay as they were."""
    draft = page.draft
    found: dict[str, Any] = {
        "parameters": {section: value for section, value in draft.parameters.items() if value != {}},
        "source": draft.source,
        "destination": draft.destination,
        "config": draft.config,
        "name": draft.name,
        "description": draft.description,
        "machines": draft.machines,
    }
    return found | page.versions


def _refused(request: HttpRequest, page: FanPage, app: App, user: User) -> HttpResponse:
    """What can be kept of a submission with faults is kept as a draft, so that no typing is lost with the page."""
    if page.draft.json_text is None:
        try:
            number = _keep(page, user)
        except PortalError:
            return _show(request, page, app, status=422)
        kept = page.draft.number == number
        page.draft = replace(
            page.draft, number=number, remarks=() if kept else (f"What you filled in is kept as draft {number}.",)
        )
    return _show(request, page, app, status=422)


def _keep(page: FanPage, user: User) -> int:
    """Save the draft; its number. Raises what draft and change raise."""
    team, _ = chosen_team(page.owner, page.draft.team)
    if page.app is None:
        raise NotFound("A draft needs an app.")
    if page.draft.number:
        job = Job.objects.select_related("team").get(pk=page.draft.number)
        fan_out.change(job=job, actor=user, **_parts(page))
    else:
        asked = fan_out_from(page.draft, page.versions, page.app)
        key = f"draft-{page.draft.token}"  # twice the same form is the same draft
        job = fan_out.draft(
            owner=user, asked=asked, team=team, notify=page.draft.notify, key=key, body_digest=page.draft.token
        )
        if job.state == JobState.DRAFT:
            fan_out.change(job=job, actor=user, **_parts(page))
    if job.team != team and page.draft.number:
        services.share(job=job, actor=user, team=team)
    return job.number


def _save(request: HttpRequest, page: FanPage, app: App, user: User, *, then: str) -> HttpResponse:
    unread = page.draft.json_text is not None and bool(page.draft.faults)
    if unread:
        return _show(request, page, app, status=422)
    try:
        number = _keep(page, user)
    except PortalError as refused:
        page.refused(refused)
        return _show(request, page, app, alert="" if page.extra else refused.message, status=refused.status)
    if then == "template":
        return _to(f"{reverse('jobs:template-new')}?job={number}")
    messages.success(request, f"Draft {number} is saved. It is among your jobs until you launch or delete it.")
    return _to(f"{reverse('jobs:launch', args=[app.slug])}?draft={number}")


def _to(address: str) -> HttpResponse:
    answer = redirect(address)
    answer.status_code = 303
    return answer


def _show(
    request: HttpRequest,
    page: FanPage,
    app: App,
    *,
    problems: bool = True,
    alert: str = "",
    at: str = "",
    status: int = 200,
) -> HttpResponse:
    shown = page.shown(problems=problems and page.marked is None)
    shown |= {"app": app, "alert": alert, "at": f"section-{at}" if at in NAMES else ""}
    return render(request, "jobs/stages/launch.html", shown, status=status)

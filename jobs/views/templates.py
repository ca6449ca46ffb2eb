"""Job templates: found, looked at, made, changed, deleted, and launched from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps_catalog.launch.document import Document, read_document
from apps_catalog.launch.requirements import satisfies, why_none, words
from apps_catalog.launch.spec import Fault, Requirements
from apps_catalog.models import Version
from apps_catalog.services import spec_of
from jobs import sources
from jobs.forms import ends
from jobs.forms.drafts import chosen_team, plain
from jobs.forms.fan_draft import NAMES, FanDraft, of_fan_out, of_template, opened, read_form
from jobs.forms.fan_page import FanPage
from jobs.forms.fan_views import TITLES
from jobs.forms.schemas import ACT
from jobs.models import Job, JobTemplate
from jobs.services import fan_out, templates
from jobs.services.fan_out import tags
from jobs.services.fan_out.machines import Machines
from jobs.services.templates import (
    BODY_KEYS,
    find_template,
    may_change_template,
    parts_of,
    template_in_bundle,
    text_of,
)
from jobs.views.fan_launch import answer_part, find_bundle
from jobs.views.job_stages import settings_of, values_of
from portal.errors import Conflict, NotFound, PortalError, things_to_fix
from portal.people import signed_in
from portal.people.models import User

LISTED = 100


@require_safe
def listing(request: HttpRequest) -> HttpResponse:
    """`?q=` looks in id, name, description and app; `?after=` goes on behind an id."""
    user = signed_in(request)
    q = request.GET.get("q", "").strip().replace("\0", "")[:200]
    rows = JobTemplate.objects.visible_to(user).select_related("owner", "team").order_by("slug")
    if q:
        rows = rows.filter(
            Q(slug__icontains=q) | Q(name__icontains=q) | Q(description__icontains=q) | Q(app__icontains=q)
        )
    after = request.GET.get("after", "").replace("\0", "")
    if after:
        rows = rows.filter(slug__gt=after)
    found = list(rows[: LISTED + 1])
    offered = [] if after else _offered(user, q)
    shown = {
        "offered": offered,
        "rows": [(row, may_change_template(row, user)) for row in found[:LISTED]],
        "q": q,
        "next": found[LISTED - 1].slug if len(found) > LISTED else "",
        "begun": bool(after),
    }
    return render(request, "jobs/templates/list.html", shown)


def _offered(user: User, q: str) -> list[JobTemplate]:
    """The templates that apps bring along."""
    versions = (
        Version.objects.filter(pk__in=tags.usable_bundles(user, "app").values("default_version"))
        .exclude(template_text="")
        .select_related("app")
        .only("label", "template_text", "app__slug", "app__name", "app__role")
        .order_by("app__slug")
    )
    found = [template for version in versions[:LISTED] if (template := template_in_bundle(version)) is not None]
    words = q.casefold()
    return [one for one in found if words in f"{one.slug} {one.name} {one.description} {one.app}".casefold()]


@dataclass(frozen=True)
class Runs:
    """What a template runs in one section, and which machine types could."""

    title: str
    tag: str
    version: Version | None
    missing: str
    needs: str
    fits: tuple[str, ...]
    none: str
    values: list[tuple[str, str]]


@require_safe
def page(request: HttpRequest, slug: str) -> HttpResponse:
    user = signed_in(request)
    template = find_template(user, slug)
    return render(request, "jobs/templates/template.html", _shown(user, template))


def _shown(user: User, template: JobTemplate) -> dict[str, Any]:
    runs = [_runs(user, template, section) for section in NAMES]
    app = next((one.version.app for one in runs if one.title == TITLES["app"] and one.version), None)
    return {
        "template": template,
        "runs": runs,
        "app": app,
        "source": ends.read_out(sources.masked(template.source), "source"),
        "destination": ends.read_out(sources.masked(template.destination), "destination"),
        "config": settings_of(template.config),
        "text": text_of(template, user),
        "may_change": may_change_template(template, user),
        "jobs": Job.objects.visible_to(user).filter(template=template).order_by("-number").defer("plan")[:5],
    }


def _runs(user: User, template: JobTemplate, section: str) -> Runs:
    tag = getattr(template, section)
    found = tags.find_version(user, tag, section)
    values = values_of(template.parameters.get(section, {}))
    if isinstance(found, Fault) or found is None:
        missing = found.message if isinstance(found, Fault) else ""
        return Runs(TITLES[section], tag, None, missing, "", (), "", values)
    try:
        wanted = spec_of(found).requirements or Requirements()
    except Conflict as refused:
        return Runs(TITLES[section], tag, found, refused.message, "", (), "", values)
    offers = Machines.here().offers
    fits = tuple(offer.name for offer in offers if satisfies(offer, wanted))
    none = "" if fits else why_none(found.app.slug, wanted, offers)
    return Runs(TITLES[section], tag, found, "", words(wanted), fits, none, values)


@require_safe
def launch(request: HttpRequest, slug: str) -> HttpResponse:
    """To the launch page of the template's app."""
    user = signed_in(request)
    template = find_template(user, slug)
    version = tags.find_version(user, template.app, "app")
    if not isinstance(version, Version):
        said = version.message if version is not None else "It names no app."
        raise Conflict(f"This template can't be launched: {said}", code="not_launchable")
    return redirect(f"{reverse('jobs:launch', args=[version.app.slug])}?template={template.slug}")


# Making and changing


@dataclass(frozen=True)
class Sharing:
    """What a template has beside what it runs."""

    slug: str = ""
    team: str = ""
    everyone: bool = False


@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """GET begins with `?job=` (a job or a draft), `?copy=` (a template), `?bundle=` (what it brings) or `?app=`; POST acts on `go`."""
    user = signed_in(request)
    if request.method == "POST":
        return _act(request, user, None)
    draft, sharing = _begun(request.GET, user)
    return _form(request, user, None, FanPage(user, opened(draft, user), launches=False, marked=frozenset()), sharing)


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, slug: str) -> HttpResponse:
    user = signed_in(request)
    template = find_template(user, slug)
    templates.demand_change(template, user)
    if request.method == "POST":
        return _act(request, user, template)
    draft = opened(_draft_of(template), user)
    sharing = Sharing(template.slug, template.team.slug if template.team else "", template.everyone)
    return _form(request, user, template, FanPage(user, draft, launches=False, marked=frozenset()), sharing)


def _draft_of(template: JobTemplate) -> FanDraft:
    return replace(of_template(template), name=template.name, description=template.description)


def _begun(query: QueryDict, user: User) -> tuple[FanDraft, Sharing]:
    if number := query.get("job", ""):
        known = number.isascii() and number.isdecimal() and len(number) < 19
        rows = Job.objects.visible_to(user).filter(in_stages=True).select_related("version__app", "template")
        job = rows.filter(number=int(number)).first() if known else None
        if job is None:
            raise NotFound(f"There is no job {number[:30]} in stages that you may see.")
        draft = of_fan_out(fan_out.fan_out_of(job))
        return replace(draft, template=None), Sharing(f"{job.version.app.slug}-{job.number}"[:64])
    if slug := query.get("copy", ""):
        template = find_template(user, slug)
        return _draft_of(template), Sharing(f"{template.slug[:57]}-copy")
    if slug := query.get("bundle", ""):
        app = find_bundle(user, slug)
        own = template_in_bundle(app.default_version) if app is not None and app.default_version else None
        if own is None:
            raise NotFound(f"There is no app '{slug[:80]}' that brings a template.")
        return _draft_of(own), Sharing(own.slug)
    return FanDraft({"app": query.get("app", "").replace("\0", "")}), Sharing()


def _act(request: HttpRequest, user: User, template: JobTemplate | None) -> HttpResponse:
    go = request.POST.get("go", "check")
    if go == "json" or request.POST.get("side") == "json":
        return _from_json(request, user, template)
    draft = read_form(request.POST, user)
    sharing = Sharing(
        template.slug if template else plain(request.POST, "id").strip(),
        plain(request.POST, "team"),
        "everyone" in request.POST,
    )
    page_ = FanPage(user, draft, launches=False, marked=frozenset())
    if go.startswith(("tag:", ACT)):
        return _form(request, user, template, page_, sharing, at=go.removeprefix("tag:"))
    if go != "save" or draft.faults:
        return _form(
            request, user, template, _marked(user, draft, draft.faults), sharing, status=422 if go == "save" else 200
        )
    team, faults = chosen_team(user, sharing.team)
    parts = {
        **{section: draft.tags.get(section, "") for section in NAMES},
        "name": draft.name.strip(),
        "description": draft.description,
        "parameters": {section: value for section, value in draft.parameters.items() if value != {}},
        "source": draft.source,
        "destination": draft.destination,
        "config": draft.config,
        "team": team,
        "everyone": sharing.everyone,
    }
    if faults:
        return _form(request, user, template, _marked(user, draft, faults), sharing, status=422)
    return _store(request, user, template, parts, _Answer(draft, sharing))


@dataclass(frozen=True)
class _Answer:
    """What the form is drawn with again, where storing is refused."""

    draft: FanDraft
    sharing: Sharing


def _store(
    request: HttpRequest, user: User, template: JobTemplate | None, parts: dict[str, Any], again: _Answer
) -> HttpResponse:
    try:
        if template is None:
            done = templates.create_template(owner=user, slug=again.sharing.slug, **parts)
        else:
            done = templates.change_template(template=template, actor=user, **parts)
    except PortalError as refused:
        faults = tuple(Fault(fault.pointer, fault.code, fault.message) for fault in refused.faults)
        page_ = _marked(user, again.draft, faults)
        alert = "" if faults else refused.message
        original = find_template(user, template.slug) if template is not None else None
        return _form(request, user, original, page_, again.sharing, alert=alert, status=refused.status)
    messages.success(request, f"Template {done.slug} is saved.")
    answer = redirect("jobs:template", done.slug)
    answer.status_code = 303
    return answer


def _marked(user: User, draft: FanDraft, faults: tuple[Fault, ...]) -> FanPage:
    """The form with these faults alone: defaults may be unfinished, so nothing else is judged."""
    found = FanPage(user, draft, launches=False)
    found.__dict__["judged"] = list(faults)
    return found


def _from_json(request: HttpRequest, user: User, template: JobTemplate | None) -> HttpResponse:
    """A whole template.json, pasted or from a file."""
    text = request.POST.get("json", "").replace("\r\n", "\n")
    read = read_document(text)
    faults: tuple[Fault, ...]
    if not isinstance(read, Document):
        faults = (Fault("", read.code, read.message),)
    elif not isinstance(read.value, dict):
        faults = (Fault("", "type", "A template is a JSON object, with { } around it."),)
    else:
        known = set(BODY_KEYS)
        faults = tuple(
            Fault(f"/{key[:80]}", "unknown", f"'{key[:80]}' is not a key of a template. Known are: {', '.join(known)}.")
            for key in read.value
            if key not in known
        )
    if not faults and isinstance(read, Document):
        parts = parts_of(read.value)
        slug = str(parts.pop("slug", "") or "")
        try:
            _demand_texts(parts)
            if template is None:
                done = templates.create_template(owner=user, slug=slug, **parts)
            else:
                done = templates.change_template(template=template, actor=user, **parts)
        except PortalError as refused:
            faults = tuple(Fault(f.pointer, f.code, f.message) for f in refused.faults) or (
                Fault("", refused.code, refused.message),
            )
        else:
            messages.success(request, f"Template {done.slug} is saved.")
            return redirect("jobs:template", done.slug)
    shown = {"text": text, "faults": faults, "title": things_to_fix(len(faults)), "template": template}
    return render(request, "jobs/templates/json.html", shown, status=422)


def _demand_texts(parts: dict[str, Any]) -> None:
    faults = [
        Fault(f"/{key}", "type", "must be a text")
        for key, name in BODY_KEYS.items()
        if name in parts and key in ("name", "description", *NAMES) and not isinstance(parts[name], str)
    ]
    if faults:
        raise PortalError("", faults=faults, status=422)


@require_safe
def from_json(request: HttpRequest) -> HttpResponse:
    """The page to paste a template.json into."""
    signed_in(request)
    return render(request, "jobs/templates/json.html", {"text": "", "faults": (), "template": None})


@require_POST
def part(request: HttpRequest) -> HttpResponse:
    """What changes at once in the forms of a template."""
    user = signed_in(request)
    return answer_part(request, FanPage(user, read_form(request.POST, user), launches=False))


@require_POST
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    user = signed_in(request)
    templates.delete_template(template=find_template(user, slug), actor=user)
    messages.success(request, f"Template {slug} is deleted. Jobs that were made from it stay.")
    return redirect("jobs:templates")


def _form(
    request: HttpRequest,
    user: User,
    template: JobTemplate | None,
    page_: FanPage,
    sharing: Sharing,
    *,
    alert: str = "",
    at: str = "",
    status: int = 200,
) -> HttpResponse:
    shown = page_.shown(problems=page_.marked is None)
    shown |= {
        "template": template,
        "sharing": sharing,
        "teams": [(team.slug, team.name, team.slug == sharing.team) for team in user.teams.all()],
        "may_everyone": user.curates,
        "id_errors": page_.errors("/id"),
        "alert": alert,
        "at": f"section-{at}" if at in NAMES else "",
    }
    return render(request, "jobs/templates/edit.html", shown, status=status)


urls: list[URLPattern] = [
    path("templates/", listing, name="templates"),
    path("templates/new/", new, name="template-new"),
    path("templates/json/", from_json, name="template-json"),
    path("templates/part/", part, name="template-part"),
    path("templates/<str:slug>/", page, name="template"),
    path("templates/<str:slug>/edit/", edit, name="template-edit"),
    path("templates/<str:slug>/launch/", launch, name="template-launch"),
    path("templates/<str:slug>/delete/", delete, name="template-delete"),
]

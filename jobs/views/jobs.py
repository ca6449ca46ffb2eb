"""The list of jobs: mine or my teams', filtered, a page at a time, and cancelling several at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from apps_catalog.models import App
from jobs import services
from jobs.models import Job, JobStage
from jobs.states import JOB_ACTIVE, JobState
from jobs.views import stage_words
from jobs.views.job_words import summary
from portal.errors import PortalError
from portal.people import signed_in
from portal.people.models import User

PAGE = 50
APPS_SHOWN = 300
STATES = (
    ("", "Any state"),
    ("active", "Queued or running"),
    *((str(state), state.capitalize()) for state in JobState),
)
HEAVY = ("plan", "version__definition", "version__findings", "version__app__icon", "version__app__search")


@dataclass(frozen=True)
class Row:
    job: Job
    summary: str
    seconds: float | None  # how long it ran, or has run so far
    can_cancel: bool
    progress: dict[str, Any] | None = None  # of a job in stages


class Filters(forms.Form):
    """What of the jobs to show. Anything that makes no sense is left out, with a word at the field."""

    whose = forms.ChoiceField(required=False, label="Whose")
    state = forms.ChoiceField(required=False, label="State", choices=STATES)
    app = forms.ChoiceField(required=False, label="App")
    label = forms.CharField(required=False, label="Label contains", max_length=200)
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = [("", "My jobs"), ("teams", "My teams' jobs")]
        apps = (
            App.objects.visible_to(user)
            .filter(role=App.Role.APP)
            .order_by("name")
            .values_list("slug", "name")[:APPS_SHOWN]
        )
        for name, choices in (
            ("whose", [*mine, ("all", "Everyone's")] if user.operates else mine),
            ("app", [("", "Any app"), *apps]),
        ):
            field = self.fields[name]
            if isinstance(field, forms.ChoiceField):
                field.choices = choices
        for field in self.fields.values():
            field.widget.attrs["autocomplete"] = "off"

    def chosen(self) -> dict[str, str]:
        """The filters in force, as they stand in the address."""
        fine = {name for name in self.fields if name not in self.errors}
        return {name: self.data[name] for name in self.fields if name in fine and self.data.get(name)}

    def apply(self, user: User) -> QuerySet[Job]:
        self.is_valid()
        wanted = self.cleaned_data
        match wanted.get("whose"):
            case "teams":
                rows = Job.objects.filter(team_id__in=list(user.memberships.values_list("team_id", flat=True)))
            case "all":
                rows = Job.objects.visible_to(user)
            case _:
                rows = Job.objects.filter(owner=user)
        state = wanted.get("state")
        if state:
            rows = rows.filter(state__in=JOB_ACTIVE) if state == "active" else rows.filter(state=state)
        if wanted.get("app"):
            rows = rows.filter(version__app__slug=wanted["app"])
        if wanted.get("label"):
            rows = rows.filter(label__icontains=wanted["label"])
        if wanted.get("since"):
            rows = rows.filter(created_at__gte=_midnight(wanted["since"]))
        if wanted.get("until"):
            rows = rows.filter(created_at__lt=_midnight(wanted["until"] + timedelta(days=1)))
        return rows


def _midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    user = signed_in(request)
    filters = Filters(request.GET, user=user)
    rows = filters.apply(user)
    page, newer, older = _page(rows, request.GET.get("before", ""), request.GET.get("after", ""))
    chosen = filters.chosen()
    table = [_row(job, user) for job in page]
    shown = {
        "filters": filters,
        "filtered": bool(chosen.keys() - {"whose"}),
        "rows": table,
        "any_to_cancel": any(row.can_cancel for row in table),
        "live": any(job.state in JOB_ACTIVE for job in page),
        "with_owner": bool(chosen.get("whose")),
        "newer": urlencode({**chosen, "after": newer}) if newer else "",
        "older": urlencode({**chosen, "before": older}) if older else "",
    }
    return render(request, "jobs/jobs.html", shown, status=422 if filters.errors else 200)


def _page(rows: QuerySet[Job], before: str, after: str) -> tuple[list[Job], int | None, int | None]:
    """A page, and the numbers to go on from on either side, if there is more. The key is the job's number, so any page costs the same."""
    rows = rows.select_related("version__app", "machine_type", "owner", "team").defer(*HEAVY)
    rows = rows.prefetch_related(Prefetch("stages", JobStage.objects.defer("plan")))
    if after.isascii() and after.isdigit() and len(after) < 19:
        found = list(rows.filter(number__gt=int(after)).order_by("number")[: PAGE + 1])
        more, page = len(found) > PAGE, found[:PAGE][::-1]
        return page, page[0].number if more and page else None, page[-1].number if page else None
    first = not (before.isascii() and before.isdigit() and len(before) < 19)
    if not first:
        rows = rows.filter(number__lt=int(before))
    found = list(rows.order_by("-number")[: PAGE + 1])
    page = found[:PAGE]
    return page, None if first or not page else page[0].number, page[-1].number if len(found) > PAGE else None


def _row(job: Job, user: User) -> Row:
    until = job.finished_at or timezone.now()
    seconds = (until - job.started_at).total_seconds() if job.started_at else None
    can_cancel = job.state in JOB_ACTIVE and services.may_change(job, user)
    return Row(job, summary(job), seconds, can_cancel, stage_words.progress(job) if job.in_stages else None)


@require_POST
def cancel_several(request: HttpRequest) -> HttpResponse:
    """Cancel the chosen jobs. One that can't be cancelled does not stop the others."""
    user = signed_in(request)
    numbers = {
        int(text)
        for text in request.POST.getlist("number")[:500]
        if text.isascii() and text.isdigit() and len(text) < 19
    }
    done, refused = 0, []
    for job in Job.objects.visible_to(user).filter(number__in=numbers).order_by("number"):
        try:
            services.cancel(job=job, actor=user)
            done += 1
        except PortalError as error:
            refused.append(error.message)
    if done:
        messages.success(request, f"{done} job{'' if done == 1 else 's'} asked to stop.")
    for message in refused[:5]:
        messages.warning(request, message)
    if not numbers:
        messages.info(request, "Choose the jobs to cancel first.")
    return redirect("jobs:jobs")


urls: list[URLPattern] = [
    path("jobs/", jobs, name="jobs"),
    path("jobs/cancel/", cancel_several, name="cancel-several"),
]

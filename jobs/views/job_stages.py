"""The page of a job in stages: what is special about each of its tabs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from jobs import plan_words, services, sources, stage_logs, task_rows
from jobs.forms import ends
from jobs.forms.fan_views import CONFIG_LABELS
from jobs.models import Job, JobStage, Result
from jobs.previews import IMAGE_BYTES
from jobs.results import name_field, renamed, results_of
from jobs.services.fan_out.asking import SECTIONS
from jobs.stage_logs import Level
from jobs.states import JOB_ACTIVE, JobState, Stage
from jobs.views import stage_words
from jobs.views.job_words import events_of
from portal.errors import NotFound
from portal.people.models import User
from portal.templatetags.portal_ui import duration

PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
PICTURES_SHOWN = 6
AFTER = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})")


def head(job: Job, user: User) -> dict[str, Any]:
    """What the head of a job in stages has instead, or besides."""
    rows = stage_words.stage_rows(job)
    views = stage_words.stage_views(job, rows)
    changes = services.may_change(job, user)
    shown: dict[str, Any] = {
        "stages": views,
        "steps": stage_words.steps_of(job, rows),
        "marks": stage_words.marks_of(job, rows),
        "retry_words": stage_words.may_retry(job, rows) if changes else "",
        "retry_token": uuid4().hex,
        "may_pause": False,
        "is_draft": job.state == JobState.DRAFT,
        "may_cancel": changes and job.state in JOB_ACTIVE and not job.cancel_requested_at,
        "may_edit": changes and job.state == JobState.DRAFT,
        "cost": stage_words.cost_in_all(job, rows),
    }
    if job.state == JobState.DRAFT:
        shown["sentence"] = "A draft: nothing runs until it is launched. It can be edited until then."
    elif job.state == JobState.RUNNING and not job.cancel_requested_at:
        shown["sentence"] = stage_words.sentence_of(job, views)
    return shown


def overview(request: HttpRequest, shown: dict[str, Any]) -> HttpResponse:
    job: Job = shown["job"]
    shown |= {
        "counts": task_rows.counts(job),
        "pictures": pictures_of(results_of(job), name_field(job)) if job.terminal else [],
        "events": events_of(job),
    }
    return render(request, "jobs/stages/overview.html", shown)


def pictures_of(rows: QuerySet[Result], named: str) -> list[Result]:
    """The first results that look like pictures and can be drawn: they are shown without a click."""
    pictures = rows.filter(media_type__in=PICTURES, size__lte=IMAGE_BYTES).exclude(stored="")
    return renamed(pictures.select_related("task").order_by(named, "id")[:PICTURES_SHOWN], named)


def log(request: HttpRequest, shown: dict[str, Any]) -> HttpResponse:
    """`?stage=`, `?q=`, `?level=` (several), `?after=<task>.<line>`."""
    job: Job = shown["job"]
    stage = read_stage(request.GET.get("stage", ""))
    levels = frozenset(Level(word) for word in request.GET.getlist("level") if word in set(Level))
    text = request.GET.get("q", "").replace("\0", "")[:200]
    after = AFTER.fullmatch(request.GET.get("after", ""))
    begin = (int(after[1]), int(after[2])) if after else (0, 0)
    page = stage_logs.page(job, stage, text=text, levels=levels, after=begin)
    rest = [("stage", str(stage)), ("q", text), *(("level", str(level)) for level in levels)]
    shown |= {
        "stage": stage,
        "stage_choices": [(str(one), stage_words.TITLES[one]) for one in Stage],
        "levels": [(str(level), level.capitalize(), level in levels) for level in Level],
        "q": text,
        "page": page,
        "filtered": bool(text or levels),
        "begun": bool(after),
        "more": urlencode([*rest, ("after", f"{page.next[0]}.{page.next[1]}")]) if page.next else "",
        "single": stage != Stage.RUN,
    }
    return render(request, "jobs/stages/log.html", shown)


def read_stage(text: str) -> Stage:
    """The stage that an address names; the tasks, where it names none. Raises NotFound."""
    if text and text not in set(Stage):
        raise NotFound(f"There is no stage '{text[:20]}'. There are: {', '.join(Stage)}.")
    return Stage(text or Stage.RUN)


def inputs(request: HttpRequest, shown: dict[str, Any]) -> HttpResponse:
    job: Job = shown["job"]
    plans = {
        row.stage: plan_words.plan_of(row.plan) for row in JobStage.objects.filter(job=job).only("stage", "plan", "job")
    }
    sections = [
        {
            "view": view,
            "section": SECTIONS[view.stage],
            "values": values_of(job.parameters.get(SECTIONS[view.stage], {})),
            "plan": plans[str(view.stage)],
        }
        for view in shown["stages"]
    ]
    shown |= {
        "sections": sections,
        "source": ends.read_out(sources.masked(job.source), "source"),
        "destination": ends.read_out(sources.masked(job.destination), "destination"),
        "config": settings_of(job.config),
    }
    return render(request, "jobs/stages/inputs.html", shown)


def settings_of(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The settings of a job in stages by their labels in its form, times in words."""
    shown = {
        key: duration(value) if key.endswith("Timeout") and isinstance(value, int) else value
        for key, value in config.items()
    }
    return [(CONFIG_LABELS.get(key, key), "Yes" if text == "true" else text) for key, text in values_of(shown)]


def values_of(given: Any) -> list[tuple[str, str]]:
    """An object's keys with their values, as a table shows them: texts as they are, all else as JSON."""
    if not isinstance(given, dict):
        return [("", json.dumps(given, ensure_ascii=False))]
    return [
        (key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2))
        for key, value in given.items()
    ]

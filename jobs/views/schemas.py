"""Forms of authors' JSON Schemas: what changes in them while they are filled in, and the page to try a schema out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import render
from django.urls import URLPattern, path
from django.views.decorators.http import require_http_methods, require_POST

from apps_catalog.judging import judge
from apps_catalog.launch.document import read_document
from apps_catalog.launch.findings import Fault, Finding, Json
from apps_catalog.launch.json_schema.absent import ABSENT, Bag, State, instance_of, same
from apps_catalog.launch.json_schema.bounds import MAX_BYTES
from apps_catalog.launch.json_schema.defaults import laid_over
from apps_catalog.launch.json_schema.documents import SchemaReading
from apps_catalog.launch.json_schema.drawn import Drawn
from apps_catalog.launch.json_schema.kept import kept_reading
from apps_catalog.launch.json_schema.scalars import boxed
from apps_catalog.launch.json_schema.values import Judged, SchemaForm, form_of
from apps_catalog.launch.positions import find_positions
from apps_catalog.numbered import Remarks, number_lines
from jobs.forms import schemas
from jobs.forms.builder import Problem, sentence
from jobs.forms.schemas import ACT, Filled, act_of, filled_from
from portal.errors import Conflict, Forbidden, NotFound, things_to_fix
from portal.people import signed_in


def answer_part(request: HttpRequest, form: SchemaForm) -> HttpResponse:
    """The place that `part` names, drawn anew after `go`; without `part` as JSON what comes and goes in the form."""
    address = request.POST.get("part")
    if address is None:
        return JsonResponse(schemas.live(form, request.POST))
    found = schemas.fragment(form, request.POST, act_of(request.POST), address)
    if found is None:
        raise NotFound("This place is not in the form any more. Load the page again.")
    if address == form.root:
        return render(request, "jobs/schema/_form.html", {"whole": found, "picker": "vault" in request.POST})
    return render(request, "jobs/schema/_node.html", {"d": found, "picker": "vault" in request.POST})


@dataclass
class Trial:
    """One look at a schema: its text and findings, and the form with what is filled in."""

    text: str
    side: str = "form"
    json_text: str = ""
    reading: SchemaReading | None = None
    form: SchemaForm | None = None
    filled: Filled = field(default_factory=lambda: Filled(ABSENT))
    judged: Judged | None = None
    json_faults: tuple[Fault, ...] = ()

    @classmethod
    def of(cls, posted: QueryDict) -> Trial:
        """From a posted page. A form that was drawn for another schema gives what was changed in it to the new one."""
        trial = cls(posted.get("definition", "").replace("\r\n", "\n"), posted.get("side", "form"))
        if not trial.text.strip():
            return trial
        trial.reading = kept_reading(trial.text)
        if trial.reading.schema is None:
            return trial
        trial.form = form_of(trial.reading.schema, judge)
        if trial.side == "json":
            trial.json_text = posted.get("json", "").replace("\r\n", "\n")
            trial._read_json()
        else:
            trial._read_form(trial.form, posted)
        trial._judge(trial.form)
        return trial

    def _read_form(self, form: SchemaForm, posted: QueryDict) -> None:
        drawn_for = posted.get("drawn_for", "")
        filled = filled_from(form, posted, act_of(posted))
        if drawn_for == form.schema.digest:
            self.filled = filled
            return
        state = form.defaults()
        if drawn_for and isinstance(state, dict) and isinstance(filled.state, dict):
            state = laid_over(Bag(state), _changed(filled.parameters, posted.get("untouched", "")))
        self.filled = Filled(state)

    def _read_json(self) -> None:
        document = read_document(self.json_text, max_bytes=8 * 1024 * 1024)
        if isinstance(document, Finding):
            words = "There is nothing here. Write JSON." if document.code == "empty" else document.message
            self.json_faults = (Fault("", document.code, words),)
            return
        repeated = find_positions(document.text).repeated
        self.json_faults = tuple(Fault(p, "repeated", "is written twice; remove one of the two") for p, _ in repeated)
        self.filled = Filled(document.value)

    def _judge(self, form: SchemaForm) -> None:
        found = [Fault(f.pointer.removeprefix(schemas.PLACE), f.code, f.message) for f in self.filled.faults]
        if self.json_faults and self.filled.state is ABSENT:
            self.judged = Judged(ABSENT, self.json_faults)
            return
        found += self.json_faults
        self.judged = form.judged(self.filled.state, found=found, chosen=self.filled.chosen)

    @property
    def faults(self) -> tuple[Fault, ...]:
        return self.judged.faults if self.judged else ()

    def problems(self, whole: Drawn | None, *, live: bool) -> list[Problem]:
        """Each fault with its field; on the JSON side with its line."""
        if self.side == "json" or whole is None:
            positions = find_positions(self.json_text) if self.filled.state is not ABSENT else None
            found = []
            for fault in self.faults:
                line, column = positions.of(fault.pointer) if positions else (None, None)
                label = f"Line {line}, column {column}{': ' + fault.pointer if fault.pointer else ''}" if line else ""
                found.append(Problem("json", label, sentence(fault.message), "json"))
            return found
        addresses = self.filled.addresses if live else {}
        places = schemas.places_of(whole, self.faults, addresses)
        return [
            Problem(id_, label, sentence(fault.message), name)
            for fault, (id_, label, name) in zip(self.faults, places, strict=True)
        ]

    def shown(self, *, marked: bool, live: bool = False) -> dict[str, Any]:
        """What the page or a part of it draws. `marked`: faults stand at their fields, else in the panel only."""
        whole = None
        if self.form is not None and self.side != "json":
            whole = self.form.draw(self.filled.state, self.faults if marked else ())
        problems = self.problems(whole, live=live)
        remarks = Remarks(self.reading.findings) if self.reading else None
        instance = self.judged.instance if self.judged else ABSENT
        return {
            "trial": self,
            "whole": whole,
            "remarks": remarks,
            "problems": problems,
            "numbered": number_lines(self.text, remarks.findings) if remarks and self.text and not live else None,
            "limit_bytes": MAX_BYTES,
            "instance": "" if instance is ABSENT else boxed(instance),
            "untouched": _json_or_nothing(self.form.defaults()) if self.form and not live else "",
            "count": things_to_fix(len(problems)),
            "live": live,
        }


def _json_or_nothing(state: State) -> str:
    instance = instance_of(state)
    return "" if instance is ABSENT else json.dumps(instance)


def _changed(now: dict[str, Json], untouched: str) -> dict[str, Json]:
    """What differs from the defaults that the form was drawn with: that was typed by somebody."""
    try:
        before = json.loads(untouched) if untouched else {}
    except (ValueError, RecursionError):
        return now
    if not isinstance(before, dict):
        return now
    return {key: value for key, value in now.items() if key not in before or not same(before[key], value)}


def _curator(request: HttpRequest) -> None:
    if not signed_in(request).curates:
        raise Forbidden("Only curators may try schemas here. Ask a curator, or staff for the role.")


@require_http_methods(["GET", "HEAD", "POST"])
def try_schema(request: HttpRequest) -> HttpResponse:
    """The whole page; POST acts on `go`: check, `side:form`, `side:json`, or a change to the form (`schema:..`)."""
    _curator(request)
    if request.method != "POST":
        return render(request, "jobs/schema_try.html", Trial("").shown(marked=False))
    trial = Trial.of(request.POST)
    go = request.POST.get("go", "check")
    if go == "side:json" and trial.side != "json" and trial.judged:
        instance = trial.judged.instance
        trial.side, trial.json_text = "json", "" if instance is ABSENT else boxed(instance)
        trial.filled = Filled(trial.filled.state, (), trial.filled.chosen)
        return render(request, "jobs/schema_try.html", trial.shown(marked=False))
    if go == "side:form" and trial.side == "json" and trial.filled.state is not ABSENT:
        trial.side = "form"
        return render(request, "jobs/schema_try.html", trial.shown(marked=True))
    return render(request, "jobs/schema_try.html", trial.shown(marked=not go.startswith(ACT)))


@require_POST
def check(request: HttpRequest) -> HttpResponse:
    """Findings, form and verdict of the schema in the editor, while it is written. Nothing is stored."""
    _curator(request)
    trial = Trial.of(request.POST)
    return render(request, "jobs/schema/_try_checked.html", trial.shown(marked=False))


@require_POST
def verdict(request: HttpRequest) -> HttpResponse:
    """The instance and the verdict on it, while the form is filled in."""
    _curator(request)
    return render(request, "jobs/schema/_try_verdict.html", Trial.of(request.POST).shown(marked=False, live=True))


@require_POST
def part(request: HttpRequest) -> HttpResponse:
    """One place of the form drawn anew, or what comes and goes in it."""
    _curator(request)
    reading = kept_reading(request.POST.get("definition", "").replace("\r\n", "\n"))
    if reading.schema is None:
        raise Conflict("The schema has faults now, so its form can't change. Look at the findings.")
    return answer_part(request, form_of(reading.schema, judge))


urls: list[URLPattern] = [
    path("curate/schema/", try_schema, name="schema-try"),
    path("curate/schema/check/", check, name="schema-check"),
    path("curate/schema/verdict/", verdict, name="schema-verdict"),
    path("curate/schema/part/", part, name="schema-part"),
]

"""What the pages that fill in a job in stages draw: three sections with their forms, machines, settings, problems, a live panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import QueryDict

from apps_catalog.launch.json_schema.drawing import labels_of
from apps_catalog.launch.json_schema.drawn import Drawn
from apps_catalog.launch.requirements import Offer, cheapest, satisfies, why_none, words
from apps_catalog.launch.snippets import snippets
from apps_catalog.launch.spec import Fault, Requirements
from apps_catalog.models import Version
from apps_catalog.services import not_launchable, spec_of
from jobs import plan_words
from jobs.forms import ends, schemas
from jobs.forms.builder import Problem, sentence
from jobs.forms.fan_draft import (
    CLOCKS,
    NAMES,
    STAGE_OF,
    FanDraft,
    as_body,
    chosen_tag,
    fan_out_from,
    find_versions,
    form_of_section,
)
from jobs.forms.fan_views import (
    CONFIG_HELP,
    CONFIG_LABELS,
    LEADS,
    NOTHING,
    SETTINGS,
    TITLES,
    Choice,
    FanPanel,
    MachineChoice,
    SectionView,
    SettingView,
    StagePlan,
)
from jobs.forms.schemas import Filled, places_of
from jobs.prices import FREE, price, total
from jobs.services import fan_out
from jobs.services.fan_out import Judged, tags
from jobs.services.fan_out.machines import Machines
from portal.errors import Conflict, PortalError, things_to_fix
from portal.people.models import User


@dataclass
class FanPage:
    """One page over a draft. `owner` is whose job it would be. `machines`: also draws what is chosen of machines."""

    owner: User
    draft: FanDraft
    launches: bool = True
    marked: frozenset[str] | None = None  # pointers whose faults are marked; None: all
    extra: Sequence[Fault] = field(default_factory=tuple)

    @cached_property
    def _found(self) -> tuple[dict[str, Version | None], list[Fault]]:
        return find_versions(self.owner, self.draft)

    @property
    def versions(self) -> dict[str, Version | None]:
        return self._found[0]

    @property
    def app(self) -> Version | None:
        return self.versions.get("app")

    @cached_property
    def not_launchable(self) -> str:
        return not_launchable(self.app) if self.app is not None else ""

    @cached_property
    def judged(self) -> Judged | list[Fault]:
        """What would run, or all that is wrong: faults of reading first."""
        draft = self.draft
        read = [*draft.faults, *self.extra]
        if draft.json_text is not None and draft.positions is None:
            return read
        missing = self._found[1]
        if missing or self.app is None:
            return [*read, *missing]
        found = fan_out.judge(fan_out_from(draft, self.versions, self.app), owner=self.owner)
        if isinstance(found, Judged) and not read:
            return found
        known = {fault.pointer for fault in read}
        rest = [] if isinstance(found, Judged) else [fault for fault in found if fault.pointer not in known]
        return sorted([*read, *rest], key=_place)

    @cached_property
    def faults(self) -> list[Fault]:
        return self.judged if isinstance(self.judged, list) else []

    def refused(self, error: PortalError) -> None:
        """Take over the faults with which a service has refused the draft."""
        self.extra = tuple(Fault(fault.pointer, fault.code, fault.message) for fault in error.faults)
        for cached in ("judged", "faults", "shown_faults"):
            self.__dict__.pop(cached, None)

    @cached_property
    def shown_faults(self) -> list[Fault]:
        if self.marked is None:
            return self.faults
        return [fault for fault in self.faults if fault.pointer in self.marked]

    @property
    def title(self) -> str:
        """Over the list of what is marked."""
        return things_to_fix(len(self.shown_faults), "launching" if self.launches else "")

    def errors(self, pointer: str) -> tuple[str, ...]:
        return tuple(sentence(fault.message) for fault in self.shown_faults if fault.pointer == pointer)

    # What is drawn

    @cached_property
    def wholes(self) -> dict[str, Drawn]:
        """The drawn form of each section that has a schema, with the faults that are marked in it."""
        found = {}
        for section in NAMES:
            form = form_of_section(self.versions.get(section), section)
            if form is None:
                continue
            filled = self.draft.filled.get(section) or Filled(form.defaults())
            inside = [
                replace(fault, pointer=fault.pointer.removeprefix(at))
                for fault in self.shown_faults
                if fault.pointer == (at := f"/params/{section}") or fault.pointer.startswith(f"{at}/")
            ]
            found[section] = form.draw(filled.state, inside)
        return found

    @cached_property
    def offers(self) -> Machines:
        return Machines.here()

    def sections(self) -> list[SectionView]:
        return [self._section(section) for section in NAMES]

    def _section(self, section: str) -> SectionView:
        version = self.versions.get(section)
        tag = chosen_tag(self.draft.tags.get(section), section)
        offered = tags.choices(self.owner, section)
        if self.launches and section == "app" and self.app is not None:
            offered = [pair for pair in offered if pair[0].partition("@")[0] == self.app.app.slug]
        if tag and all(value != tag for value, _ in offered):
            offered = [*offered, (tag, tag if version is not None else f"{tag}: not there any more")]
        whole = self.wholes.get(section)
        nothing = NOTHING.get(section, "") if version is None else ""
        asks = whole is not None and bool(labels_of(whole).keys() - {""})
        return SectionView(
            name=section,
            title=TITLES[section],
            lead=LEADS[section],
            tag=tag,
            choices=tuple(Choice(value, said, value == tag) for value, said in offered),
            tag_errors=self.errors(f"/{section}"),
            drawn=tags.tag_of(version) if section in self.versions else tag,
            about=version.app.summary if version is not None else "",
            whole=whole,
            box=None if version is None or whole is not None else self.draft.boxes.get(section, ""),
            box_errors=tuple(
                sentence(fault.message)
                for fault in self.shown_faults
                if whole is None and fault.pointer.startswith(f"/params/{section}")
            ),
            nothing=nothing or ("" if asks or whole is None else "It asks for nothing."),
            machine=self._machine(section, version) if self.launches else None,
        )

    def _machine(self, section: str, version: Version | None) -> MachineChoice | None:
        stage = STAGE_OF[section]
        if version is None:
            return None
        try:
            wanted = spec_of(version).requirements or Requirements()
        except Conflict:
            return None
        offers = self.offers.offers
        fit = [offer for offer in offers if satisfies(offer, wanted)]
        best = cheapest(wanted, offers)
        asked = str(self.draft.machines.get(str(stage)) or "")
        choices = [Choice("", f"Cheapest: {_offer(best)}", not asked)] if best else []
        ranked = sorted(fit, key=lambda offer: (offer.price, offer.order, offer.name))
        choices += [Choice(offer.name, _offer(offer), offer.name == asked) for offer in ranked]
        if asked and all(choice.value != asked for choice in choices):
            choices.append(Choice(asked, f"{asked}: does not fit", chosen=True))
        others = len(offers) - len(fit)
        rest = f" {others} other{'' if others == 1 else 's'} of {len(offers)} do{'es' if others == 1 else ''} not fit."
        return MachineChoice(
            id=f"machine-{stage}",
            name=f"machine-{stage}",
            choices=tuple(choices),
            none=why_none(version.app.slug, wanted, offers) if best is None else "",
            note="" if best is None else f"It needs {words(wanted)}.{rest if others else ''}",
            errors=() if best is None else self.errors(f"/machines/{stage}"),
        )

    def settings(self) -> list[SettingView]:
        hours = min(settings.WALLTIME_DEFAULT_HOURS, settings.WALLTIME_MAX_HOURS)
        helps = {"taskTimeout": f"Empty: {hours} hours. At most {settings.WALLTIME_MAX_HOURS} hours.", **CONFIG_HELP}
        return [
            SettingView(
                key,
                label,
                helps.get(key, ""),
                self.draft.setting(key),
                "HH:MM or HH:MM:SS" if key in CLOCKS else "",
                self.errors(f"/config/{key}"),
            )
            for key, label in CONFIG_LABELS.items()
            if key != "isTestJob"
        ]

    def ends(self) -> dict[str, ends.Part]:
        return {
            "source_part": ends.source_part(self.draft.source, self.owner, faults=self.shown_faults),
            "destination_part": ends.destination_part(self.draft.destination, self.owner, faults=self.shown_faults),
        }

    def problems(self, faults: Sequence[Fault]) -> tuple[Problem, ...]:
        """Each fault with the label and id of its field; on the JSON side with its line."""
        return tuple(self._problem(fault) for fault in faults)

    def _problem(self, fault: Fault) -> Problem:
        said = sentence(fault.message)
        if self.draft.json_text is not None:
            line, column = self.draft.positions.of(fault.pointer) if self.draft.positions else (None, None)
            label = (
                f"Line {line}, column {column}{': ' + fault.pointer if fault.pointer else ''}"
                if line
                else fault.pointer
            )
            return Problem("json", label, said, "json")
        first, _, rest = fault.pointer.removeprefix("/").partition("/")
        if first == "params":
            return self._in_form(fault, rest.partition("/")[0], said)
        if first in NAMES:
            return Problem(f"tag-{first}", TITLES[first], said, first)
        if first == "machines":
            stage = rest.partition("/")[0]
            return Problem(f"machine-{stage}", f"Machine of {stage}", said, f"machines/{stage}")
        if first == "config":
            return Problem(f"config-{rest}", CONFIG_LABELS.get(rest, rest or "Settings"), said, f"config/{rest}")
        if first in ("dataSource", "dataDestination"):
            side = "source" if first == "dataSource" else "destination"
            key = rest.partition("/")[0] or "kind"
            field_ = {"uploads": "files"}.get(key, key)
            kind = self.draft.source if side == "source" else self.draft.destination
            if key in ("paths", "path") and isinstance(kind, Mapping) and kind.get("kind") == "vault":
                field_ = f"vault_{key}"
            return Problem(f"{side}-{field_}-field", f"{side.capitalize()}: {key}", said, f"{side}/{key}")
        id_, label = SETTINGS.get(fault.pointer, (first, first.capitalize()))
        return Problem(id_, label, said, first)

    def _in_form(self, fault: Fault, section: str, said: str) -> Problem:
        whole = self.wholes.get(section)
        if whole is None:
            id_ = f"box-{section}" if self.versions.get(section) is not None else f"tag-{section}"
            label = fault.pointer.removeprefix(f"/params/{section}").lstrip("/")
            return Problem(
                id_, f"{TITLES.get(section, section)}{': ' + label if label else ''}", said, f"box/{section}"
            )
        filled = self.draft.filled.get(section)
        moved = replace(fault, pointer=fault.pointer.removeprefix(f"/params/{section}"))
        ((id_, label, name),) = places_of(whole, [moved], filled.addresses if filled else {})
        return Problem(id_, label or TITLES[section], said, name)

    def panel(self) -> FanPanel:
        judged = self.judged
        calls = snippets(as_body(self.draft), url=f"{settings.PUBLIC_URL}/api/v1/jobs")
        if isinstance(judged, list):
            return FanPanel(self.problems(judged), (), calls, "", "", "")
        plans = []
        for section in NAMES:
            one = judged.stages[STAGE_OF[section]]
            plan = one.plan
            plans.append(
                StagePlan(
                    title=TITLES[section],
                    bundle=tags.tag_of(one.version),
                    machine=one.machine.name,
                    price=price(one.machine.price_per_hour),
                    words=plan_words.words(plan) if plan else [],
                    environment=sorted(plan.env.items()) if plan else [],
                    image=plan.image if plan else "",
                    walltime_s=plan.limits.walltime_s if plan else 0,
                    network=plan.limits.network if plan else "",
                    secrets=tuple(plan.secrets) if plan else (),
                )
            )
        run = judged.stages[STAGE_OF["app"]]
        hourly = run.machine.price_per_hour
        most = hourly * Decimal(judged.config.task_timeout_s) / 3600
        offer = self.offers.offer(run.machine)
        waits = "" if offer.served else f"No host serves {run.machine.name} now: the job will wait until one is up."
        priced = price(hourly) != FREE
        return FanPanel(
            (),
            tuple(plans),
            calls,
            per_task=total(most) if priced else "",
            per_hour=price(hourly) if priced else "",
            waits=waits,
        )

    def shown(self, *, problems: bool) -> dict[str, Any]:
        """What the form's template draws. `problems`: with the list on top of what is marked."""
        if self.draft.filled:
            # The page is drawn anew, and its rows are numbered anew.
            fresh = {key: replace(one, addresses={}) for key, one in self.draft.filled.items()}
            self.draft = replace(self.draft, filled=fresh)
        found: dict[str, Any] = {
            "draft": self.draft,
            "page": self,
            "problems": self.problems(self.shown_faults) if problems else (),
            "title": self.title,
            "panel": self.panel(),
            "teams": [Choice(team.slug, team.name, team.slug == self.draft.team) for team in self.owner.teams.all()],
            "mail": settings.MAIL_ENABLED,
        }
        if self.draft.json_text is None:
            found |= {"sections": self.sections(), "settings": self.settings(), **self.ends()}
        return found

    # What changes at once

    def part(self, posted: QueryDict, address: str) -> tuple[Drawn | None, bool]:
        """The place of this address drawn anew after the change that `go` asks for; whether it is a whole form."""
        section = address.partition("/")[0]
        form = form_of_section(self.versions.get(section), section)
        if form is None:
            return None, False
        return schemas.fragment(form, posted, schemas.act_of(posted), address), address == section

    def live(self, posted: QueryDict) -> dict[str, bool]:
        """Which parts under a condition count now, of all three forms."""
        active: dict[str, bool] = {}
        for section in NAMES:
            if (form := form_of_section(self.versions.get(section), section)) is not None:
                active |= schemas.live(form, posted)["active"]
        return active


def _place(fault: Fault) -> tuple[int, bool]:
    """Where on the page its field is: faults are told from top to bottom."""
    first, _, rest = fault.pointer.removeprefix("/").partition("/")
    section = rest.partition("/")[0] if first == "params" else first
    if first == "machines":
        section = next((name for name, stage in STAGE_OF.items() if rest.startswith(str(stage))), first)
    order = ("dataSource", "dataDestination", *NAMES, "name", "config", "description", "team")
    return order.index(section) if section in order else -1, first == "params"


def _offer(offer: Offer) -> str:
    """ "n4: 4 vCPUs, 16 GiB, 0.20 EUR per hour, no host is up"."""
    gpus = f", {offer.gpus} GPU{'s' if offer.gpus != 1 else ''}" if offer.gpus else ""
    said = f"{offer.name}: {offer.cores} vCPU{'s' if offer.cores != 1 else ''}, {offer.ram_mib / 1024:g} GiB{gpus}"
    cost = "free" if not offer.price else f"{price(offer.price)} per hour"
    return f"{said}, {cost}{'' if offer.served else ', no host is up'}"

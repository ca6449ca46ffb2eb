"""The live panel beside the form: what exactly would run, what it costs at most, and whether it would wait."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from apps_catalog.launch.snippets import Snippet
from apps_catalog.launch.spec import PlanLimits, PlanMount, RunPlan
from jobs import plan_words
from jobs.forms.builder import Problem
from jobs.forms.machines import MachineRow
from jobs.forms.scale import cost_words, size_words
from jobs.prices import total
from portal.errors import things_to_fix


@dataclass(frozen=True)
class Panel:
    """`plan` is None while there is something to fix; then `problems` says what."""

    plan: RunPlan | None
    problems: tuple[Problem, ...]
    machine: MachineRow | None
    nodes: int
    estimate: Decimal | None
    snippets: tuple[Snippet, ...]

    @cached_property
    def words(self) -> list[plan_words.Word]:
        return plan_words.words(self.plan) if self.plan else []

    @property
    def environment(self) -> list[tuple[str, str]]:
        return sorted(self.plan.env.items()) if self.plan else []

    @cached_property
    def files(self) -> list[plan_words.FileWords]:
        return plan_words.files(self.plan) if self.plan else []

    @property
    def legend(self) -> plan_words.Legend:
        return plan_words.legend(self.words, (line for file in self.files for line in file.lines))

    @property
    def mounts(self) -> list[tuple[PlanMount, str]]:
        return [(mount, plan_words.MOUNT_WORDS[mount.kind]) for mount in self.plan.mounts] if self.plan else []

    @property
    def limits(self) -> PlanLimits | None:
        return self.plan.limits if self.plan else None

    @property
    def user(self) -> str:
        return plan_words.user_words(self.plan) if self.plan else ""

    @property
    def connects(self) -> str:
        return plan_words.connect_words(self.plan) if self.plan else ""

    @property
    def waits_for_port(self) -> int:
        """The port that is waited for before it opens; 0 where none is."""
        return self.plan.connect.port if self.plan and self.plan.connect else 0

    @property
    def published(self) -> str:
        return plan_words.published_words(self.plan) if self.plan else ""

    @property
    def size(self) -> str:
        return size_words(self.machine, self.nodes) if self.machine else ""

    @property
    def most(self) -> str:
        """What the job costs if it takes all of its time; "" where it is free."""
        return total(self.estimate) if self.estimate is not None and self.machine and not self.machine.free else ""

    @property
    def per_hour(self) -> str:
        return cost_words(self.machine.price_per_hour, self.nodes) if self.machine else ""

    @property
    def count(self) -> str:
        return things_to_fix(len(self.problems), "launching")

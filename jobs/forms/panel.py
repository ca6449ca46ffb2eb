"""The live panel beside the form: what exactly would run, what it costs at most, and whether it would wait."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from apps_catalog.launch.snippets import Snippet, shell_line
from apps_catalog.launch.spec import PlanFile, PlanLimits, PlanMount, RunPlan
from jobs.forms.builder import Problem
from jobs.forms.machines import MachineRow
from jobs.services import Preview

ONE_LINE = 32
MOUNT_WORDS = {
    "vault": "the vault",
    "results": "results: what is left here is kept",
    "home": "home and working folder, gone afterwards",
    "tmp": "scratch, in memory",
}


@dataclass(frozen=True)
class Panel:
    """`plan` is None while there is something to fix; then `problems` says what."""

    plan: RunPlan | None
    problems: tuple[Problem, ...]
    machine: MachineRow | None
    estimate: Decimal | None
    snippets: tuple[Snippet, ...]

    @property
    def words(self) -> list[tuple[str, bool]]:
        """Each word as a shell would have to be given it, and whether it is short enough to stay on one line."""
        words = [shell_line([word]) for word in self.plan.argv] if self.plan else []
        return [(word, len(word) <= ONE_LINE and "\n" not in word) for word in words]

    @property
    def environment(self) -> list[tuple[str, str]]:
        return sorted(self.plan.env.items()) if self.plan else []

    @property
    def files(self) -> tuple[PlanFile, ...]:
        return self.plan.files if self.plan else ()

    @property
    def mounts(self) -> list[tuple[PlanMount, str]]:
        return [(mount, MOUNT_WORDS[mount.kind]) for mount in self.plan.mounts] if self.plan else []

    @property
    def limits(self) -> PlanLimits | None:
        return self.plan.limits if self.plan else None

    @property
    def count(self) -> str:
        return things_to_fix(len(self.problems))


def things_to_fix(count: int) -> str:
    """ "3 things to fix before launching"."""
    if not count:
        return ""
    return f"{count} thing{'' if count == 1 else 's'} to fix before launching"


def panel_of(
    preview: Preview, problems: tuple[Problem, ...], machine: MachineRow | None, snippets: tuple[Snippet, ...]
) -> Panel:
    return Panel(preview.plan, problems, machine, preview.estimate, snippets)

"""What the templates of jobs in stages draw: plain values, no rules."""

from __future__ import annotations

from dataclasses import dataclass

from apps_catalog.launch.json_schema.drawn import Drawn, explained_by
from apps_catalog.launch.snippets import Snippet
from jobs import plan_words
from jobs.forms.builder import Problem
from portal.errors import things_to_fix

TITLES = {"partitioner": "Partitioner", "app": "App", "assembler": "Assembler"}
LEADS = {
    "partitioner": "Cuts the source into chunks: one file, one task.",
    "app": "Runs once for each chunk.",
    "assembler": "Puts what all tasks wrote together.",
}
NOTHING = {
    "partitioner": "Each file of the source is a chunk; nothing runs here.",
    "assembler": "What the tasks wrote are the results; nothing runs here.",
}
CONFIG_LABELS = {
    "taskTimeout": "Time limit of a task",
    "jobTimeout": "Time limit of the job",
    "maxTaskRetries": "Retries of a task",
    "max_failed_tasks": "Tasks that may fail",
    "isTestJob": "Trial",
}
CONFIG_HELP = {
    "jobTimeout": "All of it together. Empty: no limit of its own.",
    "maxTaskRetries": "How often a task is tried again after its program failed.",
    "max_failed_tasks": "With more than these the job stops. Up to them it goes on, and the assembler is told what is missing.",
}
SETTINGS = {"/name": ("name", "Name"), "/description": ("description", "Description"), "/team": ("team", "Share with")}


@dataclass(frozen=True)
class Choice:
    value: str
    words: str
    chosen: bool = False


@dataclass(frozen=True)
class MachineChoice:
    """Which machine types a stage may have. `none`: why there is none; `note`: what it needs, and how many don't fit."""

    id: str
    name: str
    choices: tuple[Choice, ...]
    none: str
    note: str
    errors: tuple[str, ...]


@dataclass(frozen=True)
class SectionView:
    """One of the three: which bundle, and the form of its parameters (`whole`), or a JSON box, or nothing to fill in."""

    name: str
    title: str
    lead: str
    tag: str
    choices: tuple[Choice, ...]
    tag_errors: tuple[str, ...]
    drawn: str
    about: str
    whole: Drawn | None
    box: str | None
    box_errors: tuple[str, ...]
    nothing: str
    machine: MachineChoice | None


@dataclass(frozen=True)
class SettingView:
    key: str
    label: str
    help: str
    value: str
    limits: str
    errors: tuple[str, ...]

    @property
    def id(self) -> str:
        return f"config-{self.key}"

    @property
    def described_by(self) -> str:
        return explained_by(self.id, bool(self.help))


@dataclass(frozen=True)
class StagePlan:
    """One stage in the panel."""

    title: str
    bundle: str
    machine: str
    price: str
    words: list[plan_words.Word]
    environment: list[tuple[str, str]]
    image: str
    walltime_s: int
    network: str
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class FanPanel:
    problems: tuple[Problem, ...]
    plans: tuple[StagePlan, ...]
    snippets: tuple[Snippet, ...]
    per_task: str
    per_hour: str
    waits: str

    @property
    def count(self) -> str:
        return things_to_fix(len(self.problems), "launching")

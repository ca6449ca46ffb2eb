"""What is asked of a judge of author's schemas, and what it answers. Who judges, and where, is the caller's choice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from apps_catalog.launch.findings import Fault, Json
from apps_catalog.launch.json_schema.absent import ABSENT, State
from apps_catalog.launch.json_schema.documents import Schema
from apps_catalog.launch.json_schema.nodes import Condition
from apps_catalog.launch.json_schema.verdicts import Chosen, faults_of


@dataclass(frozen=True)
class Question:
    """Whether a value fits a part of the schema (the condition of a part of the form)."""

    condition: Condition
    value: Json


@dataclass(frozen=True)
class Verdict:
    """`faults` are empty where only questions were asked. `answers` are those of the questions, None: no answer in time.

    `overtime`: in words why there is no verdict; then nothing may be launched.
    """

    faults: tuple[Fault, ...] = ()
    answers: tuple[bool | None, ...] = ()
    overtime: str = ""


class Judge(Protocol):
    """Judges an instance by an author's schema, in bounded time. With ABSENT for an instance it answers questions only."""

    def __call__(
        self, schema: Schema, instance: State, *, chosen: Chosen | None = None, questions: Sequence[Question] = ()
    ) -> Verdict: ...


def judge_here(
    schema: Schema, instance: State, *, chosen: Chosen | None = None, questions: Sequence[Question] = ()
) -> Verdict:
    """The judgement itself, in this process and without a limit of time: for schemas that one trusts, and in the child."""
    answers = tuple(fits(schema, question) for question in questions)
    faults = () if instance is ABSENT else tuple(faults_of(schema, instance, chosen))
    return Verdict(faults, answers)


def fits(schema: Schema, question: Question) -> bool:
    validator = schema.validator.evolve(schema=question.condition.schema)
    return bool(validator.is_valid(question.value)) != question.condition.negated


@dataclass
class Oracle:
    """Answers conditions while a form is drawn or read: what it does not know yet is noted down, and asked all at once.

    Use: draw, `ask`, and draw again as long as `ask` says that there is something new.
    """

    schema: Schema
    known: dict[str, bool] = field(default_factory=dict)
    open: dict[str, Question] = field(default_factory=dict)

    def __call__(self, condition: Condition, value: Json) -> bool:
        key = json.dumps([condition.schema, value])
        if key not in self.known:
            self.open[key] = Question(Condition(condition.schema), value)
            return False
        return self.known[key] != condition.negated

    def take(self, verdict: Verdict, asked: dict[str, Question]) -> None:
        """Where no answer came in time the condition counts as met, so that nothing is hidden by mistake."""
        answers: list[Any] = [*verdict.answers, *[None] * (len(asked) - len(verdict.answers))]
        for key, answer in zip(asked, answers, strict=False):
            self.known[key] = True if answer is None else answer
        self.open = {key: one for key, one in self.open.items() if key not in asked}

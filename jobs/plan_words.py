"""What pages say about a run plan: its words, variables and files, with marks on what is settled only when the job starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apps_catalog.launch.environment import quoted
from apps_catalog.launch.jobfiles import JOBENV
from apps_catalog.launch.snippets import shell_line
from apps_catalog.launch.spec import PlanConnect, PlanFile, RunPlan
from apps_catalog.launch.substitutions import LATE, TOKEN

ONE_LINE = 32
MOUNT_WORDS = {
    "vault": "the vault",
    "results": "results: what is left here is kept",
    "home": "home and working folder, gone afterwards",
    "tmp": "scratch, in memory",
}


@dataclass(frozen=True)
class Piece:
    """A part of a text; `late`: a token of the author's, filled in when the job starts."""

    text: str
    late: bool = False


@dataclass(frozen=True)
class Word:
    """A word of the command line as a shell would have to be given it. `expanded`: a shell in the container expands it."""

    pieces: tuple[Piece, ...]
    expanded: bool
    short: bool


@dataclass(frozen=True)
class Line:
    """A line of jobenv.sh. `account`: its value is an operator's to set, and is not shown."""

    name: str
    pieces: tuple[Piece, ...]
    account: bool


@dataclass(frozen=True)
class FileWords:
    """A file that the program finds. `lines` are those of jobenv.sh; `note` says what is known of it, where that is all."""

    path: str
    text: str = ""
    note: str = ""
    lines: tuple[Line, ...] = ()


def plan_of(stored: Mapping[str, Any]) -> RunPlan | None:
    """The plan that a job's row holds, also one of an earlier release; None where it holds none."""
    try:
        return RunPlan.from_json(stored)
    except (KeyError, TypeError):
        return None


def pieces(text: str, plan: RunPlan, *, authored: bool) -> tuple[Piece, ...]:
    """A text in pieces. Only the author's own text has tokens; those that stay as they are, are text like any other."""
    if not authored:
        return (Piece(text),)
    late = (LATE | plan.tokens.keys()) - set(plan.withheld)
    found: list[Piece] = []
    end = 0
    for token in TOKEN.finditer(text):
        if token.group(1) in late:
            found += [Piece(text[end : token.start()]), Piece(token.group(), late=True)]
            end = token.end()
    return tuple(piece for piece in (*found, Piece(text[end:])) if piece.text)


def words(plan: RunPlan) -> list[Word]:
    authored, expanded = frozenset(plan.authored), frozenset(plan.expanded)
    found = []
    for index, word in enumerate(plan.argv):
        text = shell_line([word])
        short = len(text) <= ONE_LINE and "\n" not in text
        found.append(Word(pieces(text, plan, authored=index in authored), index in expanded, short))
    return found


def variables(plan: RunPlan) -> tuple[Line, ...]:
    return tuple(
        Line(one.name, () if one.account else pieces(quoted(one.value), plan, authored=one.authored), one.account)
        for one in plan.variables
    )


def files(plan: RunPlan) -> list[FileWords]:
    """The files in the plan's order; of those that are written when the job starts, what is known before."""
    return [_file(file, plan) for file in plan.files]


def _file(file: PlanFile, plan: RunPlan) -> FileWords:
    if file.upload or file.base64:
        return FileWords(file.path, note="the uploaded file")
    if not file.late:
        return FileWords(file.path, text=file.text)
    if file.path == JOBENV:
        return FileWords(file.path, note="written when the job starts", lines=variables(plan))
    # The plan has a remark in place of the text.
    remarks = (line.removeprefix("#").strip() for line in file.text.splitlines() if line.startswith("#"))
    return FileWords(file.path, note=" ".join(remarks))


@dataclass(frozen=True)
class Legend:
    """Which marks stand somewhere in a plan, so that only those are explained."""

    late: bool
    expanded: bool

    def __bool__(self) -> bool:
        return self.late or self.expanded


def legend(shown: Iterable[Word], lines: Iterable[Line]) -> Legend:
    shown = list(shown)
    texts = [*(word.pieces for word in shown), *(line.pieces for line in lines)]
    return Legend(any(piece.late for text in texts for piece in text), any(word.expanded for word in shown))


def connect_words(plan: RunPlan) -> str:
    """What comes once a job of this plan runs: what opens in the browser; "" where nothing does."""
    match plan.connect:
        case None:
            return ""
        case PlanConnect(kind="terminal"):
            return "A terminal opens in your browser when it runs"
        case PlanConnect(kind="desktop"):
            return "A desktop opens in your browser when ready"
    return "Opens in your browser when ready"


def published_words(plan: RunPlan) -> str:
    """ "22/tcp, 443/tcp": the ports that get a public address; "" where none does."""
    return ", ".join(plan.published)


def user_words(plan: RunPlan) -> str:
    """ "nimbix (505:505)", or root where an operator allowed that."""
    if plan.runs_as_root:
        return "root, as an operator allowed"
    return f"{plan.username} ({plan.uid}:{plan.gid})"

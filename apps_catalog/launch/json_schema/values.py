"""The form of one schema, from end to end: defaults, what was posted, what is drawn, and the verdict on it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeVar

from apps_catalog.launch.findings import Fault, Json
from apps_catalog.launch.json_schema.absent import ABSENT, State, instance_of
from apps_catalog.launch.json_schema.asking import Judge, Oracle
from apps_catalog.launch.json_schema.building import tree_of
from apps_catalog.launch.json_schema.defaults import Filling
from apps_catalog.launch.json_schema.documents import Schema
from apps_catalog.launch.json_schema.drawing import draw
from apps_catalog.launch.json_schema.drawn import Drawn
from apps_catalog.launch.json_schema.nodes import Child
from apps_catalog.launch.json_schema.reading import Reading, read
from apps_catalog.launch.json_schema.verdicts import Chosen

ROUNDS = 4
TREES_KEPT = 64
Result = TypeVar("Result")


@dataclass(frozen=True)
class Judged:
    """An instance (ABSENT where nothing at all is given) with all that is wrong with it. `overtime`: there is no verdict."""

    instance: State
    faults: tuple[Fault, ...]
    overtime: str = ""


@dataclass
class SchemaForm:
    """A schema with its tree and a judge. Conditions are the judge's to answer, and each is asked once.

    `root` is the address of the whole form: "" where it is alone on its page.
    """

    schema: Schema
    tree: Child
    judge: Judge
    root: str = ""
    oracle: Oracle = field(init=False)

    def __post_init__(self) -> None:
        self.oracle = Oracle(self.schema)

    def _settled(self, work: Callable[[], Result]) -> Result:
        """Does the work again until no condition is open: one may depend on what another has brought in."""
        result = work()
        for _ in range(ROUNDS):
            asked = dict(self.oracle.open)
            if not asked:
                break
            self.oracle.take(self.judge(self.schema, ABSENT, questions=list(asked.values())), asked)
            result = work()
        return result

    def defaults(self) -> State:
        """What an untouched form sends."""
        return self._settled(lambda: Filling(self.oracle).of(self.tree, opened=True))

    def read(self, pairs: Iterable[tuple[str, Sequence[str]]], act: str = "") -> Reading:
        posted = list(pairs)
        return self._settled(lambda: read(self.tree, posted, self.oracle, act, self.root))

    def draw(self, state: State, faults: Sequence[Fault] = ()) -> Drawn:
        """The form; pointers of faults count from the instance."""
        return self._settled(lambda: draw(self.tree, state, self.oracle, faults, self.root))

    def judged(self, state: State, *, found: Sequence[Fault] = (), chosen: Chosen | None = None) -> Judged:
        """The verdict on a state. `found` are faults of reading it; they come first, and stand for others at their place."""
        instance: Json = instance_of(state)
        if instance is ABSENT:
            return Judged(ABSENT, (*found, Fault("", "required", "must be filled in")))
        verdict = self.judge(self.schema, instance, chosen=chosen)
        if verdict.overtime:
            return Judged(instance, (*found, Fault("", "overtime", verdict.overtime)), verdict.overtime)
        known = {fault.pointer for fault in found}
        return Judged(instance, (*found, *(one for one in verdict.faults if one.pointer not in known)))


class _Trees:
    """Trees by the digest of their schema, the latest used kept: making one anew costs more than drawing it."""

    def __init__(self) -> None:
        self.kept: OrderedDict[str, tuple[Schema, Child]] = OrderedDict()
        self.lock = Lock()

    def get(self, schema: Schema) -> tuple[Schema, Child]:
        with self.lock:
            if schema.digest in self.kept:
                self.kept.move_to_end(schema.digest)
                return self.kept[schema.digest]
        found = (schema, tree_of(schema))
        with self.lock:
            self.kept[schema.digest] = found
            while len(self.kept) > TREES_KEPT:
                self.kept.popitem(last=False)
        return found


TREES = _Trees()


def form_of(schema: Schema, judge: Judge, root: str = "") -> SchemaForm:
    known, tree = TREES.get(schema)
    return SchemaForm(known, tree, judge, root)

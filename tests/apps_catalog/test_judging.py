"""S25: authors' schemas are judged in a child, within about a second, whatever they are; and nothing is left of it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps_catalog.judging import ChildJudge
from apps_catalog.launch.json_schema.asking import Question
from apps_catalog.launch.json_schema.bounds import check_schema
from apps_catalog.launch.json_schema.documents import Schema
from apps_catalog.launch.json_schema.nodes import Condition
from tests.watchdog import ends

SMALL = {"properties": {"a": {"type": "integer"}}}
CATASTROPHES: list[tuple[str, dict[str, Any], Any]] = [
    ("a pattern that backtracks", {"properties": {"a": {"pattern": "^(a|a)*$"}}}, {"a": "a" * 40 + "b"}),
    ("patterns of keys that backtrack", {"patternProperties": {"^(a|a)*$": {}}}, {"a" * 40 + "b": 1}),
    ("unique among 4,000 objects", {"properties": {"a": {"uniqueItems": True}}}, {"a": [{"i": n} for n in range(4000)]}),
]  # fmt: skip


def good(raw: dict[str, Any]) -> Schema:
    schema = check_schema(raw).schema
    assert schema is not None
    return schema


@pytest.fixture(scope="module")
def judge() -> Iterator[ChildJudge]:
    judge = ChildJudge()
    judge(good(SMALL), {})  # its start is not what is measured
    yield judge
    judge.close()


@pytest.mark.parametrize(("raw", "value"), [one[1:] for one in CATASTROPHES], ids=[one[0] for one in CATASTROPHES])
def test_a_catastrophe_ends_after_a_second_and_the_next_judgement_works(
    judge: ChildJudge, raw: dict[str, Any], value: Any
) -> None:
    with ends():
        verdict = judge(good(raw), value)
    assert "This schema took longer than 1 s" in verdict.overtime
    assert [fault.pointer for fault in judge(good(SMALL), {"a": "x"}).faults] == ["/a"]


def test_the_same_question_again_is_answered_at_once(judge: ChildJudge) -> None:
    bad, value = good({"properties": {"b": {"pattern": "^(a|a)*$"}}}), {"b": "a" * 40 + "b"}
    first = judge(bad, value)
    child = judge.child
    assert judge(bad, value) == first
    assert judge.child is child  # who asked it again would have been killed


def test_questions_are_answered_with_the_verdict(judge: ChildJudge) -> None:
    yes = Question(Condition({"required": ["a"]}), {"a": 1})
    no = Question(Condition({"required": ["a"]}, negated=True), {"a": 1})
    verdict = judge(good(SMALL), {"a": 1}, questions=[yes, no])
    assert (verdict.answers, verdict.faults, verdict.overtime) == ((True, False), (), "")


def test_a_child_that_was_killed_is_replaced(judge: ChildJudge) -> None:
    assert judge.child is not None
    os.kill(judge.child.pid, signal.SIGKILL)
    assert judge(good(SMALL), {"a": 1}).overtime == ""


def test_threads_take_turns(judge: ChildJudge) -> None:
    found: list[bool] = []
    schema = good(SMALL)

    def work() -> None:
        found.extend(not judge(schema, {"a": n}).faults for n in range(40))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 320


def test_no_child_is_left_and_no_pipe() -> None:
    judge = ChildJudge(limit_s=0.2)
    bad = good({"properties": {"a": {"pattern": "^(a|a)*$"}}})
    before = open_files()
    pids = set()
    for number in range(3):
        judge(bad, {"a": "a" * (40 + number) + "b"})
        assert judge.child is not None
        pids.add(judge.child.pid)
    judge.close()
    assert len(pids) == 3
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert open_files() == before


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_the_child_leaves_when_its_parent_is_gone(judge: ChildJudge) -> None:
    """Also in the middle of a judgement that would never end: the kernel's alarm ends it."""
    lonely = ChildJudge()
    lonely(good(SMALL), {})
    child = lonely.child
    assert child is not None
    child.close_pipes()
    lonely.child = None
    waited, _ = os.waitpid(child.pid, 0)
    assert waited == child.pid


def test_a_forked_process_gets_a_child_of_its_own(judge: ChildJudge) -> None:
    judge(good(SMALL), {})
    assert judge.child is not None
    mine = judge.child.pid
    source, sink = os.pipe()
    pid = os.fork()
    if pid == 0:
        verdict = judge(good(SMALL), {"a": "x"})
        other = getattr(judge.child, "pid", mine) != mine
        judge.close()
        os.write(sink, b"1" if other and verdict.faults else b"0")
        os._exit(0)
    os.close(sink)
    assert os.read(source, 1) == b"1"
    os.close(source)
    os.waitpid(pid, 0)
    assert judge.child.pid == mine
    assert judge(good(SMALL), {"a": 1}).faults == ()


def test_the_child_knows_no_secret(judge: ChildJudge) -> None:
    assert judge.child is not None
    environment = Path(f"/proc/{judge.child.pid}/environ").read_bytes()
    assert b"SECRET" not in environment
    assert b"DATABASE" not in environment

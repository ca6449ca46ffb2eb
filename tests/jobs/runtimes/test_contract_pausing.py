"""What every runtime must do with a container that is to stand still for a while."""

from __future__ import annotations

import threading
import time
import uuid

import pytest

from jobs.runtimes.base import Exited, Handle, Missing, Running, RuntimeFault
from jobs.runtimes.fake import FakeProgram, FakeRuntime
from tests.jobs.runtimes.bench import Bench, text

COUNTS = "i=0; while [ $i -lt 10 ]; do echo $i; i=$((i+1)); sleep 0.1; done; exit 3"
ALL = b"".join(b"%d\n" % number for number in range(10))


def counting(bench: Bench) -> Handle:
    lines = tuple(ALL.splitlines(keepends=True))
    return bench.runtime.start(
        bench.spec("sh", "-c", COUNTS, does=FakeProgram(lines=lines, duration_s=1.1, exit_code=3))
    )


def test_a_paused_container_stands_still_and_goes_on_where_it_was(bench: Bench) -> None:
    handle = counting(bench)
    following = bench.runtime.follow(handle)
    seen = [next(following), next(following)]
    bench.runtime.pause(handle)
    bench.runtime.pause(handle)
    begun = time.monotonic()
    ends: list[Exited | Missing] = []
    waiting = threading.Thread(target=lambda: ends.append(bench.runtime.wait(handle)))
    waiting.start()
    waiting.join(2)
    assert waiting.is_alive()
    assert isinstance(bench.runtime.observe(handle), Running)
    bench.runtime.resume(handle)
    bench.runtime.resume(handle)
    waiting.join(20)
    assert ends == [Exited(3)]
    assert time.monotonic() - begun > 2
    assert text([*seen, *following]) == ALL


def test_a_paused_container_hears_that_it_is_to_end(bench: Bench) -> None:
    handle = bench.runtime.start(bench.spec("sleep", "60", does=FakeProgram(duration_s=60)))
    bench.runtime.pause(handle)
    begun = time.monotonic()
    bench.runtime.stop(handle, 20)
    assert time.monotonic() - begun < 10
    assert bench.runtime.wait(handle) == Exited(143)


def test_a_paused_container_can_be_removed(bench: Bench) -> None:
    handle = bench.runtime.start(bench.spec("sleep", "60", does=FakeProgram(duration_s=60)))
    bench.runtime.pause(handle)
    bench.runtime.remove(handle)
    assert bench.runtime.observe(handle) == Missing()


def test_what_does_not_run_can_be_paused_and_resumed_without_harm(bench: Bench) -> None:
    ended = bench.runtime.start(bench.spec("true"))
    bench.runtime.wait(ended)
    created = bench.runtime.create(bench.spec("true"))
    for handle in (ended, created, Handle(name=f"contract-{uuid.uuid4().hex}")):
        before = bench.runtime.observe(handle)
        bench.runtime.pause(handle)
        bench.runtime.resume(handle)
        assert bench.runtime.observe(handle) == before


def test_an_engine_that_is_away_can_pause_nothing() -> None:
    runtime = FakeRuntime()
    runtime.away()
    for act in (runtime.pause, runtime.resume):
        with pytest.raises(RuntimeFault) as caught:
            act(Handle(name="any"))
        assert caught.value.code == "engine_away"

"""Kept containers: each task is a fresh process, nothing of one is left for the next, and whoever comes later adopts it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs.runtimes.base import ContainerSpec, Exited, Handle, Missing, Pending, Running
from jobs.runtimes.keeping import KeepingRuntime
from jobs.runtimes.posts import records
from tests.jobs.runtimes.bench import LABEL, Bench, kept_in, text

pytestmark = pytest.mark.docker
Make = Callable[..., ContainerSpec]


@pytest.fixture
def make(tmp_path: Path, bench: Bench) -> Make:
    """Specs of Python programs that share one kept container."""
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents[:2]:
        folder.chmod(0o755)
    name = f"kept-{bench.mark}"

    def spec(code: str, **over: Any) -> ContainerSpec:
        return kept_in(tmp_path, bench.python(code, **over), name)

    return spec


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(KeepingRuntime())
    yield made
    for handle in made.runtime.owned(LABEL, made.mark):
        made.runtime.remove(handle)


def until(true: Callable[[], bool]) -> None:
    for _ in range(1500):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it did not come about within 30 s")


LEAVES = """
import os, signal, subprocess, sys, time
os.makedirs('/tmp/deep/er'); open('/tmp/deep/er/secret', 'w').write('x'); os.chmod('/tmp/deep/er', 0); os.chmod('/tmp/deep', 0)
open('/dev/shm/secret', 'w').write('x')
subprocess.Popen(['sleep', '600'], start_new_session=True)
subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)'])
print('left', os.environ['MINE'])
"""
LOOKS = """
import os
mine = {int(n) for n in os.listdir('/proc') if n.isdigit()}
names = [open(f'/proc/{n}/comm').read().strip() for n in mine]
print(sorted(os.listdir('/tmp')), os.listdir('/dev/shm'), len(mine), os.environ.get('MINE'), os.umask(0))
print(sorted(os.listdir('/proc/self/fd'))[:3], len(os.listdir('/proc/self/fd')))
"""


def test_nothing_of_a_task_is_left_for_the_next(bench: Bench, make: Make) -> None:
    end, lines = bench.run(make(LEAVES, env={"MINE": "1"}))
    assert (end, text(lines)) == (Exited(0), b"left 1\n")
    end, lines = bench.run(make(LOOKS))
    assert end == Exited(0)
    # Its first process, the keeper and the task itself; 0, 1, 2 and the listing.
    assert text(lines) == b"[] [] 3 None 18\n['0', '1', '2'] 4\n"
    assert len(bench.runtime.owned(LABEL, bench.mark)) == 1


def test_asking_twice_runs_once_and_another_process_adopts_it(bench: Bench, make: Make) -> None:
    spec = make("import time; print('once'); time.sleep(1.5); raise SystemExit(7)")
    first = bench.runtime.start(spec)
    other = KeepingRuntime()
    second = other.start(spec)
    assert (first.adopted, second.adopted, second.kept) == (False, True, first.kept)
    later = Handle(spec.name, kept=first.kept)  # what a process knows that comes after a crash
    until(lambda: isinstance(other.observe(later), Running))
    assert other.wait(later) == bench.runtime.wait(first) == Exited(7)
    assert text(list(other.follow(later))) == b"once\n"
    end = other.wait(later)
    assert isinstance(end, Exited)
    assert end.used is not None
    assert end.used.memory_peak_bytes > 2**20
    other.remove(later)
    assert (other.observe(later), other.wait(later)) == (Missing(), Missing())
    other.close()


def test_following_goes_on_from_any_stamp(bench: Bench, make: Make) -> None:
    spec = make("import time\nfor i in range(30): print('line', i); time.sleep(0.01)")
    handle = bench.runtime.start(spec)
    assert bench.runtime.wait(handle) == Exited(0)
    whole = list(bench.runtime.follow(handle))
    assert text(whole) == b"".join(b"line %d\n" % number for number in range(30))
    for position in (0, 7, 29):
        assert list(bench.runtime.follow(handle, whole[position].stamp)) == whole[position:]


def test_a_task_that_is_asked_for_while_another_runs_waits(bench: Bench, make: Make) -> None:
    first = bench.runtime.start(make("import time; time.sleep(30)"))
    second = bench.runtime.start(make("print('mine')"))
    until(lambda: isinstance(bench.runtime.observe(first), Running))
    assert bench.runtime.observe(second) == Pending()
    bench.runtime.stop(first, 5)
    assert bench.runtime.wait(first) == Exited(143)
    assert bench.runtime.wait(second) == Exited(0)


def test_a_task_that_hoards_memory_ends_alone_and_the_next_runs_in_the_same_container(bench: Bench, make: Make) -> None:
    assert bench.run(make("x = bytearray(10**9)"))[0] == Exited(137, oom=True)
    before = bench.runtime.owned(LABEL, bench.mark)
    assert bench.run(make("print(1)"))[0] == Exited(0)
    assert bench.runtime.owned(LABEL, bench.mark) == before


def test_where_the_container_goes_its_task_has_ended_and_never_runs_again(bench: Bench, make: Make) -> None:
    spec = make("import time; print('up'); time.sleep(600)")
    handle = bench.runtime.start(spec)
    assert next(bench.runtime.follow(handle)).data == b"up\n"
    ends: list[object] = []
    waiting = threading.Thread(target=lambda: ends.append(bench.runtime.wait(handle)))
    waiting.start()
    assert handle.kept is not None
    bench.runtime.stop(Handle(handle.kept.name), 0)
    waiting.join(30)
    assert isinstance(ends[0], Exited)
    assert ends[0].code in (137, 143)
    assert bench.runtime.start(spec).adopted  # asked for once is asked for
    assert bench.runtime.wait(handle) == ends[0]
    assert bench.run(make("print('next')"))[0] == Exited(0)
    assert text(list(bench.runtime.follow(handle))) in (b"", b"up\n")


def test_a_container_that_would_be_made_otherwise_gives_way(bench: Bench, make: Make) -> None:
    assert bench.run(make("print(1)"))[0] == Exited(0)
    (before,) = bench.runtime.owned(LABEL, bench.mark)
    spec = make("print(2)")
    assert spec.kept is not None
    other = replace(spec, kept=replace(spec.kept, labels={**spec.kept.labels, "slipway.kept": "other"}))
    assert bench.run(other)[0] == Exited(0)
    (after,) = bench.runtime.owned(LABEL, bench.mark)
    assert before.id != after.id


def test_what_a_program_puts_into_the_post_is_not_believed(bench: Bench, make: Make, tmp_path: Path) -> None:
    target = tmp_path / "not-yours"
    target.write_text("secret")
    target.chmod(0o644)
    code = f"""
import json, os
here = next(entry.path for entry in os.scandir('/opt/slipway/post') if entry.is_dir() and not entry.name.startswith('.'))
os.unlink(here + '/log'); os.symlink({str(target)!r}, here + '/log')
os.mkfifo(here + '/usage.json')
print('unseen')
"""
    handle = bench.runtime.start(make(code))
    assert bench.runtime.wait(handle) == Exited(0)
    assert list(bench.runtime.follow(handle)) == []
    assert list(bench.runtime.usage(handle)) == []
    bench.runtime.remove(handle)
    assert handle.kept is not None
    assert records(Path(handle.kept.post)) == []


def test_the_bell_is_never_followed_elsewhere(bench: Bench, make: Make) -> None:
    code = (
        "import os; os.unlink('/opt/slipway/post/bell'); os.symlink('/var/run/docker.sock', '/opt/slipway/post/bell')"
    )
    handle = bench.runtime.start(make(code))
    assert handle.kept is not None
    bell = Path(handle.kept.post) / "bell"
    until(bell.is_symlink)
    bench.runtime.remove(Handle(handle.kept.name))
    assert bench.runtime.wait(handle) in (Exited(0), Missing())


def test_a_task_may_be_paused(bench: Bench, make: Make) -> None:
    handle = bench.runtime.start(make("import time\nfor i in range(40): print(i); time.sleep(0.05)"))
    assert next(bench.runtime.follow(handle)).data == b"0\n"
    bench.runtime.pause(handle)
    time.sleep(1)
    assert isinstance(bench.runtime.observe(handle), Running)
    bench.runtime.resume(handle)
    assert bench.runtime.wait(handle) == Exited(0)

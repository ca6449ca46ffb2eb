"""What the fake can do beyond the contract, so that tests of jobs can bring about what engines do on bad days."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

import pytest

from jobs.runtimes.base import ContainerSpec, Exited, Missing, Running, RuntimeFault
from jobs.runtimes.fake import FakeProgram, FakeRuntime


def make_spec(*argv: str, **over: Any) -> ContainerSpec:
    values: dict[str, Any] = {
        "name": uuid.uuid4().hex,
        "image": "python",
        "argv": argv,
        "env": {},
        "uid": 505,
        "gid": 505,
    }
    return ContainerSpec(**values | {"workdir": "/"} | over)


@pytest.mark.parametrize(
    ("argv", "code", "output"),
    [
        (("true",), 0, b""),
        (("/bin/false",), 1, b""),
        (("echo", "a", "b"), 0, b"a b\n"),
        (("sleep", "0.1"), 0, b""),
        (("any", "program"), 0, b"any program\n"),
    ],
)
def test_a_few_words_are_understood_without_a_script(argv: tuple[str, ...], code: int, output: bytes) -> None:
    runtime = FakeRuntime()
    handle = runtime.start(make_spec(*argv))
    assert runtime.wait(handle) == Exited(code)
    assert b"".join(line.data for line in runtime.follow(handle)) == output


def test_gpus_are_those_of_the_host() -> None:
    runtime = FakeRuntime(gpus=2)
    assert runtime.wait(runtime.start(make_spec("true", gpu_indexes=(0, 1)))) == Exited(0)
    with pytest.raises(RuntimeFault, match="2 GPUs"):
        runtime.start(make_spec("true", gpu_indexes=(2,)))


def test_a_start_can_be_made_to_fail_and_leaves_nothing() -> None:
    fault = RuntimeFault("The engine's disk is full.", code="disk_full", retry=True)
    runtime = FakeRuntime(lambda spec: FakeProgram(start_fault=fault))
    with pytest.raises(RuntimeFault, match="disk is full"):
        runtime.start(make_spec("true", labels={"mine": "1"}))
    assert runtime.owned("mine", "1") == []
    assert runtime.started == []


def test_who_waits_hears_that_the_engine_goes_and_the_container_goes_on() -> None:
    runtime = FakeRuntime()
    handle = runtime.start(make_spec("sleep", "60"))
    heard: list[str] = []

    def wait() -> None:
        with pytest.raises(RuntimeFault) as caught:
            runtime.wait(handle)
        heard.append(caught.value.code)

    def follow() -> None:
        with pytest.raises(RuntimeFault) as caught:
            list(runtime.follow(handle))
        heard.append(caught.value.code)

    threads = [threading.Thread(target=wait), threading.Thread(target=follow)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    runtime.away()
    for thread in threads:
        thread.join(5)
    assert heard == ["engine_away"] * 2
    runtime.back()
    assert isinstance(runtime.observe(handle), Running)


def test_an_engines_restart_kills_without_a_word() -> None:
    runtime = FakeRuntime()
    handle = runtime.start(make_spec("sleep", "60"))
    runtime.kill(handle.name)
    assert runtime.wait(handle) == Exited(137)


def test_many_threads_start_each_name_once() -> None:
    runtime = FakeRuntime()
    specs = [make_spec("true") for _ in range(50)]
    threads = [threading.Thread(target=lambda: [runtime.start(spec) for spec in specs]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [spec.name for spec in runtime.started] == list(dict.fromkeys(spec.name for spec in runtime.started))
    assert len(runtime.started) == 50


def test_a_name_can_be_used_again_after_its_removal_and_an_old_handle_finds_nothing() -> None:
    runtime = FakeRuntime()
    spec = make_spec("true")
    old = runtime.start(spec)
    runtime.remove(old)
    new = runtime.start(spec)
    assert new.id != old.id
    assert runtime.wait(old) == Missing()

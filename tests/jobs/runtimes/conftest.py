"""The bench of the contract: the fake always, Docker Engine where one answers."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from jobs.runtimes.docker import DockerRuntime
from jobs.runtimes.fake import FakeRuntime
from jobs.runtimes.keeping import KeepingRuntime
from tests.jobs.runtimes.bench import LABEL, Bench, KeptBench

# What they say is of containers, not of tasks in one.
NOT_KEPT = {
    "test_starting_twice_starts_once",
    "test_a_container_that_was_only_created_is_adopted_and_started",
    "test_a_name_that_another_container_has_is_refused",
    "test_waiting_for_a_container_that_was_never_started_says_so",
    "test_states_follow_one_another",
    "test_a_handle_from_the_name_alone_will_do",
    "test_owned_finds_every_state_of_ours_and_nothing_else",
    "test_following_goes_on_from_any_stamp_without_gap_or_loss",
    "test_a_missing_image_is_named",
    "test_an_engine_that_is_away_is_said_to_be_away",
}


@pytest.fixture(params=["fake", *(pytest.param(name, marks=pytest.mark.docker) for name in ("docker", "kept"))])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made: Bench
    if request.param == "fake":
        files = {"/etc/passwd": b"root:x:0:0:root:/root:/bin/bash\n", "/etc/os-release": b"ID=debian\n"}
        made = Bench(
            FakeRuntime(lambda spec: made.does[spec.name](spec), missing={"absent:1"}, sample_every_s=0.1, files=files)
        )
        yield made
        return
    if request.param == "kept" and (
        request.function.__name__ in NOT_KEPT or request.module.__name__.rpartition(".")[2] != "test_contract"
    ):
        pytest.skip("a task in a kept container is no container: see test_keeping")
    runtime = KeepingRuntime() if request.param == "kept" else DockerRuntime()
    made = KeptBench(runtime) if request.param == "kept" else Bench(runtime)
    yield made
    for handle in runtime.owned(LABEL, made.mark):
        runtime.remove(handle)
    for name in runtime.owned_networks(LABEL, made.mark):
        runtime.remove_network(name)
    for image in made.images:
        runtime._call.remove_image(image)
    runtime.close()
    if isinstance(made, KeptBench):
        shutil.rmtree(made.root)

"""The bench of the contract: the fake always, Docker Engine where one answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobs.runtimes.docker import DockerRuntime
from jobs.runtimes.fake import FakeRuntime
from tests.jobs.runtimes.bench import LABEL, Bench


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made: Bench
    if request.param == "fake":
        files = {"/etc/passwd": b"root:x:0:0:root:/root:/bin/bash\n", "/etc/os-release": b"ID=debian\n"}
        made = Bench(
            FakeRuntime(lambda spec: made.does[spec.name](spec), missing={"absent:1"}, sample_every_s=0.1, files=files)
        )
        yield made
        return
    runtime = DockerRuntime()
    made = Bench(runtime)
    yield made
    for handle in runtime.owned(LABEL, made.mark):
        runtime.remove(handle)
    for name in runtime.owned_networks(LABEL, made.mark):
        runtime.remove_network(name)
    for image in made.images:
        runtime._call.remove_image(image)
    runtime.close()

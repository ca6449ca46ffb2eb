"""Jobs of several nodes under a worker that is killed: adopted whole, run once, and nothing is left."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from apps_catalog.models import Version
from jobs.states import JobState
from tests.factories import make_version
from tests.faults.site import SCRIPTED, Site, eventually

pytestmark = [pytest.mark.faults, pytest.mark.docker]
SCRIPT = Path(__file__).resolve().parents[1] / "images" / "ssh.sh"
# Twenty rounds over both nodes, a tenth of a second each at least.
ROUNDS = "i=0; while [ $i -lt 20 ]; do echo $i $(ssh node2 hostname); i=$((i+1)); sleep 0.1; done"
SAID = b"".join(b"%d node2\n" % number for number in range(20))


@pytest.fixture(scope="module")
def with_ssh(installation: Site, tmp_path_factory: pytest.TempPathFactory) -> Version:
    made = subprocess.run([SCRIPT, tmp_path_factory.mktemp("image")], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    pinned = installation.runtime.image("slipway-test-ssh:bookworm", pull=False).pinned
    installation.machine("p1", nodes_max=2)
    return make_version(definition=SCRIPTED, image_pinned=pinned)


def test_a_killed_worker_loses_no_node(site: Site, with_ssh: Version) -> None:
    worker = site.worker("pi", "--serve", "p1=1")
    job = site.submit(ROUNDS, "p1", version=with_ssh, nodes=2)
    site.running(job)
    before = {handle.name: handle.id for handle in site.containers()}
    assert len(before) == 2
    for _ in range(2):
        time.sleep(0.7)
        worker.kill()
        worker = site.worker("pi", "--serve", "p1=1")
    assert {handle.name: handle.id for handle in site.containers()} == before
    job = site.ended(job, 60)
    assert (job.state, len(site.attempts(job)), site.log_of(job)) == (JobState.SUCCEEDED, 1, SAID)
    worker.dismiss()


def test_a_worker_killed_between_the_steps_of_a_start_goes_on_with_it(site: Site, with_ssh: Version) -> None:
    """Killed when the network is there, when the slave is, and (by then mostly) while the job runs."""
    worker = site.worker("rho", "--serve", "p1=1")
    steps: list[Callable[[], object]] = [site.networks, site.containers, lambda: len(site.containers()) == 2]
    job = site.submit("ssh node2 hostname", "p1", version=with_ssh, nodes=2)
    for there in steps:
        eventually(there, 20, "The next step")
        worker.kill()
        worker = site.worker("rho", "--serve", "p1=1")
    job = site.ended(job, 60)
    assert (job.state, len(site.attempts(job)), site.log_of(job)) == (JobState.SUCCEEDED, 1, b"node2\n")
    worker.dismiss()

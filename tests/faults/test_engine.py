"""An engine that stops, is killed, or comes back: jobs wait, go on, or are tried again; and orphans are swept."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs import keep, placement, vaults
from jobs.folders import HOST_LABEL, INSTALLATION_LABEL
from jobs.models import Attempt, Host
from jobs.runtimes.base import ContainerSpec, Tmpfs
from jobs.runtimes.docker import DockerRuntime
from jobs.states import JobState
from tests.factories import make_vault, make_version
from tests.faults import engine as engines
from tests.faults.engine import Engine
from tests.faults.site import IMAGE, SCRIPTED, Process, Site, eventually

pytestmark = [pytest.mark.faults, pytest.mark.docker]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    if reason := engines.missing():
        if os.environ.get("CI") and os.geteuid() == 0:
            pytest.fail(f"CI must run this test, and {reason}.")
        pytest.skip(reason)
    made = Engine(tmp_path_factory.mktemp("engine"))
    try:
        made.start()
        made.load(IMAGE)
        yield made
    finally:
        made.leave()


@pytest.fixture(scope="module")
def distant(installation: Site, engine: Engine) -> Process:
    """A worker whose engine is the test's own: host `far` with two slots of e1."""
    installation.machine("e1")
    return installation.worker("far", "--serve", "e1=2", DOCKER_HOST=engine.url)


def fault_of(host: str) -> str:
    return Host.objects.get(name=host).engine_fault


def test_an_engine_that_stops_is_waited_for_and_what_it_took_is_tried_again(
    site: Site, engine: Engine, distant: Process
) -> None:
    version = make_version(definition=SCRIPTED, image_pinned=DockerRuntime(engine.url).image(IMAGE, pull=False).pinned)
    vault = make_vault(site.owner)
    vaults.root_of(vault)
    safe = site.submit("echo try; sleep 4; echo end", "e1", version=version)
    unsafe = site.submit("echo once; sleep 4; echo end", "e1", version=version, vault=vault.name)
    site.running(safe)
    site.running(unsafe)
    engine.stop()
    eventually(lambda: fault_of("far"), 15, "The host shows the fault")
    assert "does not answer" in fault_of("far")
    later = site.submit("echo later", "e1", version=version)
    time.sleep(1)
    later.refresh_from_db()
    assert later.state == JobState.QUEUED
    assert "does not answer" in placement.why_waiting(later)
    states = placement.machine_states()
    assert [(s.state, "does not answer" in s.reason) for s in states if s.machine.name == "e1"] == [("none", True)]

    engine.start()
    safe, unsafe, later = site.ended(safe, 40), site.ended(unsafe, 40), site.ended(later, 40)
    assert fault_of("far") == ""
    assert (safe.state, [a.failure_class for a in site.attempts(safe)]) == (JobState.SUCCEEDED, ["infra", ""])
    assert site.log_of(safe) == b"try\nend\n"
    assert (unsafe.state, unsafe.failure_class, len(site.attempts(unsafe))) == (JobState.FAILED, "infra", 1)
    assert "engine was restarted" in unsafe.reason
    assert (later.state, len(site.attempts(later))) == (JobState.SUCCEEDED, 1)


def test_with_live_restore_a_killed_engine_harms_no_job(site: Site, engine: Engine, distant: Process) -> None:
    engine.stop()
    engine.start("--live-restore")
    version = site.version
    job = site.submit("i=0; while [ $i -lt 80 ]; do echo line $i; i=$((i+1)); sleep 0.1; done; exit 6", "e1")
    assert job.version_id == version.pk
    attempt = site.running(job)
    time.sleep(1)
    engine.kill()
    time.sleep(2)
    engine.start("--live-restore")
    job = site.ended(job, 40)
    assert (job.state, job.exit_code, [a.pk for a in site.attempts(job)]) == (JobState.FAILED, 6, [attempt.pk])
    assert site.log_of(job) == b"".join(b"line %d\n" % number for number in range(80))


def test_only_our_own_orphans_past_the_grace_are_removed(site: Site, worker: Process) -> None:
    """Ended long ago, ended just now, never known, another host's, another installation's, and not labelled at all."""
    ours = {INSTALLATION_LABEL: site.installation, HOST_LABEL: "calm"}
    jobs = {name: site.ended(site.submit("true")) for name in ("old", "fresh")}
    names = {name: site.attempts(job)[0].name for name, job in jobs.items()}
    Attempt.objects.filter(name=names["old"]).update(ended_at=timezone.now() - timedelta(hours=1))
    labels = {
        names["old"]: ours,
        names["fresh"]: ours,
        "slipway-orphan-unknown": ours,
        "slipway-orphan-host": ours | {HOST_LABEL: "elsewhere"},
        "slipway-orphan-foreign": ours | {INSTALLATION_LABEL: "another"},
        "slipway-orphan-unlabelled": {"slipway.test": "orphans"},
    }
    eventually(lambda: not site.containers(), 10)
    made = []
    try:
        for name, carried in labels.items():
            spec = ContainerSpec(
                name, IMAGE, ("sleep", "60"), {}, 505, 505, "/tmp", tmpfs=(Tmpfs("/tmp", 16),), labels=carried
            )
            made.append(site.runtime.start(spec))
        for name in (names["old"], names["fresh"]):
            (site.root / "work" / "calm" / name / "home").mkdir(parents=True)
        assert keep.sweep(Host.objects.get(name="calm"), site.runtime) == 2
        left = {h.name for h in made if site.runtime.observe(h).__class__.__name__ == "Running"}
        assert left == set(labels) - {names["old"], "slipway-orphan-unknown"}
        folders = {p.name for p in (site.root / "work" / "calm").iterdir() if p.is_dir()}
        assert names["old"] not in folders
        assert names["fresh"] in folders
    finally:
        for handle in made:
            site.runtime.remove(handle)
        for name in (names["old"], names["fresh"]):
            for folder in (site.root / "work" / "calm" / name / "home", site.root / "work" / "calm" / name):
                if folder.exists():
                    folder.rmdir()

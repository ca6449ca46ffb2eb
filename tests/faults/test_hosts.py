"""Several hosts: each serves only its own, none blocks another, one process each, and what waits says why."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from jobs import placement
from jobs.models import Host, Job
from jobs.states import JobState
from tests.faults.site import Process, Site

pytestmark = [pytest.mark.faults, pytest.mark.docker]


def waits(job: Job, *words: str) -> None:
    job.refresh_from_db()
    assert job.state == JobState.QUEUED
    said = placement.why_waiting(job)
    assert all(word in said for word in words), said


def ended_early(process: Process) -> tuple[int, str]:
    code = process.child.wait(60)
    return code, process.said()


def test_two_hosts_serve_only_their_own_and_no_type_blocks_another(site: Site) -> None:
    site.machine("cpu")
    site.machine("fast")
    site.machine("tagged", requires=["disk=nvme"])
    site.machine("nobody", requires=["gpu=a100"])
    left = site.worker("left", "--serve", "cpu=1", "--serve", "fast=1")
    lost = site.submit("true", "nobody")
    untagged = site.submit("true", "tagged")
    waits(lost, "gpu=a100")
    waits(untagged, "disk=nvme")

    # All of one type's slots are taken: the other type goes on, and the third job of the full one says what it waits for.
    long = site.submit("sleep 4", "cpu")
    site.running(long)
    queued = site.submit("true", "cpu")
    begun = time.monotonic()
    quick = [site.submit("true", "fast") for _ in range(3)]
    assert {site.ended(job).state for job in quick} == {JobState.SUCCEEDED}
    assert time.monotonic() - begun < 4
    waits(queued, "the slot of cpu is busy", "next in line")

    # The host that was missing comes: what waited for it starts, there and nowhere else.
    right = site.worker("right", "--serve", "tagged=1", "--tag", "disk=nvme")
    assert site.ended(untagged, 10).state == JobState.SUCCEEDED
    assert [a.host.name for a in site.attempts(untagged)] == ["right"]
    assert {a.host.name for job in quick for a in site.attempts(job)} == {"left"}
    waits(lost, "gpu=a100")
    third = site.worker("third", "--serve", "nobody=1", "--tag", "gpu=a100")
    assert site.ended(lost, 10).state == JobState.SUCCEEDED
    assert {job.state for job in map(site.ended, (long, queued))} == {JobState.SUCCEEDED}
    for process in (left, right, third):
        process.dismiss()


def test_a_second_process_of_a_host_is_refused_and_take_over_waits(site: Site) -> None:
    site.machine("m1")
    first = site.worker("twin", "--serve", "m1=1")
    job = site.submit("sleep 3; echo end", "m1")
    attempt = site.running(job)
    code, said = ended_early(site.worker("twin", "--serve", "m1=1", ready=False))
    assert code == 3
    assert "A worker serves host twin already" in said
    second = site.worker("twin", "--serve", "m1=1", "--take-over", ready=False)
    time.sleep(1.5)
    assert second.alive
    assert "Serving." not in second.said()
    assert first.terminate() == 0
    second.ready("Serving.")
    job = site.ended(job)
    assert (job.state, [a.pk for a in site.attempts(job)]) == (JobState.SUCCEEDED, [attempt.pk])
    second.dismiss()


def test_a_process_whose_host_was_taken_over_lets_go(site: Site, tmp_path: Path) -> None:
    """With another work folder the lock does not help: the incarnation in the host's row does."""
    site.machine("m2")
    first = site.worker("moved", "--serve", "m2=1")
    second = site.worker("moved", "--serve", "m2=1", WORK_ROOT=str(tmp_path / "work"))
    assert first.child.wait(15) == 3
    assert "Another process serves host moved now" in first.said()
    assert site.ended(site.submit("true", "m2")).state == JobState.SUCCEEDED
    second.dismiss()


REFUSALS = {
    "unknown type": (["--serve", "imaginary=1"], "There is no machine type imaginary. Known: "),
    "lacks a tag": (["--serve", "needy=1"], "needy requires gpu=h100, which this host lacks. Add --tag gpu=h100"),
    "no slots": (["--serve", "n1=0"], "at least one slot"),
    "not a number": (["--serve", "n1=two"], "TYPE=SLOTS"),
    "twice": (["--serve", "n1=1", "--serve", "n1=2"], "--serve names n1 twice"),
    "bad tag": (["--serve", "n1=1", "--tag", "gpu"], "Write a tag as key=value"),
    "bad name": (["--host", "Not A Name", "--serve", "n1=1"], "Use small letters"),
}


def test_a_worker_refuses_what_it_can_not_serve(site: Site, worker: Process) -> None:
    site.machine("needy", requires=["gpu=h100"])
    begun = {
        name: site.worker(f"refused{number}", *options, ready=False)
        for number, (name, (options, _)) in enumerate(REFUSALS.items())
    }
    for name, (_, words) in REFUSALS.items():
        code, said = ended_early(begun[name])
        assert (code, words in said) == (1, True), f"{name}: {code} {said}"
    assert not Host.objects.filter(name__startswith="refused").exists()


def test_a_store_of_another_installation_is_refused(site: Site, worker: Process, tmp_path: Path) -> None:
    theirs, strange = tmp_path / "theirs", tmp_path / "strange"
    for folder in (theirs, strange):
        folder.mkdir()
    (theirs / ".slipway-installation").write_text("00000000-0000-0000-0000-000000000000")
    (strange / "file").write_text("somebody's")
    first = site.worker("alien", "--serve", "n1=1", ready=False, STORE_ROOT=str(theirs))
    second = site.worker("alien2", "--serve", "n1=1", ready=False, VAULT_ROOT=str(strange))
    code, said = ended_early(first)
    assert (code, "belongs to another installation" in said) == (1, True), said
    code, said = ended_early(second)
    assert (code, "has no .slipway-installation" in said) == (1, True), said
    assert worker.alive

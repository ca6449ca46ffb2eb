"""Jobs in stages with sources and destinations: from the form's JSON to the bytes, and what is said when it goes wrong."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from jobs import keep, links, uploads, vaults
from jobs.models import BucketFile, Job, JobStage, Result, Upload
from jobs.services import fan_out
from jobs.services.acting import cancel
from jobs.sources import bucket
from jobs.states import JobState
from portal.errors import Invalid
from portal.people import sealing
from portal.people.models import Secret, User
from tests.jobs.bundles import submit
from tests.jobs.fan_outs import Stages, place
from tests.jobs.object_store import KEY, SECRET, ObjectStore
from tests.jobs.sources.web import Web
from tests.jobs.workers import Start, ended, running

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def passthrough(owner: User, source: Any, destination: Any = None, **over: Any) -> Job:
    """Each source file is a task that copies it, and nothing assembles."""
    return submit(owner, partitioner=None, assembler=None, source=source, destination=destination or {}, **over)


def messages(job: Job) -> list[str]:
    return list(job.events.order_by("id").values_list("message", flat=True))


def test_from_an_address_to_a_vault(owner: User, start: Start, web: Web) -> None:
    stages = Stages()
    start(stages.runtime())
    vault = vaults.create_vault(name="home", owner=owner)
    source = {"kind": "url", "urls": [web.put("/a.txt", b"one"), web.put("/b.txt", b"two", cut_after=1, cuts=1)]}
    job = ended(passthrough(owner, source, {"kind": "vault", "vault": "home", "path": "out/{job}"}))
    assert job.state == JobState.SUCCEEDED, job.reason
    names = [entry.name for entry in vaults.list_folder(vault, f"out/{job.number}").entries]
    assert names == ["0_out.txt", "1_out.txt"]
    told = messages(job)
    assert "The source is here: 2 files, 6 bytes." in told
    assert "The results are at their destination: 2 files, 6 bytes." in told
    assert any("was cut in the middle" in one and one.endswith("It is tried again.") for one in told)
    progress = JobStage.objects.get(job=job, stage="partition").progress
    assert (progress["doing"], progress["bytes"], progress["files_total"]) == ("fetch", 6, 2)
    assert JobStage.objects.get(job=job, stage="assemble").progress["doing"] == "deliver"


def test_from_a_bucket_to_a_bucket(owner: User, start: Start, object_store: ObjectStore) -> None:
    start(Stages().runtime())
    name = object_store.bucket()
    object_store.client.put_object(Bucket=name, Key="in/a.txt", Body=b"deep")
    where = {"kind": "storj", "endpoint": object_store.endpoint, "region": "us-east-1", "bucket": name}
    keys = {"access_key": KEY, "secret_key": SECRET}
    job = ended(passthrough(owner, {**where, **keys, "paths": ["in/"]}, {**where, **keys, "path": "out"}))
    assert job.state == JobState.SUCCEEDED, job.reason
    assert object_store.client.get_object(Bucket=name, Key="out/out.txt")["Body"].read() == b"deep"
    assert SECRET not in str(list(Job.objects.values())) + str(messages(job))


def test_a_partitioner_finds_the_files_and_can_t_change_them(owner: User, start: Start, web: Web) -> None:
    seen = {}

    def partition(spec: Any) -> None:
        folder = place(spec, "/job/source")
        seen.update({path.name: path.read_bytes() for path in folder.iterdir()})
        (place(spec, "/job/chunks") / "data_0.bin").write_bytes(b"x")

    start(Stages(partition=partition).runtime())
    job = ended(submit(owner, source={"kind": "url", "urls": [web.put("/a.txt", b"one")]}))
    assert job.state == JobState.SUCCEEDED, job.reason
    assert seen == {"a.txt": b"one"}


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ({"status": 404}, "There is nothing at http://127.0.0.1"),
        ({"status": 403}, "refuses this (HTTP 403)"),
        (
            {"status": 302, "headers": {"Location": "http://169.254.169.254/latest"}},
            "redirects to an address that is refused",
        ),
    ],
)
def test_a_source_that_fails_fails_the_job_at_once(
    owner: User, start: Start, web: Web, page: dict[str, Any], said: str, settings: Any
) -> None:
    start(Stages().runtime())
    url = web.put("/x", **page) + "?a=1"
    job = ended(passthrough(owner, {"kind": "url", "urls": [url]}, config={"maxTaskRetries": 3}))
    assert (job.state, job.failure_class) == (JobState.FAILED, "user")
    assert job.reason.startswith("The partition failed: The source was not fetched: ")
    assert said in job.reason
    assert not list(Path(settings.STORE_ROOT).glob("chunks/*/*"))
    assert len(web.asked) == 1


def test_a_job_that_is_cancelled_while_it_fetches_ends_soon(owner: User, start: Start, web: Web, settings: Any) -> None:
    start(Stages().runtime())
    url = web.put("/slow", b"x" * 2**24, slow_s=0.05)
    job = passthrough(owner, {"kind": "url", "urls": [url]})
    running(job)
    until = time.monotonic() + 10
    while not web.asked and time.monotonic() < until:
        time.sleep(0.02)
    cancel(job=job, actor=owner)
    job = ended(job)
    assert job.state == JobState.CANCELLED
    until = time.monotonic() + 10
    while list(Path(settings.WORK_ROOT).glob("one/slipway-*")) and time.monotonic() < until:
        time.sleep(0.05)
    assert not list(Path(settings.WORK_ROOT).glob("one/slipway-*"))


def test_a_destination_that_refuses_leaves_the_results(owner: User, start: Start) -> None:
    def run(spec: Any) -> None:
        (place(spec, "/job/results") / "out.bin").write_bytes(b"x" * (2**20 + 1))

    start(Stages(run=run).runtime())
    vault = vaults.create_vault(name="small", owner=owner, quota_mib=1)
    job = ended(passthrough(owner, {}, {"kind": "vault", "vault": "small"}, config={"maxTaskRetries": 2}))
    assert job.state == JobState.FAILED
    assert "The results are kept here, but did not reach their destination: " in job.reason
    assert "small" in job.reason
    assert Result.objects.filter(job=job).exclude(stored="").count() == 1
    assert vaults.list_folder(vault).total == 0


def test_what_its_owner_may_not_use_any_more_is_not_fetched(
    owner: User, start: Start, object_store: ObjectStore
) -> None:
    keys = json.dumps({"access_key": KEY, "secret_key": SECRET})
    secret = Secret.objects.create(user=owner, name="lake", kind="keys", sealed=sealing.seal(keys))
    source = {
        "kind": "s3",
        "endpoint": object_store.endpoint,
        "bucket": object_store.bucket(),
        "secret": "lake",
        "paths": ["/"],
    }
    job = passthrough(owner, source)
    secret.delete()
    start(Stages().runtime())
    job = ended(job)
    assert job.state == JobState.FAILED
    assert "The source can't be read any more: Neither you nor a team of yours has a secret 'lake'." in job.reason


def test_uploads_of_a_job_are_kept_until_it_is_purged(owner: User, start: Start, settings: Any) -> None:
    start(Stages().runtime())
    upload = uploads.receive(owner=owner, name="a.txt", chunks=[b"up"], limit_bytes=100)
    source = {"kind": "file", "uploads": [str(upload.pk)]}
    job = ended(passthrough(owner, source))
    assert job.state == JobState.SUCCEEDED, job.reason
    Upload.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    assert uploads.purge_expired() == 0
    assert uploads.path_of(upload).read_bytes() == b"up"
    Job.objects.update(finished_at=timezone.now() - timedelta(days=settings.KEEP_DAYS + 1))
    with transaction.atomic():
        assert keep.purge_old_jobs() == 1
    assert uploads.purge_expired() == 1
    assert not uploads.path_of(upload).exists()


def test_an_upload_that_expired_before_the_run_is_said(owner: User) -> None:
    upload = uploads.receive(owner=owner, name="a.txt", chunks=[b"up"], limit_bytes=100)
    Upload.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    with pytest.raises(Invalid) as caught:
        passthrough(owner, {"kind": "file", "uploads": [str(upload.pk)]})
    assert caught.value.faults[0].pointer == "/dataSource/uploads/0"
    assert not Job.objects.exists()


# A bucket of the portal's own


def test_results_in_the_bucket_are_links_until_their_time_is_over(owner: User, start: Start, settings: Any) -> None:
    start(Stages().runtime())
    job = ended(passthrough(owner, {}, {"kind": "bucket"}))
    assert job.state == JobState.SUCCEEDED, job.reason
    (link,) = links.of_job(job)
    assert (link.name, link.size) == ("out.txt", 7)
    assert timedelta(hours=47) < link.expires_at - timezone.now() <= timedelta(hours=48)
    nobody = Client()
    url = link.url.removeprefix(settings.PUBLIC_URL)
    answer: Any = nobody.get(url)
    assert b"".join(answer.streaming_content) == b"bypass\n"
    assert answer["Content-Disposition"] == 'attachment; filename="out.txt"'
    assert "sandbox" in answer["Content-Security-Policy"]
    assert nobody.get(url[:-2]).status_code == 404
    assert bucket.purge_expired() == 0
    BucketFile.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert nobody.get(url).status_code == 404
    assert list(links.of_job(job)) == []
    row = BucketFile.objects.get()
    assert keep.keep()
    assert not BucketFile.objects.exists()
    assert not (Path(settings.STORE_ROOT) / row.stored).exists()
    assert (Path(settings.STORE_ROOT) / Result.objects.exclude(stored="").get().stored).exists()


def test_a_second_delivery_takes_the_place_of_the_first(owner: User, tmp_path: Path, settings: Any) -> None:
    from tests.factories import make_job
    from tests.jobs.sources.passages import passage

    job = make_job(owner)
    for text in (b"first", b"second"):
        (tmp_path / "x").unlink(missing_ok=True)
        (tmp_path / "x").write_bytes(text)
        bucket.ToOwnBucket().deliver([("x", tmp_path / "x")], passage(job_number=job.number, doing="deliver"))
    assert BucketFile.objects.get().size == 6
    assert len(list(Path(settings.STORE_ROOT).glob("bucket/*/*"))) == 1


def test_links_to_other_results_expire_too(owner: User, start: Start, settings: Any) -> None:
    start(Stages().runtime())
    job = ended(submit(owner))
    (link,) = links.of_job(job)
    url = link.url.removeprefix(settings.PUBLIC_URL)
    answer: Any = Client().get(url)
    assert b"".join(answer.streaming_content) == b"0\n1\n2\n"
    settings.RESULT_LINK_HOURS = -1
    (over,) = links.of_job(job)
    assert Client().get(over.url.removeprefix(settings.PUBLIC_URL)).status_code == 404


def test_a_draft_keeps_what_it_says_and_is_judged_whole(owner: User) -> None:
    from tests.factories import make_machine
    from tests.jobs.bundles import asked

    make_machine()
    draft = fan_out.draft(owner=owner, asked=asked(source={"kind": "url"}, destination={"kind": "vault"}))
    assert [fault.pointer for fault in fan_out.check(draft)] == ["/dataSource/urls", "/dataDestination/vault"]

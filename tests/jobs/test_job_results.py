"""A job's results: nothing of them is ever active, only their paths lead anywhere, zips stream, previews judge by bytes."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Callable

import pytest
from django.test import Client
from django.urls import reverse

from jobs.models import Job, Result
from jobs.previews import Preview, preview
from jobs.states import JobState
from portal.people.models import User
from tests.factories import make_job, make_result
from tests.jobs.pages import body_of, page

pytestmark = pytest.mark.django_db
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


def done_job(owner: User) -> Job:
    return make_job(owner, state=JobState.SUCCEEDED)


@pytest.mark.parametrize("name", ["evil.html", "evil.svg", "evil.xhtml", "evil.js", "pic.png"])
def test_no_result_is_ever_active_content(as_owner: Client, owner: User, name: str) -> None:
    job = done_job(owner)
    make_result(job, name, b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    got = as_owner.get(reverse("jobs:job-result", args=[job.number, name]))
    assert body_of(got).startswith(b"<svg")
    assert got["Content-Type"] == "application/octet-stream"
    assert got["Content-Disposition"].startswith("attachment")
    assert got["X-Content-Type-Options"] == "nosniff"
    assert as_owner.get(reverse("jobs:job-result-image", args=[job.number, name])).status_code == 404
    assert "onload=&#x27;alert" in page(as_owner, reverse("jobs:job-result-view", args=[job.number, name]))


def test_a_real_image_is_shown_sandboxed_and_typed_by_its_bytes(as_owner: Client, owner: User) -> None:
    job = done_job(owner)
    make_result(job, "plot.html", PNG)
    got = as_owner.get(reverse("jobs:job-result-image", args=[job.number, "plot.html"]))
    assert got["Content-Type"] == "image/png"
    assert got["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert got["X-Content-Type-Options"] == "nosniff"
    assert got.content == PNG


@pytest.mark.parametrize("path", ["../../etc/passwd", "%2e%2e/x", "none.txt", "a\0b", "/etc/passwd"])
def test_only_paths_of_results_lead_anywhere(as_owner: Client, owner: User, path: str) -> None:
    job = done_job(owner)
    make_result(job)
    for name in ("get", "view", "image"):
        assert as_owner.get(f"/jobs/{job.number}/results/{name}/{path}").status_code == 404


def test_odd_names_lead_to_their_files(as_owner: Client, owner: User) -> None:
    job = done_job(owner)
    for index, name in enumerate(("a b #?%.txt", "ünï/✓.txt", "q\"u'o.txt", "\u202etxt.exe")):
        Result.objects.create(
            job=job, task=job.tasks.get(), path=name, size=2, stored=make_result(job, f"{index}.x", b"ok").stored
        )
        got = as_owner.get(reverse("jobs:job-result", args=[job.number, name]))
        assert body_of(got) == b"ok"


def test_zip_holds_all_that_was_kept_and_says_what_was_not(as_owner: Client, owner: User) -> None:
    job = done_job(owner)
    big = bytes(range(256)) * 4096
    make_result(job, "a/big.bin", big)
    make_result(job, "pi.txt")
    Result.objects.create(job=job, task=job.tasks.get(), path="link", size=0, skipped="link")
    answer = as_owner.get(reverse("jobs:job-results-zip", args=[job.number]))
    with zipfile.ZipFile(io.BytesIO(body_of(answer))) as archive:
        assert archive.testzip() is None
        assert archive.read("a/big.bin") == big
        assert set(archive.namelist()) == {"a/big.bin", "pi.txt", "LEFT-OUT.txt"}
        assert b"link" in archive.read("LEFT-OUT.txt")


def test_zip_is_never_whole_in_memory(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from jobs import zips

    job = done_job(owner)
    make_result(job, "big.bin", random_bytes(6 * 2**20))
    sizes = [len(piece) for piece in zips.zip_of(job.results.select_related("task"), by_task=False)]
    assert len(sizes) > 10
    assert max(sizes) < 2 * 2**20


def random_bytes(size: int) -> bytes:
    import random

    return random.Random(7).randbytes(size)


def test_zip_and_log_stream_under_asgi_too(as_owner: Client, owner: User) -> None:
    job = done_job(owner)
    make_result(job, "big.bin", random_bytes(2**20))
    answer = as_owner.get(reverse("jobs:job-results-zip", args=[job.number]))

    async def first() -> bytes:
        pieces: AsyncIterator[bytes] = aiter(answer)  # type: ignore[arg-type]  # the stubs know no streamed answers
        return await anext(pieces)

    assert asyncio.run(first()).startswith(b"PK")


@pytest.mark.parametrize(
    ("name", "data", "judge"),
    [
        ("a.txt", b"plain \xff text", lambda p: p.kind == "text" and "plain" in p.text),
        ("a.csv", b'n,v\n"x, y",2\n', lambda p: (p.header, p.rows) == (("n", "v"), (("x, y", "2"),))),
        ("a.tsv", b"n\tv\n1\t2\n", lambda p: p.rows == (("1", "2"),)),
        ("a.csv", b"x\n" * 5000, lambda p: len(p.rows) == 200 and p.cut),
        ("a.json", b'{"a":[1]}', lambda p: p.text == '{\n  "a": [\n    1\n  ]\n}'),
        ("a.json", b'{"a":', lambda p: p.kind == "text" and p.text == '{"a":'),
        ("a.json", b"[" * 200_000, lambda p: p.kind == "text"),
        ("a.dat", b"\0\1\2", lambda p: p.kind == "none"),
        ("a.txt", PNG, lambda p: p.kind == "image"),
        ("a.txt", b"line\n" * 100_000, lambda p: p.cut and p.text.endswith("line\n")),
        ("a.txt", b"", lambda p: p.kind == "text"),
    ],
)
def test_previews(name: str, data: bytes, judge: Callable[[Preview], bool]) -> None:
    assert judge(preview(io.BytesIO(data), name, len(data)))

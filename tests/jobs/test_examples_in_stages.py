"""The four examples in stages and their engines, end to end in containers: what comes out, not only that it ends well."""

from __future__ import annotations

import csv
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command

from apps_catalog.models import App, Version
from apps_catalog.services import from_folder, import_bundle
from jobs import mounts
from jobs.models import Job, Result
from jobs.results import open_result
from jobs.runtimes.keeping import KeepingRuntime
from jobs.services import fan_out
from jobs.services.fan_out import FanOut
from jobs.states import JobState
from portal.people.models import User
from tests.factories import make_machine, make_upload
from tests.jobs.workers import Start, ended

pytestmark = [pytest.mark.docker, pytest.mark.django_db(transaction=True)]
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
IMAGE = "slipway-python:bookworm"


@pytest.fixture
def site(start: Start, curator: User) -> None:
    """Engines and examples are there, and a host that runs them."""
    call_command("install_engines", stdout=io.StringIO())
    for folder in sorted((EXAMPLES / "bundles").iterdir()):
        done = import_bundle(read=from_folder(folder), actor=curator, activate=True)
        assert done.version is not None, done.reading.findings
    runtime = KeepingRuntime()
    Version.objects.update(
        image=IMAGE, image_pinned=runtime.image(IMAGE, pull=False).pinned, image_state=Version.ImageState.FOUND
    )
    make_machine("n1", ram_mib=512, pids=128, disk_mib=256)
    start(runtime, n1=3)


def run(owner: User, template: str, *, source: dict[str, Any] | None = None, **params: dict[str, Any]) -> Job:
    """A job of a template of examples/, with parameters of some sections laid over its own."""
    made = json.loads((EXAMPLES / "templates" / f"{template}.json").read_text())
    versions: dict[str, Any] = {
        role: Version.objects.get(app=App.objects.get(slug=made[role]), state=Version.State.PUBLISHED)
        for role in ("app", "partitioner", "assembler")
    }
    sections = {name: {**made["params"].get(name, {}), **params.get(name, {})} for name in versions}
    asked = FanOut(**versions, parameters=sections, source=source or {})
    job = ended(fan_out.submit(owner=owner, asked=asked).job, 180)
    assert job.state == JobState.SUCCEEDED, job.reason
    return job


def upload(owner: User, name: str, data: bytes) -> dict[str, Any]:
    mounts.mark()
    row = make_upload(owner, name=name, stored=f"uploads/{name}", size=len(data))
    default_storage.save(row.stored, ContentFile(data))
    return {"kind": "file", "uploads": [str(row.pk)]}


def result(job: Job, path: str) -> bytes:
    with open_result(Result.objects.get(job=job, task__stage="assemble", path=path)) as file:
        return file.read()


def pixels(png: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height and the rows of an 8-bit RGB picture whose rows are not filtered."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, packed, size = 8, b"", (0, 0)
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        body = png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        size = struct.unpack(">II", body[:8]) if kind == b"IHDR" else size
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    rows = zlib.decompress(packed)
    step = 1 + 3 * size[0]
    assert len(rows) == step * size[1]
    return size[0], size[1], [rows[n + 1 : n + step] for n in range(0, len(rows), step)]


def test_the_fractal_is_one_picture_of_its_tiles(owner: User, site: None) -> None:
    job = run(owner, "fractal", partitioner={"size": 200, "tiles": 3}, app={"iterations": 100})
    assert job.tasks_total == 1 + 9 + 1
    width, height, rows = pixels(result(job, "fractal.png"))
    assert (width, height) == (200, 200)

    def at(x: float, y: float) -> bytes:
        column, row = round((x + 0.6) * 200 / 3 + 99.5), round(y * 200 / 3 + 99.5)
        return rows[row][3 * column : 3 * column + 3]

    inside = bytes((8, 10, 20))
    assert at(0, 0) == at(-1, 0) == at(-0.2, 0.5) == inside
    assert inside not in (at(0.8, 0.8), at(-2, 1), at(0.5, 0))
    assert rows == rows[::-1]  # the set is the same above and below


def test_words_are_counted_part_by_part(owner: User, site: None) -> None:
    text = ("The sea, the SEA and the ship.\n" * 7).encode()
    job = run(
        owner, "count-words", source=upload(owner, "a.txt", text), partitioner={"records": 3}, app={"shortest": 3}
    )
    rows = list(csv.reader(io.StringIO(result(job, "words.csv").decode())))
    assert rows == [["word", "count"], ["the", "21"], ["sea", "14"], ["and", "7"], ["ship", "7"]]


def test_a_csv_file_is_cleaned_and_has_one_header(owner: User, site: None) -> None:
    rows = [' city ,amount\nBern ,"3,50"\n" two\nlines ",n/a\n , \n'] + [f"Oslo,{n}\n" for n in range(20)]
    source = upload(owner, "sales.csv", "".join(rows).encode())
    job = run(owner, "clean-csv", source=source, partitioner={"records": 6})
    made = list(csv.reader(io.StringIO(result(job, "clean.csv").decode())))
    assert made == [["city", "amount"], ["Bern", "3.50"], ["two\nlines", ""], *(["Oslo", str(n)] for n in range(20))]


def test_a_sweep_makes_a_table_with_the_parameters_of_each_task(owner: User, site: None) -> None:
    axes = [{"name": "length_m", "values": [0.5, 2]}, {"name": "damping", "from": 1, "to": 2, "step": 0.5}]
    job = run(owner, "sweep-decay", partitioner={"parameters": axes})
    rows = list(csv.DictReader(io.StringIO(result(job, "pendulums.csv").decode())))
    points = [(row["length_m"], row["damping"]) for row in rows]
    assert points == [(length, damping) for length in ("0.5", "2") for damping in ("1", "1.5", "2")]
    rest = [float(row["rest_after_s"]) for row in rows]
    assert rest[0] > rest[1] > rest[2] > 1


def test_other_engines_of_ours_work_together(owner: User, site: None) -> None:
    """bytes, replicas and files as partitioners, zip and json as assemblers: what the examples don't use."""
    from tests.jobs.bundles import make_bundle

    pinned = Version.objects.filter(app__builtin=True).values_list("image_pinned", flat=True)[0]
    code = (
        "import json, os\ndata = open(os.environ['TASK_DIR'] + '/data.bin', 'rb').read()\n"
        "json.dump(len(data), open(os.environ['TASK_RESULTS_DIR'] + '/size.json', 'w'))\n"
    )
    app = make_bundle(code=code, image_pinned=pinned)
    found = {version.app.slug: version for version in Version.objects.filter(app__builtin=True).select_related("app")}
    source = upload(owner, "data", b"x" * 2500)
    for name, params, sizes in (
        ("bytes", {"size_kib": 1}, [1024, 1024, 452]),
        ("replicas", {"count": 2}, [2500, 2500]),
        ("files", {}, [2500]),
    ):
        asked = FanOut(
            app=app,
            partitioner=found[name],
            assembler=found["json"],
            parameters={"partitioner": params},
            source=source,
        )
        job = ended(fan_out.submit(owner=owner, asked=asked).job, 180)
        assert job.state == JobState.SUCCEEDED, job.reason
        assert json.loads(result(job, "results.json")) == sizes

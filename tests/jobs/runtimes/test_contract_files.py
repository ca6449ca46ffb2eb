"""What every runtime must do when it is asked for a file of an image; and what comes of streams that lie."""

from __future__ import annotations

import base64
import io
import json
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jobs.runtimes.base import RuntimeFault
from jobs.runtimes.docker import DockerRuntime
from jobs.runtimes.docker_files import only_file, read_stat, read_within
from jobs.runtimes.fake import FakeProgram, FakeRuntime
from tests.jobs.runtimes.bench import IMAGE, Bench

READING = "slipway.reading"


def test_a_file_of_an_image_is_read_and_nothing_is_left_or_run(bench: Bench) -> None:
    content = bench.runtime.read_file(IMAGE, "/etc/passwd", 65_536)
    assert content is not None
    assert content.startswith(b"root:x:0:0:")
    if isinstance(bench.runtime, DockerRuntime):
        seen = set(bench.runtime.owned(READING, "1"))  # those of a test beside this one, which it is about to remove
        until = time.monotonic() + 10
        while seen & set(bench.runtime.owned(READING, "1")) and time.monotonic() < until:
            time.sleep(0.1)
        assert not seen & set(bench.runtime.owned(READING, "1"))
    else:
        assert bench.runtime.started == []


def test_a_link_within_the_image_is_followed(bench: Bench) -> None:
    content = bench.runtime.read_file(IMAGE, "/etc/os-release", 65_536)  # a link to ../usr/lib/os-release
    assert content is not None
    assert b"ID=debian" in content


@pytest.mark.parametrize("path", ["/etc/nowhere", "/etc", "/etc/mtab", "/proc/self/environ", "/dev/null"])
def test_what_is_no_file_of_the_image_is_not_there(bench: Bench, path: str) -> None:
    assert bench.runtime.read_file(IMAGE, path, 65_536) is None


def test_a_file_over_the_limit_is_not_read(bench: Bench) -> None:
    assert bench.runtime.read_file(IMAGE, "/etc/passwd", 8) is None


def test_an_image_that_is_missing_and_an_engine_that_is_away_are_told_apart(bench: Bench, tmp_path: Any) -> None:
    with pytest.raises(RuntimeFault, match="absent:1") as caught:
        bench.runtime.read_file("absent:1", "/etc/passwd", 100)
    assert caught.value.code == "image_missing"
    absent: DockerRuntime | FakeRuntime
    if isinstance(bench.runtime, FakeRuntime):
        absent = bench.runtime
        absent.away()
    else:
        absent = DockerRuntime(f"unix://{tmp_path}/none.sock")
    with pytest.raises(RuntimeFault) as caught:
        absent.read_file(IMAGE, "/etc/passwd", 100)
    assert (caught.value.code, caught.value.retry) == ("engine_away", True)


def test_what_a_program_writes_into_its_own_copy_of_the_image_is_counted(bench: Bench) -> None:
    code = "open('/var/tmp/big', 'wb').write(bytes(3 * 2**20)); import time; time.sleep(60)"
    does = FakeProgram(written_bytes=3 * 2**20, duration_s=60)
    handle = bench.runtime.start(bench.python(code, does=does, writable_root=True))
    until = time.monotonic() + 20
    while bench.runtime.written(handle) < 3 * 2**20 and time.monotonic() < until:
        time.sleep(0.1)
    assert 3 * 2**20 <= bench.runtime.written(handle) < 4 * 2**20
    bench.runtime.remove(handle)
    assert bench.runtime.written(handle) == 0


# -- what an engine sends ---------------------------------------------------------------------------------------------


def tar(*members: tuple[str, bytes, bytes]) -> bytes:
    """A tar stream of (name, type, content)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(content), "/etc/shadow"
            made.addfile(info, io.BytesIO(content))
    return out.getvalue()


def header(mode: int, size: int = 1, link: str = "") -> str:
    return base64.b64encode(json.dumps({"mode": mode, "size": size, "linkTarget": link}).encode()).decode()


def lying() -> bytes:
    """A header that claims a terabyte, and hardly anything behind it."""
    info = tarfile.TarInfo("passwd")
    info.size = 2**40
    return info.tobuf() + b"x" * 600


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"x" * 100,
        b"\0" * 4096,
        b"\x1f\x8b" + b"x" * 2000,
        lying(),
        tar(("passwd", tarfile.SYMTYPE, b"")),
        tar(("passwd", tarfile.LNKTYPE, b"")),
        tar(("passwd", tarfile.DIRTYPE, b""), ("passwd/x", tarfile.REGTYPE, b"x")),
        tar(("passwd", tarfile.FIFOTYPE, b"")),
        tar(("passwd", tarfile.CHRTYPE, b"")),
        tar(("passwd", tarfile.REGTYPE, b"x" * 101)),
        tar(("passwd", tarfile.REGTYPE, b"x" * 100))[:560],
    ],
)
def test_a_stream_that_is_no_file_within_the_limit_gives_nothing(stream: bytes) -> None:
    assert only_file(iter([stream[:300], stream[300:]]), 100) is None


def test_an_endless_stream_is_read_no_further_than_the_limit_and_a_little() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 4096
            yield b"x" * 4096

    assert only_file(endless(), 1000) is None
    assert taken < 80_000


def test_the_first_regular_file_is_taken_whatever_its_name() -> None:
    stream = tar(("../../etc/passwd", tarfile.REGTYPE, b"one"), ("b", tarfile.REGTYPE, b"two"))
    assert only_file(iter([stream]), 100) == b"one"


@pytest.mark.parametrize(
    "text", ["", "no base64 !", base64.b64encode(b"{}").decode(), base64.b64encode(b"[1]").decode(), header(0, 1)[:-3]]
)
def test_a_header_that_makes_no_sense_is_no_file(text: str) -> None:
    assert read_stat(text) is None


@pytest.mark.parametrize("kind", [31, 26, 25, 24, 21, 19])
def test_folders_pipes_and_devices_are_no_files(kind: int) -> None:
    stat = read_stat(header(1 << kind | 0o644))
    assert stat is not None
    assert not stat.regular


def test_links_in_a_circle_end() -> None:
    asked: list[str] = []

    @contextmanager
    def archive(path: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        asked.append(path)
        yield header(1 << 27, 1, "/b" if path == "/a" else "/a"), iter(())

    assert read_within(archive, "/a", 100) is None
    assert len(asked) == 8

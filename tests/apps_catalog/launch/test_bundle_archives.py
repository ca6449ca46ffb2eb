"""S26: archives that mean harm are refused at once, whatever they are packed by, and nothing of them is written anywhere."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps_catalog.launch.bundle import BundleReading, read_bundle
from apps_catalog.launch.bundle_archives import read_archive
from apps_catalog.launch.bundle_files import FILES_MAX, PIECE_BYTES, BundleFiles
from apps_catalog.launch.bundle_folders import read_folder
from apps_catalog.launch.bundle_paths import BundleFault
from tests.apps_catalog.bundle_files import bundle, tarred, zipped
from tests.watchdog import ends

LIMIT = 64 * 2**20
MIB = 2**20
READ_TWICE_BYTES = 2 * MIB  # a zip's list of files, and the start that tells what an archive is
Make = Callable[[], io.BytesIO]


class Watched(io.BytesIO):
    """An archive that counts how much of it is read."""

    read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        self.read_bytes += len(piece)
        return piece


def refused(file: io.BytesIO, limit: int = LIMIT) -> str:
    """The code of the refusal, which is made before more is unpacked or looked at than a bundle may hold."""
    archive = Watched(file.getvalue())
    with ends(), BundleFiles(limit) as into, pytest.raises(BundleFault) as fault:
        read_archive(archive, into)
    assert into.size_bytes <= limit + PIECE_BYTES
    assert into.looked_at <= 4 * FILES_MAX + 1
    assert archive.read_bytes <= len(file.getvalue()) + READ_TWICE_BYTES
    assert fault.value.finding.level == "error"
    assert len(fault.value.finding.message) < 400
    return fault.value.finding.code


def taken(file: io.BytesIO) -> BundleReading:
    with BundleFiles(LIMIT) as into:
        read_archive(file, into)
        return read_bundle(into)


def zip_of(**member: Any) -> io.BytesIO:
    """A zip with one more member, whose fields of ZipInfo are given."""
    into = zipped(bundle())
    data = member.pop("data", b"x")
    with zipfile.ZipFile(into, "a") as archive:
        one = zipfile.ZipInfo(member.pop("name", "app/more.py"))
        one.create_system = 3
        for key, value in member.items():
            setattr(one, key, value)
        archive.writestr(one, data)
    into.seek(0)
    return into


def tar_of(name: str = "app/more.py", kind: bytes = tarfile.REGTYPE, data: bytes = b"", **member: Any) -> io.BytesIO:
    into = tarred(bundle())
    with tarfile.open(fileobj=into, mode="a") as archive:
        one = tarfile.TarInfo(name)
        one.type, one.size = kind, len(data)
        for key, value in member.items():
            setattr(one, key, value)
        archive.addfile(one, io.BytesIO(data))
    into.seek(0)
    return into


PATHS = [
    ("../evil.py", "unsafe-path"),
    ("app/../../evil.py", "unsafe-path"),
    ("/etc/passwd", "unsafe-path"),
    ("C:/windows/x", "unsafe-path"),
    ("C:x", "unsafe-path"),
    ("app\\..\\..\\x", "unsafe-path"),
    ("\\\\host\\share", "unsafe-path"),
    ("app/a\nb", "unsafe-path"),
    ("a/" * 60 + "x", "long-path"),
    ("app/" + "n" * 300, "long-path"),
    ("APP/MAIN.PY", "case-collision"),
    ("app/main.py/x", "duplicate-name"),
    ("app", "duplicate-name"),
]


@pytest.mark.parametrize(("name", "code"), PATHS)
@pytest.mark.parametrize("make", [zip_of, tar_of], ids=["zip", "tar"])
def test_paths_that_lead_out_or_clash(make: Callable[..., io.BytesIO], name: str, code: str) -> None:
    assert refused(make(name=name)) == code


def test_a_name_is_taken_once_only() -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        assert refused(zip_of(name="app/main.py")) == "duplicate-name"
    assert refused(tar_of(name="app/main.py")) == "duplicate-name"
    assert refused(tar_of(name="./app//main.py")) == "duplicate-name"


def test_accents_written_in_two_ways_clash() -> None:
    files = bundle() | {"app/e\N{COMBINING ACUTE ACCENT}.py": "", "app/\N{LATIN SMALL LETTER E WITH ACUTE}.py": ""}
    assert refused(zipped(files)) == "case-collision"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar(kind: bytes) -> None:
    assert refused(tar_of(kind=kind, linkname="/etc/passwd")) == "no-file"


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip(mode: int) -> None:
    assert refused(zip_of(external_attr=(mode | 0o777) << 16, data=b"/etc/passwd")) == "no-file"


def test_links_and_pipes_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "main.py").symlink_to("/etc/passwd")
    with BundleFiles(LIMIT) as into, pytest.raises(BundleFault, match="symbolic link"):
        read_folder(tmp_path, into)
    (tmp_path / "app" / "main.py").unlink()
    os.mkfifo(tmp_path / "app" / "pipe")
    with BundleFiles(LIMIT) as into, pytest.raises(BundleFault, match="no ordinary file"):
        read_folder(tmp_path, into)


ZEROS = b"\0" * MIB


def zip_bomb(method: int = zipfile.ZIP_DEFLATED, mib: int = 400) -> io.BytesIO:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", method) as archive, archive.open("app/main.py", "w") as out:
        for _ in range(mib):
            out.write(ZEROS)
    into.seek(0)
    return into


def lying_zip() -> io.BytesIO:
    """Says of itself that it unpacks to a kilobyte."""
    raw = bytearray(zip_bomb(mib=100).getvalue())
    at = raw.rfind(b"PK\1\2")
    struct.pack_into("<L", raw, at + 24, 1024)
    return io.BytesIO(bytes(raw))


def overlapping_zip() -> io.BytesIO:
    """A thousand members that are all the same bytes."""
    raw = zip_bomb(mib=8).getvalue()
    start, end = raw.find(b"PK\1\2"), raw.find(b"PK\5\6")
    one = raw[start:end]
    names = [f"app/m{number:05}" for number in range(1000)]
    entries = b"".join(one[:28] + struct.pack("<H", len(n)) + one[30:46] + n.encode() for n in names)
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1000, 1000, len(entries), start, 0)
    return io.BytesIO(raw[:start] + entries + tail)


def endless_directory() -> io.BytesIO:
    """A list of a million files."""
    one = zipped({"a": ""}).getvalue()
    entry = one[one.find(b"PK\1\2") : one.find(b"PK\5\6")]
    entries = entry * 200_000
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, len(entries), 0, 0)
    return io.BytesIO(one[: one.find(b"PK\1\2")] + entries + tail)


def tar_bomb(pack: Callable[[bytes], bytes]) -> io.BytesIO:
    head = tarfile.TarInfo("app/main.py")
    head.size = 60 * MIB
    return io.BytesIO(pack(head.tobuf() + b"\0" * (60 * MIB + 1024)))


def huge_claim() -> io.BytesIO:
    head = tarfile.TarInfo("app/main.py")
    head.size = 2**40
    return io.BytesIO(head.tobuf(tarfile.GNU_FORMAT) + b"x" * 1024)


def many_files() -> io.BytesIO:
    return tarred({f"app/f{number}": "" for number in range(FILES_MAX + 1)})


def many_folders() -> io.BytesIO:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w") as archive:
        for number in range(4 * FILES_MAX + 1):
            one = tarfile.TarInfo(f"app/d{number}")
            one.type = tarfile.DIRTYPE
            archive.addfile(one)
    into.seek(0)
    return into


def greedy_xz() -> io.BytesIO:
    """Asks for a dictionary of 3 GiB: the byte that says so, in the block's header, which has a checksum of its own."""
    raw = bytearray(lzma.compress(tarred(bundle()).getvalue()))
    end = 12 + raw[12] * 4
    raw[16] = 39
    raw[end : end + 4] = struct.pack("<L", zlib.crc32(raw[12:end]))
    return io.BytesIO(bytes(raw))


BOMBS: list[tuple[str, Make, tuple[str, ...]]] = [
    ("zip", zip_bomb, ("too-large",)),
    ("zip of bzip2", lambda: zip_bomb(zipfile.ZIP_BZIP2, 60), ("bomb",)),
    ("zip that unpacks to less than it may", lambda: zip_bomb(mib=60), ("bomb",)),
    ("zip that lies", lying_zip, ("bomb", "broken-archive")),
    ("zip of one file a thousand times", overlapping_zip, ("too-large", "bomb", "broken-archive")),
    ("zip of 200,000 names", endless_directory, ("too-many-files",)),
    ("gz", lambda: tar_bomb(gzip.compress), ("bomb",)),
    ("bz2", lambda: tar_bomb(bz2.compress), ("bomb",)),
    ("xz", lambda: tar_bomb(lzma.compress), ("bomb",)),
    ("xz with a dictionary of 3 GiB", greedy_xz, ("broken-archive",)),
    ("gz in gz", lambda: io.BytesIO(gzip.compress(gzip.compress(b"\0" * 60 * MIB))), ("broken-archive",)),
    ("a claim of a terabyte", huge_claim, ("too-large",)),
    ("many files", many_files, ("too-many-files",)),
    ("many folders", many_folders, ("too-many-files",)),
]


@pytest.mark.parametrize(("make", "codes"), [row[1:] for row in BOMBS], ids=[row[0] for row in BOMBS])
def test_bombs_are_refused(make: Make, codes: tuple[str, ...]) -> None:
    assert refused(make()) in codes


def encrypted() -> io.BytesIO:
    raw = bytearray(zipped(bundle()).getvalue())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        raw[raw.find(mark) + at] |= 1
    return io.BytesIO(bytes(raw))


def renamed(name: bytes, *, flag: bool) -> io.BytesIO:
    raw = bytearray(zipped({"app/" + "n" * (len(name) - 4): "x", **bundle()}).getvalue())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        here = raw.find(mark)
        if flag:
            raw[here + at + 1] |= 8
    return io.BytesIO(bytes(raw.replace(b"app/" + b"n" * (len(name) - 4), name)))


BROKEN: list[tuple[str, Make, str]] = [
    ("encrypted", encrypted, "encrypted"),
    ("a latin-1 name", lambda: renamed(b"app/\xe4\xf6\xfc.py", flag=False), "name-encoding"),
    ("a name that says it is UTF-8 and is not", lambda: renamed(b"app/\xe4\xf6\xfc.py", flag=True), "name-encoding"),
    (
        "a latin-1 name in a tar",
        lambda: tar_of(name=b"app/\xe4.py".decode("utf-8", "surrogateescape")),
        "name-encoding",
    ),
    ("empty", io.BytesIO, "empty"),
    ("text", lambda: io.BytesIO(b"hello" * 200), "not-an-archive"),
    ("an empty zip", lambda: zipped({}), ""),
    ("a cut zip", lambda: io.BytesIO(zipped(bundle()).getvalue()[:-30]), "broken-archive"),
    ("a cut tar", lambda: io.BytesIO(tarred({"app/x": b"x" * 4096}).getvalue()[:2048]), "broken-archive"),
    ("a cut gz", lambda: io.BytesIO(tarred(bundle(), "gz").getvalue()[:-20]), "broken-archive"),
    ("a cut xz", lambda: io.BytesIO(tarred(bundle(), "xz").getvalue()[:150]), "broken-archive"),
    ("a gz of no tar", lambda: io.BytesIO(gzip.compress(b"hello" * 400)), "broken-archive"),
    ("a method of its own", lambda: zipped(bundle(), zipfile.ZIP_LZMA), "zip-method"),
]


@pytest.mark.parametrize(("make", "code"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_cant_be_read_says_why(make: Make, code: str) -> None:
    if code:
        assert refused(make()) == code
    else:
        assert [finding.code for finding in taken(make()).findings] == ["no-manifest"]


def test_names_of_todays_packers_without_the_mark_are_utf_8() -> None:
    with BundleFiles(LIMIT) as into:
        read_archive(renamed("app/äöü.py".encode(), flag=False), into)
        assert "app/äöü.py" in into.places


def test_what_tools_leave_behind_is_left_out_and_said() -> None:
    files = bundle() | {"__pycache__/x.pyc": "x", ".git/config": "x", "app/.DS_Store": "x", "__MACOSX/._a": "x"}
    reading = taken(zipped(files))
    assert [finding.code for finding in reading.findings] == ["left-out"]
    with BundleFiles(LIMIT) as into:
        read_archive(zipped(files), into)
        assert sorted(into.places) == ["app/main.py", "manifest.json"]


def test_the_zip_that_is_kept_is_the_same_for_the_same_files() -> None:
    made = set()
    for file in (
        zipped(bundle()),
        zipped(dict(reversed(bundle().items())), zipfile.ZIP_STORED),
        tarred(bundle(), "bz2"),
    ):
        with BundleFiles(LIMIT) as into:
            read_archive(file, into)
            read_bundle(into)
            packed = into.packed()
            made.add(packed.digest)
            packed.file.close()
    assert len(made) == 1


def test_a_program_stays_one() -> None:
    with BundleFiles(LIMIT) as into:
        read_archive(zip_of(external_attr=(stat.S_IFREG | 0o755) << 16), into)
        assert into.places["app/more.py"].executable
        assert not into.places["app/main.py"].executable


MAKERS: tuple[Make, ...] = (
    lambda: zipped(bundle()),
    lambda: tarred(bundle()),
    lambda: tarred(bundle(), "gz"),
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_to_an_archive_is_more_than_a_refusal(data: st.DataObject) -> None:
    raw = bytearray(MAKERS[data.draw(st.integers(0, 2))]().getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with BundleFiles(LIMIT) as into:
        try:
            read_archive(io.BytesIO(bytes(raw)), into)
        except BundleFault:
            return
        read_bundle(into)

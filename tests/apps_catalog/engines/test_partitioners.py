"""The built-in partitioners, each by a table of good and bad cases."""

from __future__ import annotations

import csv
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.apps_catalog.engines.programs import Refused, partition

pytestmark = pytest.mark.slow


def zipped(**files: bytes) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"in/{name}.txt", data)
    return into.getvalue()


def tarred(**files: bytes) -> bytes:
    into = io.BytesIO()
    with tarfile.open(fileobj=into, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return into.getvalue()


def points(*rows: dict[str, Any]) -> list[bytes]:
    return [json.dumps({"$parameters": row}, ensure_ascii=False).encode() + b"\n" for row in rows]


TEXT = {"a.txt": b"1\n2\n3\n4\n5"}
TABLE = {"a.csv": b'x,y\n1,"two\nlines"\n2,plain\n3,"he said ""no"""\n'}
ZIP = {"all.zip": zipped(b=b"bee", a=b"ay", empty=b"")}

GOOD: list[tuple[str, dict[str, Any], Mapping[str, bytes], list[bytes]]] = [
    ("lines", {}, TEXT, [b"1\n2\n3\n4\n5"]),
    ("lines", {"records": 2}, TEXT, [b"1\n2\n", b"3\n4\n", b"5"]),
    ("lines", {"records": 5}, TEXT, [b"1\n2\n3\n4\n5"]),
    ("lines", {"records": 1}, {"b": b"3\n", "a": b"1\r\n2\r\n"}, [b"1\r\n", b"2\r\n", b"3\n"]),
    ("lines", {"records": 3}, {"a": b"1\n", "b": b"2\n"}, [b"1\n", b"2\n"]),
    ("lines", {"records": 2, "header": "yes"}, TEXT, [b"1\n2\n3\n", b"1\n4\n5"]),
    ("lines", {"records": 1}, TABLE, [b'x,y\n1,"two\nlines"\n', b"x,y\n2,plain\n", b'x,y\n3,"he said ""no"""\n']),
    ("lines", {"records": 3, "header": "no"}, TABLE, [b'x,y\n1,"two\nlines"\n2,plain\n', b'3,"he said ""no"""\n']),
    ("lines", {"records": 4, "format": "text"}, TABLE, [b'x,y\n1,"two\nlines"\n2,plain\n', b'3,"he said ""no"""\n']),
    ("lines", {"records": 1, "quote": "'"}, {"a.csv": b"x\n'a\nb'\nc\"\n"}, [b"x\n'a\nb'\n", b'x\nc"\n']),
    ("lines", {"records": 1, "pattern": "*.csv"}, {**TABLE, "no.txt": b"z\n", "h.csv": b"only,header\n"}, [
        b'x,y\n1,"two\nlines"\n', b"x,y\n2,plain\n", b'x,y\n3,"he said ""no"""\n',
    ]),
    ("lines", {"by": "size", "size_kib": 1}, {"a": b"x" * 999 + b"\n" + b"y" * 30 + b"\n" + b"z\n"}, [
        b"x" * 999 + b"\n" + b"y" * 30 + b"\n", b"z\n",
    ]),
    ("lines", {"records": 1}, {"a": b"x" * 3_000_000 + b"\ny\n"}, [b"x" * 3_000_000 + b"\n", b"y\n"]),
    ("lines", {"records": 1}, {"a.csv": b'h\n"' + b"x\n" * 700_000 + b'"\nlast'}, [
        b'h\n"' + b"x\n" * 700_000 + b'"\n', b"h\nlast",
    ]),
    ("lines", {"records": 1}, {"a.csv": b"\xef\xbb\xbfx\n1\n"}, [b"\xef\xbb\xbfx\n1\n"]),
    ("files", {}, {"b.txt": b"bee", "a.txt": b"ay", "none": b""}, [b"ay", b"bee"]),
    ("files", {"pattern": "*.txt"}, {"b.txt": b"bee", "a.csv": b"ay"}, [b"bee"]),
    ("files", {}, ZIP, [ZIP["all.zip"]]),
    ("files", {"unpack": True}, {**ZIP, "z.txt": b"zed"}, [b"ay", b"bee", b"zed"]),
    ("files", {"unpack": True}, {"all.tgz": tarred(one=b"1", two=b"2")}, [b"1", b"2"]),
    ("bytes", {}, {"a": b"x" * 100}, [b"x" * 100]),
    ("bytes", {"size_kib": 1}, {"a": b"x" * 1500, "b": b"y" * 1024}, [b"x" * 1024, b"x" * 476, b"y" * 1024]),
    ("bytes", {"by": "parts", "parts": 3}, {"a": b"abcdefgh"}, [b"abc", b"def", b"gh"]),
    ("bytes", {"by": "parts", "parts": 5}, {"a": b"ab", "b": b""}, [b"a", b"b"]),
    ("bytes", {"size_kib": 3000}, {"a": b"x" * 4_000_000}, [b"x" * 3_072_000, b"x" * 928_000]),
    ("replicas", {"count": 3}, {"bypass.bin": b"bypass\n"}, [b"bypass\n"] * 3),
    ("replicas", {}, {"a": b"a"}, [b"a"] * 10),
    ("grid", {"parameters": [{"name": "a", "values": [1, "ä", True]}]}, {}, points({"a": 1}, {"a": "ä"}, {"a": True})),
    ("grid", {"parameters": [{"name": "a", "values": [1, 2]}, {"name": "b", "from": 0.1, "to": 0.3, "step": 0.1}]}, {},
        points(*({"a": a, "b": b} for a in (1, 2) for b in (0.1, 0.2, 0.3)))),
    ("grid", {"combine": "zip", "parameters": [{"name": "a", "values": [1, 2]}, {"name": "b", "from": 5, "to": 6}]}, {},
        points({"a": 1, "b": 5}, {"a": 2, "b": 6})),
    ("grid", {"parameters": [{"name": "a", "from": 1, "to": 100, "count": 3, "scale": "log"}], "repeats": 2}, {},
        points(*({"a": a} for a in (1, 1, 10.000000000000002, 10.000000000000002, 100, 100)))),
    ("grid", {"parameters": [{"name": "a", "from": 1, "to": 0, "count": 5}]}, {},
        points(*({"a": a} for a in (1, 0.75, 0.5, 0.25, 0)))),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "params", "source", "chunks"), GOOD, ids=[f"{n}-{i}" for i, (n, *_) in enumerate(GOOD)]
)
def test_chunks(tmp_path: Path, name: str, params: Any, source: Mapping[str, bytes], chunks: list[bytes]) -> None:
    assert partition(tmp_path, name, params, source) == chunks


def axis(**over: Any) -> dict[str, Any]:
    return {"parameters": [{"name": "a", **over}]}


BAD: list[tuple[str, dict[str, Any], Mapping[str, bytes], str]] = [
    ("lines", {"records": 0}, TEXT, "'records' is 0. Give a whole number from 1"),
    ("lines", {"records": "two"}, TEXT, "'records' is 'two'"),
    ("lines", {"by": "lines"}, TEXT, "'by' is 'lines'. Choose one of: records, size."),
    ("lines", {"pattern": "*.csv"}, TEXT, "No file of the source matches '*.csv'. It has: a.txt."),
    ("lines", {}, {"a.csv": b'x\n"open\n1\n'}, "'a.csv' ends within quotes"),
    ("lines", {"quote": "''"}, TABLE, "'quote' must be one ASCII character"),
    ("lines", {}, {"a.csv": b"x,y\n"}, "The source has no record"),
    ("lines", {}, {"a.txt": b""}, "The source has no record"),
    ("lines", {}, {"a.txt": "a\n".encode("utf-16")}, "'a.txt' is UTF-16"),
    ("lines", {"records": 1}, {"a.txt": b"\n" * 100_001}, "more than 100,000 chunks. Ask for more records"),
    ("lines", {"header": "yes"}, {"a.txt": b"x" * 1_100_000}, "The header of 'a.txt' has more than 1 MiB"),
    ("files", {"pattern": "*.csv"}, TEXT, "No file of the source that matches '*.csv' has a byte. The source has: a.txt."),
    ("files", {"unpack": "yes"}, TEXT, "'unpack' is 'yes'. Choose true or false."),
    ("files", {}, {}, "The source has: no file"),
    ("files", {"unpack": True}, {"a.zip": ZIP["all.zip"].replace(b"bee", b"bad")}, "'in/b.txt' can't be read: Bad CRC-32"),
    ("files", {"unpack": True}, {"a.tgz": tarred(one=b"1" * 99_999)[:-40]}, "The archive 'a.tgz' can't be read"),
    ("bytes", {"size_kib": 0}, TEXT, "'size_kib' is 0"),
    ("bytes", {"by": "parts", "parts": True}, TEXT, "'parts' is True"),
    ("bytes", {"by": "lines"}, TEXT, "Choose one of: size, parts."),
    ("bytes", {"size_kib": 1}, {"a": b"\0" * 102_400_001}, "more than 100,000 chunks. Ask for larger ones."),
    ("bytes", {}, {"a": b""}, "The source has no byte"),
    ("replicas", {"count": 100_001}, TEXT, "'count' is 100001"),
    ("replicas", {}, {"a": b"1", "b": b"2"}, "The source has 2 files"),
    ("replicas", {}, {"a": b""}, "'a' is empty"),
    ("grid", {}, {}, "'parameters' must list what is varied"),
    ("grid", {"parameters": [{"values": [1]}]}, {}, "parameters/0 has no name"),
    ("grid", {"parameters": [{"name": "a", "values": [1]}] * 2}, {}, "'a' is listed twice"),
    ("grid", axis(values=[]), {}, "The values of 'a' must be a list"),
    ("grid", axis(to=1), {}, "'a' has neither values nor a range"),
    ("grid", axis(**{"from": 2, "to": 1}), {}, "goes from 2 to 1. Swap them."),
    ("grid", axis(**{"from": 1, "to": 2, "step": 0}), {}, "The step of 'a' is 0"),
    ("grid", axis(**{"from": "1", "to": 2}), {}, "The from of 'a' is '1'. Give a number."),
    ("grid", axis(**{"from": 0, "to": 1, "step": 1e-9}), {}, "has 1,000,000,001 values"),
    ("grid", axis(**{"from": 0, "to": 1, "count": 3, "scale": "log"}), {}, "must be above 0"),
    ("grid", axis(**{"from": 0, "to": 1, "count": 1}), {}, "The count of 'a' is 1"),
    ("grid", {"combine": "zip", "parameters": [{"name": "a", "values": [1]}, {"name": "b", "values": [1, 2]}]}, {},
        "a has 1, b has 2. Make them equal"),
    ("grid", {"parameters": [{"name": n, "values": list(range(400))} for n in "ab"]}, {}, "This makes 160,000 points"),
    ("grid", {**axis(values=[1]), "repeats": 0}, {}, "'repeats' is 0"),
    ("grid", {**axis(values=[1]), "combine": "all"}, {}, "Choose one of: product, zip."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "params", "source", "said"), BAD, ids=[f"{n}-{i}" for i, (n, *_) in enumerate(BAD)])
def test_what_it_refuses_says_what_to_do(
    tmp_path: Path, name: str, params: Any, source: Mapping[str, bytes], said: str
) -> None:
    with pytest.raises(Refused) as refused:
        partition(tmp_path, name, params, source)
    assert said in str(refused.value)
    assert str(refused.value).strip().endswith((".", "?"))


def test_whatever_a_csv_holds_its_chunks_together_are_the_whole(tmp_path: Path) -> None:
    """Random tables, with quotes, line ends and delimiters in their fields."""
    chance = random.Random(4)
    for number in range(12):
        rows = [["".join(chance.choices('ab,"\n ', k=chance.randrange(6))) or "x" for _ in range(3)] for _ in range(40)]
        into = io.StringIO(newline="")
        csv.writer(into, lineterminator=chance.choice(["\n", "\r\n"])).writerows([["h1", "h\n2", "h3"], *rows])
        root = tmp_path / str(number)
        root.mkdir()
        found = []
        for chunk in partition(root, "lines", {"records": chance.randrange(1, 9)}, {"a.csv": into.getvalue().encode()}):
            header, *own = csv.reader(io.StringIO(chunk.decode(), newline=""))
            assert header == ["h1", "h\n2", "h3"]
            found += own
        assert found == rows

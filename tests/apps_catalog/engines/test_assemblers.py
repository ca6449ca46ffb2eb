"""The built-in assemblers, each by a table of good and bad cases."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.apps_catalog.engines.programs import Refused, assemble

pytestmark = pytest.mark.slow

CSVS = {"0_o.csv": b"a,b\n1,2\n", "1_o.csv": b"a,b\r\n3,4", "2_o.csv": b"", "3_o.csv": b"a,b\n5,6\n"}
UNORDERED = {"first.csv": b"a\n2\n", "last.csv": b"a\n1\n"}
TASKS = [
    {"chunk": 0, "files": ["last.csv"], "parameters": {"rate": 0.1, "kind": "x"}},
    {"chunk": 2, "files": ["first.csv"], "parameters": {"rate": 0.2}},
]

GOOD: list[tuple[str, dict[str, Any], Mapping[str, bytes], Any, dict[str, bytes]]] = [
    ("concat", {}, CSVS, None, {"result.csv": b"a,b\n1,2\n3,4\n5,6\n"}),
    ("concat", {"header": "no", "output": "x"}, {"a": b"1\n", "b": b"1\n"}, None, {"x": b"1\n1\n"}),
    ("concat", {"header": "yes", "output": ""}, {"a.txt": b"h\n1\n", "b.txt": b"h\n"}, None, {"result.txt": b"h\n1\n"}),
    ("concat", {}, {"a.bin": b"\x00" * 2_000_000, "b.bin": b"1"}, None, {"result.bin": b"\x00" * 2_000_000 + b"1"}),
    ("concat", {}, UNORDERED, TASKS, {"result.csv": b"a\n1\n2\n"}),
    ("concat", {"pattern": "*.csv"}, {**UNORDERED, "n.txt": b"no"}, None, {"result.csv": b"a\n2\n1\n"}),
    ("json", {}, {"0.json": b"[1]", "1.json": b'{"a": "\xc3\xa4"}'}, None, {"results.json": '[\n[1],\n{"a": "ä"}\n]\n'.encode()}),
    ("json", {"output": "o"}, {"0.jsonl": b"1\n\n2\n", "n.txt": b"x"}, None, {"o": b"[\n1,\n2\n]\n"}),
    ("json", {}, {"0.jsonl": b""}, None, {"results.json": b"[]\n"}),
    ("table", {}, {"0.csv": b"a,b\n1,2\n", "1.csv": b"b,c\n3,4\n"}, None, {"table.csv": b"a,b,c\n1,2,\n,3,4\n"}),
    ("table", {}, UNORDERED, TASKS, {"table.csv": b"rate,kind,a\n0.1,x,1\n0.2,,2\n"}),
    ("table", {"parameters": False, "chunk": True}, UNORDERED, TASKS, {"table.csv": b"chunk,a\n0,1\n2,2\n"}),
    ("table", {}, {"0.json": b'{"rate": 1, "deep": [1, "x"], "none": null, "yes": true}', "1.json": b'[{"rate": 2}, {}]'},
        [{"chunk": 0, "files": ["0.json"], "parameters": {"rate": 9}}, {"chunk": 1, "files": ["1.json"]}],
        {"table.csv": b'task_rate,rate,deep,none,yes\n9,1,"[1, ""x""]",,true\n,2,,,\n,,,,\n'}),
    ("table", {"delimiter": ";"}, {"0.csv": b'\xef\xbb\xbfa;b\n"1\n;";2\n\n'}, None, {"table.csv": b'a;b\n"1\n;";2\n'}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "params", "results", "tasks", "output"), GOOD, ids=[f"{n}-{i}" for i, (n, *_) in enumerate(GOOD)]
)
def test_output(
    tmp_path: Path, name: str, params: Any, results: Mapping[str, bytes], tasks: Any, output: dict[str, bytes]
) -> None:
    assert assemble(tmp_path, name, params, results, tasks) == output


def test_json_can_say_which_task_a_value_is_of(tmp_path: Path) -> None:
    tasks = [{"chunk": 3, "files": ["b.json"], "parameters": {"rate": 1}}, {"chunk": 4, "files": ["a.json"]}]
    made = assemble(tmp_path, "json", {"with_task": True}, {"a.json": b"1", "b.json": b"2"}, tasks)
    assert json.loads(made["results.json"]) == [
        {"chunk": 3, "parameters": {"rate": 1}, "result": 2},
        {"chunk": 4, "result": 1},
    ]


@pytest.mark.parametrize(
    ("params", "names"),
    [({}, ["last.csv", "first.csv"]), ({"layout": "by_chunk", "compression": "store"}, ["0/last.csv", "2/first.csv"])],
)
def test_zip_packs_in_the_order_of_chunks_and_the_same_gives_the_same(
    tmp_path: Path, params: Any, names: list[str]
) -> None:
    made = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        made.append(assemble(tmp_path / str(number), "zip", params, UNORDERED, TASKS)["results.zip"])
    assert made[0] == made[1]
    with zipfile.ZipFile(io.BytesIO(made[0])) as archive:
        assert archive.namelist() == names
        assert archive.testzip() is None
        assert archive.read(names[0]) == UNORDERED["last.csv"]


BAD: list[tuple[str, dict[str, Any], Mapping[str, bytes], str]] = [
    *((name, {"output": "../x"}, CSVS, "Give a file name without a folder") for name in ("concat", "zip", "json", "table")),
    *((name, {"pattern": "*.png"}, CSVS, "No result matches '*.png'. The tasks left: 0_o.csv, 1_o.csv") for name in ("concat", "zip", "json", "table")),
    *((name, {"pattern": 3}, CSVS, "'pattern' is 3. Give a text.") for name in ("concat", "zip", "json", "table")),
    *((name, {}, {}, "The tasks left: no file") for name in ("concat", "zip", "json", "table")),
    ("concat", {}, {"0.csv": b"a\n1\n", "1.csv": b"b\n2\n"}, "'1.csv' has another header than '0.csv': 'b' in place of 'a'. Use the assembler 'table'"),
    ("concat", {"header": True}, CSVS, "Choose one of: auto, yes, no."),
    ("zip", {"layout": "deep"}, CSVS, "Choose one of: flat, by_chunk."),
    ("zip", {"compression": "best"}, CSVS, "Choose one of: deflate, store."),
    ("json", {}, {"0.json": b"{"}, "'0.json' is no JSON"),
    ("json", {}, {"0.jsonl": b"1\n{\n"}, "'0.jsonl' is no JSON"),
    ("json", {"with_task": 1}, {"0.json": b"1"}, "Choose true or false."),
    ("table", {}, {"0.csv": b"a,a\n1,2\n"}, "'0.csv' has the column 'a' twice"),
    ("table", {}, {"0.csv": b"a\n1\n1,2\n"}, "Record 3 of '0.csv' has 2 fields, its header 1."),
    ("table", {}, {"0.csv": b"a\n\xff\n"}, "'0.csv' can't be read as a table"),
    ("table", {}, {"0.json": b"[1]"}, "'0.json' holds int where a row is wanted"),
    ("table", {"delimiter": ";;"}, CSVS, "'delimiter' is ';;'. Give one character"),
    ("table", {"chunk": "yes"}, CSVS, "'chunk' is 'yes'. Choose true or false."),
]  # fmt: skip


@pytest.mark.parametrize(("name", "params", "results", "said"), BAD, ids=[f"{n}-{i}" for i, (n, *_) in enumerate(BAD)])
def test_what_it_refuses_says_what_to_do(
    tmp_path: Path, name: str, params: Any, results: Mapping[str, bytes], said: str
) -> None:
    with pytest.raises(Refused) as refused:
        assemble(tmp_path, name, params, results)
    assert said in str(refused.value)

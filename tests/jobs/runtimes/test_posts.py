"""The post of a kept container: what is forgotten is gone at once, and a keeper outlives what goes under its hands."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from apps_catalog.launch import harness
from jobs.runtimes.posts import Record, records, tidy

KEEPER = Path(harness.__file__).parent / "container" / "keeper.py"


@pytest.fixture(scope="module")
def keeper_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("keeper_of_tests", KEEPER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def keeper(keeper_module: ModuleType, tmp_path: Path) -> Any:
    """One that only looks: it listens to nothing and starts nothing."""
    made = object.__new__(keeper_module.Keeper)
    made.post, made.task = str(tmp_path), None
    return made


def settled(post: Path, name: str) -> Record:
    record = Record(post, name)
    record.folder.mkdir()
    for file in ("task.json", "begun", "end.json", "log"):
        (record.folder / file).write_text("{}")
    return record


def test_a_keeper_that_looks_while_a_task_is_forgotten_sees_nothing_to_begin(
    keeper: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    real: Callable[..., None] = shutil.rmtree

    def slowly(path: Path, **how: Any) -> None:
        (path / "begun").unlink()  # as the first of its files may go
        looked.append((keeper.names(), keeper.look(), records(tmp_path)))
        real(path, **how)

    record = settled(tmp_path, "job-1-run-0-1")
    monkeypatch.setattr(shutil, "rmtree", slowly)
    record.forget()
    assert looked == [([], None, [])]
    assert not record.asked
    assert list(tmp_path.iterdir()) == []
    record.forget()  # nothing is there any more


def test_a_keeper_outlives_a_task_that_goes_while_it_begins(
    keeper: Any, keeper_module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert keeper.begin("gone") is None
    record = settled(tmp_path, "going")
    (record.folder / "begun").unlink()
    opened = []

    def goes(path: str, *how: Any) -> int:
        opened.append(keeper_module.os.dup(0))
        record.forget()
        monkeypatch.undo()
        return int(opened[0])

    monkeypatch.setattr(keeper_module.os, "open", goes)
    assert keeper.begin("going") is None
    with pytest.raises(OSError, match="Bad file descriptor"):
        keeper_module.os.fstat(opened[0])  # nothing of it stays open


def test_what_killed_processes_left_is_tidied_and_what_counts_stays(tmp_path: Path) -> None:
    record = settled(tmp_path, "one")
    (tmp_path / ".half").mkdir()
    (tmp_path / ".half" / "log").write_text("x")
    (tmp_path / ".word").write_text("0")
    (tmp_path / ".link").symlink_to(record.folder)
    (tmp_path / "bell").touch()
    tidy(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bell", "one"]
    assert [one.name for one in records(tmp_path)] == ["one"]
    assert record.ended is not None

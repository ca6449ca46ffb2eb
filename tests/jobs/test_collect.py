"""R36, S5, S6: what a job left is taken safely, in bounded time, room and memory; and its disk use is measured."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage

from jobs import collect
from jobs.collect import Collected, Item
from jobs.store import put
from portal.errors import Full
from tests.jobs.trees import SECRET, outside, plant_traps, swapping
from tests.watchdog import ends

MIB = 2**20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    return folder


@pytest.fixture
def store(tmp_path: Path) -> FileSystemStorage:
    return FileSystemStorage(location=tmp_path / "store")


def take(root: Path, store: FileSystemStorage, *, files_max: int = 100, bytes_max: int = MIB) -> Collected:
    return collect.collect(root, store=store, prefix="results/7/run-0-1", files_max=files_max, bytes_max=bytes_max)


def by_path(collected: Collected) -> dict[str, Item]:
    return {item.path: item for item in collected.items}


def in_store(store: FileSystemStorage) -> list[bytes]:
    return sorted(path.read_bytes() for path in Path(store.location).rglob("*") if path.is_file())


def test_files_are_stored_with_size_hash_and_type(root: Path, store: FileSystemStorage) -> None:
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "er" / "plot.png").write_bytes(b"png")
    (root / "table.csv").write_bytes(b"a,b\n")
    (root / "empty").touch()
    collected = take(root, store)
    assert collected.truncated == ""
    assert [item.path for item in collected.items] == ["deep/er/plot.png", "empty", "table.csv"]
    table = by_path(collected)["table.csv"]
    assert (table.size, table.sha256) == (4, hashlib.sha256(b"a,b\n").hexdigest())
    assert [item.media_type for item in collected.items] == ["image/png", "application/octet-stream", "text/csv"]
    with store.open(table.stored) as file:
        assert file.read() == b"a,b\n"


def test_names_of_files_never_reach_the_store(root: Path, store: FileSystemStorage) -> None:
    for name in ("<script>", "-rf", "$(id)", "..\\..\\x", "a\nb", "\U0001f680", "\u202egnp.exe", "n" * 255):
        (root / name).write_bytes(name.encode())
    collected = take(root, store)
    assert len(in_store(store)) == 8
    for item in collected.items:
        assert item.stored.startswith("results/7/run-0-1/")
        assert set(item.stored.rsplit("/", 1)[1]) <= set("0123456789abcdef")


def test_again_after_a_crash_the_same_names_hold_the_new_bytes(root: Path, store: FileSystemStorage) -> None:
    (root / "a").write_bytes(b"half")
    first = take(root, store)
    (root / "a").write_bytes(b"whole")
    second = take(root, store)
    assert first.items[0].stored == second.items[0].stored
    assert in_store(store) == [b"whole"]


def test_links_pipes_sockets_and_devices_are_listed_and_never_read(
    root: Path, store: FileSystemStorage, tmp_path: Path
) -> None:
    traps = plant_traps(root, outside(tmp_path) / "secret.txt")
    (root / "good").write_bytes(b"good")
    with ends():
        items = by_path(take(root, store))
    assert {path for path, item in items.items() if item.skipped} == traps
    assert (items["link"].skipped, items["pipe"].skipped) == ("link", "named pipe")
    assert in_store(store) == [b"good"]


def test_a_hard_link_is_not_taken(root: Path, store: FileSystemStorage, tmp_path: Path) -> None:
    os.link(outside(tmp_path) / "secret.txt", root / "hard")
    assert take(root, store).items == [Item("hard", len(SECRET), skipped="hard link")]
    assert in_store(store) == []


def test_names_that_are_not_utf8_are_listed_escaped_and_apart(root: Path, store: FileSystemStorage) -> None:
    with open(os.fsencode(root) + b"/a-\xff", "wb") as file:  # noqa: PTH123 - bytes that no Path takes
        file.write(b"x")
    (root / "a-\\xff").write_bytes(b"y")
    items = take(root, store).items
    assert len({item.path for item in items}) == 2
    assert sorted(item.skipped for item in items) == ["", "name is not UTF-8"]
    assert in_store(store) == [b"y"]


def test_a_deep_tree_is_taken_down_to_a_depth(root: Path, store: FileSystemStorage) -> None:
    deep = root.joinpath(*["d"] * 40)
    deep.mkdir(parents=True)
    (deep / "lost").touch()
    (root / "d" / "d" / "found").touch()
    skipped = [item for item in take(root, store).items if item.skipped]
    assert [item.path for item in skipped] == ["/".join("d" * 32)]
    assert skipped[0].skipped == "more than 32 folders deep"


def test_very_long_paths_are_listed_cut(root: Path, store: FileSystemStorage) -> None:
    folder = root
    for _ in range(5):
        folder = folder / ("\U0001f680" * 60)
    folder = folder / ("x" * 200) / ("y" * 200) / ("z" * 200) / ("w" * 200)
    folder.mkdir(parents=True)
    (folder / "one").touch()
    (folder / "two").touch()
    items = take(root, store).items
    assert len({item.path for item in items}) == 2
    assert all(len(item.path) <= 1024 and item.skipped for item in items)


def test_a_sparse_terabyte_is_left_out_and_the_rest_taken(root: Path, store: FileSystemStorage) -> None:
    with (root / "huge").open("wb") as file:
        file.truncate(2**40)
    (root / "small").write_bytes(b"small")
    with ends():
        collected = take(root, store)
    assert by_path(collected)["huge"].skipped == "too large for the room left (1024 GiB)"
    assert collected.truncated == "1 result was left out: together they may have 1 MiB."
    assert in_store(store) == [b"small"]


def test_bytes_are_counted_together(root: Path, store: FileSystemStorage) -> None:
    for name in "abc":
        (root / name).write_bytes(b"x" * 400)
    collected = take(root, store, bytes_max=1000)
    assert sum(item.size for item in collected.items if item.stored) == 800
    assert "1 result was left out" in collected.truncated


@pytest.mark.slow
def test_of_very_many_files_a_part_is_taken_with_a_mark_in_flat_memory(root: Path, store: FileSystemStorage) -> None:
    for number in range(20_000):
        (root / f"file-{number}").touch()
    tracemalloc.start()
    collected = take(root, store, files_max=100)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(collected.items) == 100
    assert collected.truncated == "Of the results only 100 files were looked at; there are more."
    assert peak < 2 * MIB


def test_very_many_empty_folders_end_it_too(root: Path, store: FileSystemStorage) -> None:
    for number in range(2_000):
        (root / str(number)).mkdir()
    collected = take(root, store, files_max=10)
    assert (collected.items, bool(collected.truncated)) == ([], True)


def test_exactly_as_many_as_allowed_is_not_too_many(root: Path, store: FileSystemStorage) -> None:
    for name in "abc":
        (root / name).touch()
    assert take(root, store, files_max=3).truncated == ""


def test_a_folder_swapped_for_a_link_while_collecting_never_leads_out(
    root: Path, store: FileSystemStorage, tmp_path: Path
) -> None:
    target = outside(tmp_path)
    with swapping(root / "door", target):
        until = time.monotonic() + 1
        while time.monotonic() < until:
            take(root, store)
    assert SECRET not in in_store(store)


def test_a_file_swapped_for_a_pipe_or_a_link_never_hangs_nor_leads_out(
    root: Path, store: FileSystemStorage, tmp_path: Path
) -> None:
    secret = outside(tmp_path) / "secret.txt"
    stop = threading.Event()

    def swap() -> None:
        spare = tmp_path / "spare"
        while not stop.is_set():
            spare.write_bytes(b"inside")
            spare.rename(root / "a")
            os.mkfifo(spare)
            spare.rename(root / "a")
            spare.symlink_to(secret)
            spare.rename(root / "a")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        until = time.monotonic() + 1
        while time.monotonic() < until:
            for item in take(root, store).items:
                assert item.skipped or item.sha256 in (
                    hashlib.sha256(b"inside").hexdigest(),
                    hashlib.sha256(b"").hexdigest(),
                )
    finally:
        stop.set()
        thread.join()
    assert SECRET not in in_store(store)


def test_a_file_that_grows_is_taken_as_long_as_it_was(root: Path, store: FileSystemStorage) -> None:
    (root / "a").write_bytes(b"x" * 10)
    with (root / "a").open("rb") as file:
        assert b"".join(collect._pieces(file.fileno(), 4)) == b"xxxx"


def test_a_store_without_room_says_so_and_keeps_no_half_of_a_file(store: FileSystemStorage) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 1000
        raise OSError(28, "No space left on device")

    with pytest.raises(Full, match="disk is full"):
        put(store, "results/a", broken(), limit_bytes=MIB)
    assert in_store(store) == []


# Measuring


def test_measuring_counts_what_is_on_disk(root: Path) -> None:
    (root / "a").write_bytes(b"x" * 100_000)
    (root / "folder").mkdir()
    os.link(root / "a", root / "folder" / "same")
    with (root / "sparse").open("wb") as file:
        file.truncate(2**40)
    assert 100_000 <= collect.measure(root, 10 * MIB) < 130_000
    assert collect.measure(root / "none", MIB) == 0


def test_measuring_stops_once_past_the_limit(root: Path) -> None:
    for number in range(3_000):
        (root / f"empty{number}").touch()
    assert collect.measure(root, 100_000) == 102_400


def test_a_tree_too_deep_to_walk_hides_nothing(root: Path) -> None:
    root.joinpath(*["d"] * 120).mkdir(parents=True)
    assert collect.measure(root, MIB) > MIB


def test_measuring_never_leaves_the_folder(root: Path, tmp_path: Path) -> None:
    target = outside(tmp_path)
    (target / "large").write_bytes(b"x" * MIB)
    plant_traps(root, target / "large")
    with swapping(root / "door", target):
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            assert collect.measure(root, 10 * MIB) < MIB


def test_a_store_that_fails_in_the_middle_keeps_nothing_of_the_results(
    root: Path, store: FileSystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (root / name).write_bytes(b"whole")
    left = [1, 1]

    def putting(*given: Any, **more: Any) -> Any:
        if not left:
            raise Full("The disk is full.")
        left.pop()
        return put(*given, **more)

    monkeypatch.setattr("jobs.store.put", putting)
    with pytest.raises(Full):
        take(root, store)
    assert in_store(store) == []

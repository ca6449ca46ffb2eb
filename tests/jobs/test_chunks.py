"""Chunks: what is one, what is none and why, links and copies, limits, and taking them twice."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage

from jobs import chunks
from jobs.chunks import ChunksRefused
from jobs.outcomes import Chunk

Write = Callable[[Path], Any]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "chunks"
    folder.mkdir()
    return folder


def take(root: Path, settings: Any, **over: Any) -> list[Chunk]:
    storage = FileSystemStorage(settings.STORE_ROOT)
    limits = {"most": 5, "bytes_max": 2**20} | over
    return chunks.take(root, storage=storage, prefix="chunks/7", **limits)


def sparse(path: Path, size: int) -> None:
    path.touch()
    os.truncate(path, size)


def twice(folder: Path) -> None:
    (folder / "data_0.bin").write_bytes(b"x")
    os.link(folder / "data_0.bin", folder / "data_1.bin")


BAD: list[tuple[Write, str]] = [
    (lambda folder: None, "The partitioner wrote no chunk. It must write data_0.bin, data_1.bin, ... into CHUNKS_DIR."),
    (
        lambda folder: (folder / "part_0.bin").write_bytes(b"x"),
        "the file 'part_0.bin' in CHUNKS_DIR, which is no chunk",
    ),
    (lambda folder: (folder / "data_00.bin").write_bytes(b"x"), "'data_00.bin'"),
    (lambda folder: (folder / "data_1.bin.tmp").write_bytes(b"x"), "'data_1.bin.tmp'"),
    (lambda folder: (folder / "sub").mkdir(), "the folder 'sub'"),
    (lambda folder: (folder / "data_0.bin").write_bytes(b""), "The chunk data_0.bin is empty."),
    (lambda folder: (folder / "data_1.bin").write_bytes(b"x"), "data_0.bin is missing, though there is a data_1.bin"),
    (lambda folder: (folder / "data_0.bin").symlink_to("/etc/passwd"), "data_0.bin is no file but a link"),
    (lambda folder: os.mkfifo(folder / "data_0.bin"), "data_0.bin is no file but a named pipe"),
    (lambda folder: (folder / "data_0.bin").mkdir(), "data_0.bin is no file but a folder"),
    (lambda folder: [(folder / f"data_{n}.bin").write_bytes(b"x") for n in range(6)], "more than 5 chunks"),
    (lambda folder: sparse(folder / "data_0.bin", 2**40), "1024 GiB together"),
    (twice, "is a hard link"),
    (lambda folder: (folder / os.fsdecode(b"data_\xff.bin")).write_bytes(b"x"), "which is no chunk"),
]


@pytest.mark.parametrize(("write", "said"), BAD, ids=[said[:30] for _, said in BAD])
def test_what_is_no_chunk_is_refused_with_its_name(
    root: Path, folders: Path, settings: Any, write: Write, said: str
) -> None:
    write(root)
    with pytest.raises(ChunksRefused) as refused:
        take(root, settings)
    assert said in str(refused.value)
    assert not (settings.STORE_ROOT / "chunks/7").exists()


def test_a_hundred_thousand_and_one_are_refused_without_looking_at_all(
    root: Path, folders: Path, settings: Any
) -> None:
    for number in range(200):
        (root / f"data_{number}.bin").write_bytes(b"x")
    with pytest.raises(ChunksRefused, match="more than 100 chunks"):
        take(root, settings, most=100)
    assert settings.CHUNKS_MAX == 100_000


def test_chunks_are_linked_in_order_and_taking_them_twice_changes_nothing(
    root: Path, folders: Path, settings: Any
) -> None:
    for number in (2, 0, 1):
        (root / f"data_{number}.bin").write_bytes(b"x" * (number + 1))
    first = take(root, settings)
    assert first == [Chunk(f"chunks/7/{number}", number + 1) for number in range(3)]
    assert take(root, settings) == first
    stored = settings.STORE_ROOT / "chunks/7/2"
    assert stored.read_bytes() == b"xxx"
    assert stored.stat().st_ino == (root / "data_2.bin").stat().st_ino


def test_what_was_half_taken_before_a_crash_is_taken_anew(root: Path, folders: Path, settings: Any) -> None:
    place = settings.STORE_ROOT / "chunks/7"
    place.mkdir(parents=True)
    (place / "0").write_bytes(b"cut")
    (root / "data_0.bin").write_bytes(b"whole")
    take(root, settings)
    assert (place / "0").read_bytes() == b"whole"


def test_on_another_file_system_they_are_copied(folders: Path, settings: Any, tmp_path: Path) -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    root = shm / f"slipway-{os.getpid()}"
    root.mkdir()
    try:
        (root / "data_0.bin").write_bytes(b"far")
        take(root, settings)
    finally:
        (root / "data_0.bin").unlink()
        root.rmdir()
    assert (settings.STORE_ROOT / "chunks/7/0").read_bytes() == b"far"


def test_one_that_is_too_large_to_copy_is_refused(root: Path, folders: Path, settings: Any) -> None:
    (root / "data_0.bin").write_bytes(b"x" * 100)
    with pytest.raises(ChunksRefused, match="together"):
        take(root, settings, bytes_max=50)

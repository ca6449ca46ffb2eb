"""One flat list of the files of all tasks: unique, in the order of chunks, unchanged where nothing collides."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobs.flat_names import NAME_BYTES_MAX, flat_names

NAMES = st.sampled_from(
    ["out.txt", "a.png", "0_out.txt", "1_out.txt", "out", ".hidden", "sub/out.txt", "d/e/out.txt", "ü" * 200]
)
FILES = st.lists(st.tuples(st.integers(0, 99), NAMES), max_size=60, unique=True)


def test_unique_names_stay_and_others_are_numbered_by_chunk() -> None:
    files = [(0, "out.png"), (1, "out.png"), (10, "out.png"), (10, "log/note.txt")]
    assert flat_names(files, chunks=11) == ["00_out.png", "01_out.png", "10_out.png", "note.txt"]


def test_one_name_in_several_folders_of_a_task_keeps_them() -> None:
    files = [(0, "a/x.txt"), (0, "b/x.txt"), (1, "x.txt")]
    assert flat_names(files, chunks=2) == ["0_a_x.txt", "0_b_x.txt", "1_x.txt"]


def test_a_name_that_looks_numbered_already_is_no_trouble() -> None:
    files = [(0, "0_x.txt"), (0, "x.txt"), (1, "x.txt")]
    assert flat_names(files, chunks=2) == ["0_x.txt", "0_x-2.txt", "1_x.txt"]


def test_nothing_is_no_trouble() -> None:
    assert flat_names([], chunks=0) == []


@given(FILES)
def test_names_differ_fit_and_list_in_the_order_of_chunks(files: list[tuple[int, str]]) -> None:
    names = flat_names(files, chunks=100)
    assert len(set(names)) == len(names)
    assert all(0 < len(name.encode()) <= NAME_BYTES_MAX and "/" not in name for name in names)
    plain = {"out.txt"}
    numbered = [
        (name, chunk)
        for name, (chunk, path) in zip(names, files, strict=True)
        if path in plain and name == f"{chunk:02}_out.txt"
    ]
    assert [chunk for _, chunk in sorted(numbered)] == sorted(chunk for _, chunk in numbered)

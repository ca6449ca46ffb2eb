"""S4 to S6: no path, link, pipe or race leads out of a root."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import safe_paths
from jobs.safe_paths import PathRefused
from portal.errors import NotFound
from tests.jobs.trees import SECRET, outside, plant_traps, swapping
from tests.watchdog import ends

GOOD = {
    "": (),
    ".": (),
    "a": ("a",),
    "a/b.txt": ("a", "b.txt"),
    "a//b/": ("a", "b"),
    "./a/./b": ("a", "b"),
    "...": ("...",),
    "..a/b..": ("..a", "b.."),
    "%2e%2e/a": ("%2e%2e", "a"),
    "-rf": ("-rf",),
    "~": ("~",),
    "a\\b": ("a\\b",),
    "name with blanks ": ("name with blanks ",),
    "e\u0301": ("e\u0301",),
    "\u05d0\u05d1/\U0001f680": ("\u05d0\u05d1", "\U0001f680"),
    "n" * 255: ("n" * 255,),
}
BAD = [
    "..",
    "../a",
    "a/..",
    "a/../b",
    "a/../../b",
    "/",
    "/etc/passwd",
    "//a",
    "a\0b",
    "\0",
    "a/\ud800",
    "n" * 256,
    "\U0001f680" * 64,
    "/".join("a" * 101),
    "/".join(["n" * 200] * 25),
]


@pytest.mark.parametrize(("path", "names"), GOOD.items())
def test_good_paths_are_taken_apart(path: str, names: tuple[str, ...]) -> None:
    assert safe_paths.parts(path) == names


@pytest.mark.parametrize("path", BAD)
def test_bad_paths_are_refused_in_words(path: str) -> None:
    with pytest.raises(PathRefused) as refused:
        safe_paths.parts(path)
    assert refused.value.status == 400
    assert refused.value.message.endswith(".")


@given(st.text(st.characters() | st.sampled_from("/.\\\0\n"), max_size=40))
def test_any_text_is_refused_or_stays_inside(path: str) -> None:
    try:
        names = safe_paths.parts(path)
    except PathRefused:
        return
    joined = os.path.normpath(os.path.join("/root", *names))  # noqa: PTH118 - text alone is judged
    assert joined == "/root" or joined.startswith("/root/")
    assert all("/" not in name and name not in ("", ".", "..") for name in names)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", "a\nb", "a\x1b[0m", "a\u2028b", " a", "a ", "a/", ".slipway-x", "n" * 256]
)
def test_names_that_people_may_not_give(name: str) -> None:
    with pytest.raises(PathRefused):
        safe_paths.fresh_name(name)


@pytest.mark.parametrize("name", ["a", ".hidden", "-x", "<b>&\"'.txt", "\U0001f680", "\u202etxt.exe", "a b", "n" * 255])
def test_names_that_people_may_give(name: str) -> None:
    assert safe_paths.fresh_name(name) == name


def test_links_pipes_and_devices_are_not_opened(tmp_path: Path) -> None:
    secret = outside(tmp_path) / "secret.txt"
    root = tmp_path / "root"
    root.mkdir()
    for name in plant_traps(root, secret):
        with ends(), safe_paths.opened(root) as fd, pytest.raises(PathRefused):
            safe_paths.open_file(name, within=fd)
    with pytest.raises(PathRefused), safe_paths.opened(root, ["folder-link"]):
        pass
    with pytest.raises(NotFound), safe_paths.opened(root, ["none"]):
        pass


def test_a_root_that_is_a_link_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "root").symlink_to(outside(tmp_path))
    with pytest.raises(OSError, match="Not a directory"), safe_paths.opened(tmp_path / "root"):
        pass


def test_a_folder_swapped_for_a_link_never_leads_out(tmp_path: Path) -> None:
    target = outside(tmp_path)
    root = tmp_path / "root"
    root.mkdir()
    read = refused = 0
    with swapping(root / "door", target):
        until = time.monotonic() + 1
        while time.monotonic() < until:
            try:
                with (
                    safe_paths.opened(root, ["door"]) as fd,
                    safe_paths.open_file("secret.txt", within=fd) as file,
                ):
                    assert file.read() == b"inside"
                    read += 1
            except (PathRefused, NotFound):
                refused += 1
    assert read
    assert refused


def test_a_walk_over_a_swapping_folder_stays_inside(tmp_path: Path) -> None:
    target = outside(tmp_path)
    root = tmp_path / "root"
    root.mkdir()
    with swapping(root / "door", target):
        until = time.monotonic() + 1
        while time.monotonic() < until:
            with safe_paths.opened(root) as fd:
                for found in safe_paths.walk(fd):
                    assert found.kind != "file" or found.stat.st_size != len(SECRET)


def test_a_deep_tree_is_walked_to_its_limit_and_removed_whole(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(600):
        os.mkdir("d" * 20, dir_fd=here)  # far longer than any path may be
        below = os.open("d" * 20, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    with safe_paths.opened(tmp_path) as fd:
        found = list(safe_paths.walk(fd, depth_max=32))
        assert [one.kind for one in found] == ["folder"] * 31 + ["deep"]
        assert safe_paths.remove("d" * 20, within=fd, entries_max=10_000)
    assert list(tmp_path.iterdir()) == []


def test_removing_never_follows_a_link(tmp_path: Path) -> None:
    target = outside(tmp_path)
    root = tmp_path / "root"
    (root / "folder" / "deeper").mkdir(parents=True)
    plant_traps(root / "folder", target / "secret.txt")
    plant_traps(root / "folder" / "deeper", target / "secret.txt")
    with safe_paths.opened(root) as fd:
        assert safe_paths.remove("folder", within=fd, entries_max=1000)
    assert list(root.iterdir()) == []
    assert (target / "secret.txt").read_bytes() == SECRET


def test_removing_stops_at_its_bound_and_goes_on_later(tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(2500):
        (folder / str(number)).touch()
    with safe_paths.opened(tmp_path) as fd:
        assert not safe_paths.remove("many", within=fd, entries_max=1000)
        assert safe_paths.remove("many", within=fd, entries_max=10_000)
        assert safe_paths.remove("many", within=fd, entries_max=10_000)
    assert not folder.exists()


def test_a_folder_swapped_while_it_is_removed_takes_nothing_else_along(tmp_path: Path) -> None:
    target = outside(tmp_path)
    for number in range(50):
        (target / f"kept{number}").touch()
    for _ in range(30):
        root = tmp_path / "root"
        (root / "bin").mkdir(parents=True)
        with swapping(root / "bin" / "door", target), safe_paths.opened(root) as fd:
            try:
                safe_paths.remove("bin", within=fd, entries_max=200)
            except OSError:
                break  # the swapping thread lost its folder: as good an end as any
        with safe_paths.opened(tmp_path) as fd:
            safe_paths.remove("root", within=fd, entries_max=1000)
    assert len(list(target.iterdir())) == 51

"""What is read out of an image: layer over layer, whiteouts honoured, links not followed, every bound kept."""

from __future__ import annotations

import gzip
import io
import tarfile
import time

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.runtimes.image_layers import LIMITS, ImageFault, ImageFiles, read_image
from portal.tar_stream import Budget
from tests.jobs.runtimes.saved_images import (
    APPDEF,
    Member,
    chunks,
    folder,
    of,
    one_file,
    packed,
    saved,
    saved_as_oci,
    special,
    tar,
)
from tests.watchdog import ends

BELOW = tar(("etc/passwd", b"x"), (APPDEF, b"old"), ("etc/NAE/license.txt", b"terms"))


def read(data: bytes, budget: Budget | None = None) -> ImageFiles:
    return read_image(chunks(data), budget)


def upper(*members: Member) -> dict[str, bytes]:
    return dict(read(saved(BELOW, tar(*members))).files)


def test_all_five_files_are_found_in_either_layout_packed_or_not() -> None:
    layer = tar(
        *of(AppDef_json=b"{}", screenshot_png=b"\x89PNG", license_txt=b"l", url_txt=b"u", help_html=b"h"),
        ("bin/x", b"x" * 9999),
    )
    expected = {
        "AppDef.json": b"{}",
        "screenshot.png": b"\x89PNG",
        "license.txt": b"l",
        "url.txt": b"u",
        "help.html": b"h",
    }
    zipped = zstandard.ZstdCompressor().compress(layer)
    twice = gzip.compress(layer[:5000]) + gzip.compress(layer[5000:])
    for stream in (
        saved(layer),
        saved_as_oci(layer),
        saved_as_oci(packed(layer)),
        saved(zipped),
        saved(twice),
        saved_as_oci(b"", layer),
    ):
        assert read(stream).files == expected


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_every_kind_of_tar_is_read(form: int) -> None:
    deep = "/".join(["folder" * 5] * 7)
    layer = tar((deep[:150] if form == tarfile.USTAR_FORMAT else deep, b"y" * 700), ("./" + APPDEF, b"{}"), format=form)
    assert read(saved(layer)).files == {"AppDef.json": b"{}"}


@pytest.mark.parametrize("name", [APPDEF, f"./{APPDEF}", f"/{APPDEF}", "etc//NAE/./AppDef.json"])
def test_the_path_may_be_written_in_several_ways(name: str) -> None:
    assert read(one_file(b"{}", name)).files == {"AppDef.json": b"{}"}


@pytest.mark.parametrize(
    "name",
    [
        "etc/../etc/NAE/AppDef.json",
        "../etc/NAE/AppDef.json",
        "opt/etc/NAE/AppDef.json",
        "etc/nae/AppDef.json",
        "etc/NAE/AppDef.json/x",
    ],
)
def test_other_paths_are_not_taken(name: str) -> None:
    assert read(one_file(b"{}", name)).files == {}


def test_the_last_layer_wins_whatever_their_order_in_the_stream() -> None:
    for reverse in (True, False):
        found = read(saved(BELOW, tar((APPDEF, b"new")), tar(("x", b"")), reverse=reverse))
        assert found.files == {"AppDef.json": b"new", "license.txt": b"terms"}


def test_whiteouts_hide_what_lies_below_and_nothing_else() -> None:
    assert upper(("etc/NAE/.wh.AppDef.json", b"")) == {"license.txt": b"terms"}
    assert upper(("etc/.wh.NAE", b"")) == {}
    assert upper((".wh.etc", b"")) == {}
    assert upper(("etc/NAE/.wh..wh..opq", b""), (APPDEF, b"new")) == {"AppDef.json": b"new"}
    assert upper((APPDEF, b"new"), ("etc/.wh..wh..opq", b"")) == {"AppDef.json": b"new"}
    assert upper((".wh..wh..opq", b"")) == {}
    assert upper(("opt/.wh.AppDef.json", b""), ("etc/.wh.passwd", b"")) == {
        "AppDef.json": b"old",
        "license.txt": b"terms",
    }
    assert upper(folder("etc/NAE")) == {"AppDef.json": b"old", "license.txt": b"terms"}
    again = saved(BELOW, tar(("etc/NAE/.wh.AppDef.json", b"")), tar((APPDEF, b"third")))
    assert read(again).files == {"AppDef.json": b"third", "license.txt": b"terms"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_passed_over_with_a_note(kind: bytes) -> None:
    found = read(saved(BELOW, tar(special(APPDEF, kind, "etc/passwd"))))
    assert found.files == {"license.txt": b"terms"}, "it hides the file below, and is none itself"
    assert "/etc/NAE/AppDef.json is a" in found.notes[0]
    assert "passed over" in found.notes[0]


def test_a_folder_that_became_a_link_hides_what_was_in_it() -> None:
    found = read(saved(BELOW, tar(special("etc/NAE", tarfile.SYMTYPE, "/opt/NAE"), ("opt/NAE/AppDef.json", b"{}"))))
    assert found.files == {}
    assert "Links are not followed" in found.notes[0]


def test_a_layer_that_is_a_link_to_another_is_found() -> None:
    """Engines before 25 save a layer once where two have the same bytes."""
    first, second = f"{0:064x}/layer.tar", f"{1:064x}/layer.tar"
    manifest = f'[{{"Layers": ["{first}", "{second}"]}}]'.encode()
    stream = tar((first, BELOW), special(second, tarfile.SYMTYPE, f"../{first}"), ("manifest.json", manifest))
    assert read(stream).files["AppDef.json"] == b"old"


def test_a_file_that_is_too_large_is_named_and_not_kept() -> None:
    found = read(one_file(b"x" * (LIMITS["url.txt"] + 1), "etc/NAE/url.txt"))
    assert found.files == {}
    assert found.notes == ("/etc/NAE/url.txt has 65537 bytes; at most 65536 are read.",)


def test_a_sparse_file_before_ours_is_skipped() -> None:
    info = tarfile.TarInfo("big")
    info.size = 512
    block = bytearray(info.tobuf(format=tarfile.GNU_FORMAT))
    block[156:157] = b"S"
    block[482] = 1
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    assert read(saved(bytes(block) + b"\0" * 512 + b"d" * 512 + tar((APPDEF, b"{}")))).files == {"AppDef.json": b"{}"}


BROKEN = [
    (b"", "no manifest"),
    (b"not a tar at all" * 100, "no tar archive"),
    (tar(("manifest.json", b"[]")), "no manifest"),
    (tar(("manifest.json", b"{")), "no manifest"),
    (tar(("manifest.json", b'[{"Layers": [1]}]')), "no manifest"),
    (tar(("manifest.json", b'[{"Layers": ["a/layer.tar"]}]')), "its layer 'a/layer.tar' is not there"),
    (tar(("manifest.json", b'[{"Layers": ["\\ud800"]}]')), "is not there"),
    (
        tar(
            special("a", tarfile.SYMTYPE, "b"),
            special("b", tarfile.SYMTYPE, "a"),
            ("manifest.json", b'[{"Layers": ["a"]}]'),
        ),
        "not there",
    ),
    (tar(("index.json", b'{"manifests": [{"digest": "sha256:x"}]}')), "no manifest"),
    (tar(("manifest.json", b"[" * 20_000)), "no manifest"),
    (saved(BELOW)[:1700], "ends in the middle"),
    (saved(packed(BELOW)[:-60]), ""),
    (saved(b"\x1f\x8b" + b"junk" * 300), "compressed layer is broken"),
    (saved(b"\x28\xb5\x2f\xfd" + b"junk" * 300), "compressed layer is broken"),
    (saved(BELOW[:512] + b"junk" * 512), ""),
]


@pytest.mark.parametrize(("data", "words"), BROKEN, ids=range(len(BROKEN)))
def test_a_stream_that_is_none_is_said_to_be_none(data: bytes, words: str) -> None:
    with pytest.raises(ImageFault) as caught:
        read(data)
    assert words in str(caught.value)
    str(caught.value).encode()


def test_a_header_that_claims_gigabytes_costs_nothing() -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**33
    with pytest.raises(ImageFault, match="longer than any name"):
        read(saved(info.tobuf(format=tarfile.GNU_FORMAT) + b"\0" * 4096))
    large = tarfile.TarInfo(APPDEF)
    large.size = 2**40
    with pytest.raises(ImageFault):
        read(saved(large.tobuf(format=tarfile.GNU_FORMAT) + b"\0" * 4096))


def test_a_bomb_runs_into_the_bound() -> None:
    bomb = gzip.compress(tar(("zeros", b"\0" * (64 * 2**20))), 9)
    with ends(), pytest.raises(ImageFault, match="larger than is looked through"):
        read(saved(bomb), Budget(bytes_left=16 * 2**20))
    with pytest.raises(ImageFault, match="more files than"):
        read(saved(tar(*[(f"f{number}", b"") for number in range(300)])), Budget(entries_left=200))
    with pytest.raises(ImageFault, match="took too long"):
        read(saved(BELOW), Budget(ends_at=time.monotonic() - 1))
    with pytest.raises(ImageFault, match="kept in memory"):
        read(saved(*[tar((APPDEF, b"x" * 2**20))] * 8), Budget(kept_left=4 * 2**20))


def test_hostile_names_are_told_as_plain_text() -> None:
    info = tarfile.TarInfo("../NAE/\udc80")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", errors="surrogateescape") as archive:
        archive.addfile(info)
    (note,) = read(saved(out.getvalue())).notes
    note.encode()
    assert "leads out of its folder" in note


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 3000), st.integers(0, 3000))
def test_no_damage_gives_anything_but_files_or_a_fault(junk: bytes, at: int, cut: int) -> None:
    whole = saved(BELOW, packed(tar((APPDEF, b"new"))))
    for data in (whole[:at] + junk + whole[at + len(junk) :], whole[: len(whole) - cut]):
        try:
            found = read(data)
        except ImageFault:
            continue
        assert set(found.files) <= set(LIMITS)

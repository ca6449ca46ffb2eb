"""What every runtime must do with an image that is to be looked through: part of the contract, over all runtimes."""

from __future__ import annotations

from contextlib import closing

import pytest

from jobs.runtimes.base import RuntimeFault
from jobs.runtimes.image_layers import read_image
from tests.jobs.runtimes.bench import Bench, make_image
from tests.jobs.runtimes.saved_images import tar


def test_an_image_is_given_as_docker_saves_it(bench: Bench) -> None:
    image = make_image(bench, tar(("etc/NAE/AppDef.json", b"{}"), ("etc/NAE/url.txt", b"http://x")))
    pinned = bench.runtime.image(image, pull=False).pinned
    for reference in (image, pinned):
        with closing(bench.runtime.export(reference)) as stream:
            assert read_image(stream).files == {"AppDef.json": b"{}", "url.txt": b"http://x"}


def test_the_stream_may_be_left_at_any_place(bench: Bench) -> None:
    image = make_image(bench, tar(("x", b"x")))
    with closing(bench.runtime.export(image)) as stream:
        next(stream)
    assert bench.runtime.image(image, pull=False).size_bytes > 0


def test_an_image_that_is_not_there_is_named(bench: Bench) -> None:
    with pytest.raises(RuntimeFault, match="absent:1") as caught:
        list(bench.runtime.export("absent:1"))
    assert caught.value.code == "image_missing"

"""Icons of every kind become small PNGs; bad and hostile ones become a placeholder, quickly."""

from __future__ import annotations

import base64
import io
import random
import struct
import zlib

import pytest
from PIL import Image

from apps_catalog import icons
from tests.watchdog import ends


def encoded(image: Image.Image, kind: str) -> str:
    out = io.BytesIO()
    image.save(out, kind)
    return base64.b64encode(out.getvalue()).decode()


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    return Image.effect_noise((width, height), 80).convert(mode)


def opened(icon: icons.Icon) -> Image.Image:
    assert icon.png is not None, icon.problem
    return Image.open(io.BytesIO(icon.png))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "ICO", "WEBP"])
def test_raster_icons_become_small_pngs(kind: str) -> None:
    image = opened(icons.draw(encoded(picture(256, 200), kind), "image/png"))
    assert image.format == "PNG"
    assert max(image.size) <= 128


def test_an_icon_of_646_kb_is_fine() -> None:
    text = base64.b64encode(_noise_png(646_000)).decode()
    assert len(base64.b64decode(text)) >= 600_000
    assert opened(icons.draw(text, "image/png")).size == (128, 128)


def _noise_png(size: int) -> bytes:
    edge = int((size / 3) ** 0.5)
    noise = random.Random(1).randbytes(edge * edge * 3)  # does not compress
    out = io.BytesIO()
    Image.frombytes("RGB", (edge, edge), noise).save(out, "PNG")
    return out.getvalue()


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><circle cx="5" cy="5" r="4" fill="red"/>{}</svg>'


def svg_text(inside: str = "") -> str:
    return base64.b64encode(SVG.format(inside).encode()).decode()


def test_svg_is_drawn() -> None:
    image = opened(icons.draw(svg_text(), "image/svg+xml")).convert("RGBA")
    assert image.size == (128, 128)
    assert image.getpixel((64, 64)) == (255, 0, 0, 255)


def test_svg_loads_nothing_from_outside() -> None:
    hostile = '<image href="file:///etc/passwd" width="9" height="9"/><image href="http://127.0.0.1:9/x.png"/>'
    assert icons.draw(svg_text(hostile), "image/svg+xml").png is not None


def test_svg_with_entities_is_refused() -> None:
    bomb = '<!DOCTYPE svg [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + SVG.format("<text>&b;</text>")
    icon = icons.draw(base64.b64encode(bomb.encode()).decode(), "image/svg+xml")
    assert icon.png is None
    assert "placeholder" in icon.problem


def test_svg_that_multiplies_itself_is_cut_off() -> None:
    layers = '<defs><g id="u0"><rect width="1" height="1"/></g>'
    for level in range(1, 30):
        layers += f'<g id="u{level}">' + f'<use href="#u{level - 1}"/>' * 10 + "</g>"
    with ends():
        icons.draw(svg_text(layers + '</defs><use href="#u29"/>'), "image/svg+xml")


def png_of_size(width: int, height: int) -> str:
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunk = b"IHDR" + header
    body = struct.pack(">I", len(header)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body + b"\0" * 100).decode()


@pytest.mark.parametrize(
    "data",
    [
        "not base64 at all!",
        "é" * 50,
        base64.b64encode(b"GIF89a but no more").decode(),
        base64.b64encode(b"<html><script>alert(1)</script></html>").decode(),
        png_of_size(60_000, 60_000),
        png_of_size(5_000, 5_000),
        base64.b64encode(b"\0\0\1\0\1\0" + b"\xff" * 200).decode(),
        "A" * (6 * 2**20),
    ],
)
def test_bad_icons_give_a_placeholder_and_say_why(data: str) -> None:
    icon = icons.draw(data, "image/png")
    assert icon.png is None
    assert "placeholder" in icon.problem


def test_no_icon_is_no_problem() -> None:
    assert icons.draw(" \n", "") == icons.Icon()


def test_a_data_url_is_taken_for_what_it_holds() -> None:
    assert icons.draw("data:image/png;base64," + encoded(picture(20, 20), "PNG"), "").png is not None


@pytest.mark.parametrize("name", ["OpenFOAM", "", "   ", "مرحبا", "🚀", "<b>", "\u202ex"])
def test_a_placeholder_is_a_png_and_always_the_same(name: str) -> None:
    first = icons.placeholder(name)
    icons.placeholder.cache_clear()
    assert icons.placeholder(name) == first
    assert Image.open(io.BytesIO(first)).size == (128, 128)

"""Pictures, decoded and drawn. To be imported where one is drawn, and not before: Pillow weighs 4 MiB, and few workers need it."""

from __future__ import annotations

import colorsys
import hashlib
import io

from PIL import Image, ImageDraw, ImageFont

EDGE = 128
PIXELS_MAX = 4096 * 4096
FORMATS = ("PNG", "JPEG", "GIF", "ICO", "WEBP")

# For the whole process, where only icons are decoded: an ICO holds images larger than its own header says.
Image.MAX_IMAGE_PIXELS = PIXELS_MAX // 2


def small_png(raw: bytes) -> bytes:
    """Any picture as a PNG of at most EDGE x EDGE. Raises whatever the decoders do."""
    with Image.open(io.BytesIO(raw), formats=FORMATS) as image:
        if image.width * image.height > PIXELS_MAX:
            raise ValueError("more pixels than an icon needs")
        image.draft("RGB", (EDGE * 2, EDGE * 2))  # lets a JPEG decode small at once
        small = image.convert("RGBA")
    small.thumbnail((EDGE, EDGE), Image.Resampling.LANCZOS)
    return _as_png(small)


def _as_png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def tile(name: str) -> bytes:
    """A tile for a name, see icons.placeholder."""
    seed = hashlib.sha256(name.encode("utf-8", "replace")).digest()
    red, green, blue = colorsys.hls_to_rgb(seed[0] / 256, 0.38, 0.45)
    image = Image.new("RGB", (EDGE, EDGE), (int(red * 255), int(green * 255), int(blue * 255)))
    pen = ImageDraw.Draw(image)
    first = next((sign for sign in name if sign.isalnum()), "")
    if first and first.isascii():
        font = ImageFont.load_default(size=72)
        pen.text((EDGE / 2, EDGE / 2), first.upper(), fill="white", font=font, anchor="mm")
    else:
        _pattern(pen, seed)
    return _as_png(image)


def _pattern(pen: ImageDraw.ImageDraw, seed: bytes) -> None:
    """A mirrored pattern of 5 x 5 squares."""
    edge = 18
    start = (EDGE - 5 * edge) // 2
    for row in range(5):
        for column in range(5):
            if seed[1 + row * 3 + min(column, 4 - column)] & 1:
                left, top = start + column * edge, start + row * edge
                pen.rectangle((left, top, left + edge - 1, top + edge - 1), fill="white")

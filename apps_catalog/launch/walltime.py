"""Time limits as authors write them."""

from __future__ import annotations

import re

from apps_catalog.launch.reading import Section

CLOCK = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2}):(\d{1,2})|(\d{1,4}):(\d{1,2})")
MAX_WALLTIME_S = 365 * 86400


def parse_walltime(raw: object) -> int | None:
    """Seconds from "HH:MM:SS", "D:HH:MM:SS", "HH:MM", "3600" or a number; None where it is none of these."""
    seconds: int | None = None
    if isinstance(raw, str):
        text = raw.strip()
        match = CLOCK.fullmatch(text)
        if match:
            days, hours, minutes, secs, short_hours, short_minutes = (int(part or 0) for part in match.groups())
            seconds = ((days * 24 + hours + short_hours) * 60 + minutes + short_minutes) * 60 + secs
        elif re.fullmatch(r"[0-9]{1,9}", text):
            seconds = int(text)
    elif isinstance(raw, (int, float)) and not isinstance(raw, bool):
        seconds = int(raw) if 0 < raw <= MAX_WALLTIME_S else None
    return seconds if seconds is not None and 0 < seconds <= MAX_WALLTIME_S else None


def read_walltime(section: Section) -> int | None:
    """The author's `walltime` in seconds."""
    raw = section.get("walltime")
    if raw is None or raw == "":
        return None
    seconds = parse_walltime(raw)
    if seconds is None:
        message = f"'walltime' should be HH:MM:SS or seconds, at most a year; {raw!r} is ignored."
        section.notes.warn("ignored-value", message, section.at("walltime"))
    return seconds

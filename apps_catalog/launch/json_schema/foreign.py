"""Patterns that Python reads and JavaScript refuses: nothing breaks, for patterns never leave the server, but authors want to know."""

from __future__ import annotations

import re

REFUSED = (
    (re.compile(r"\(\?[aiLmsux]+[:)-]"), "inline flags such as (?i)"),
    (re.compile(r"\(\?P[<=>]"), "groups named with (?P<..>)"),
    (re.compile(r"\(\?#"), "comments"),
    (re.compile(r"\(\?\("), "conditions"),
    (re.compile(r"\(\?>"), "atomic groups"),
    (re.compile(r"(?<!\\)[*+?}]\+"), "possessive repeats"),
    (re.compile(r"(?<!\\)(?:\\\\)*\\[AZ]"), r"\A and \Z"),
)


def javascript_refuses(pattern: str) -> str:
    """What of it a browser would refuse, in words, or ""."""
    return next((words for sign, words in REFUSED if sign.search(pattern)), "")

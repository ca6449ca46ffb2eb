"""The login of a registry that a manifest brings: taken out of its text, so that it is neither stored nor shown."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from apps_catalog.launch.positions import tokens

LOGIN_KEYS = frozenset({"token", "username", "password"})
# In a line that is shown with a fault the JSON may be broken anywhere.
_SHOWN = re.compile(r"""(?i)((?:token|password)["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"?|'[^']*'?|[^\s,}"']+)""")
MASK = "***"


@dataclass(frozen=True)
class Login:
    """What a registry is shown. Its parts stay out of what is printed of it."""

    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.username or self.password)


def masked(text: str) -> str:
    """A text for people, with the value of what looks like a token replaced."""
    return _SHOWN.sub(rf'\1"{MASK}"', text)


def without_login(text: str) -> tuple[str, Login]:
    """A manifest's text with each value of such a key emptied, wherever it stands and however it is spelt; and the last
    login that it named. `text` must be JSON. All else stays to the letter."""
    made: list[str] = []
    found: dict[str, str] = {}
    end = 0
    walk = _Walk()
    for piece, offset in tokens(text):
        key = walk.step(piece, offset)
        if key is None:
            continue
        name, start, stop = key
        if text[start:stop] == '""':
            continue
        made += (text[end:start], '""')
        end = stop
        value = json.loads(text[start:stop], strict=False)
        found[name] = value if isinstance(value, str) else str(value)
    if end == 0:
        return text, Login()
    return "".join((*made, text[end:])), Login(
        found.get("username", ""), found.get("token") or found.get("password", "")
    )


class _Walk:
    """Follows the tokens of a JSON text; `step` says when the value of a key of LOGIN_KEYS is complete."""

    def __init__(self) -> None:
        self.depth = 0
        self.last = ""  # the text token before this one, which may turn out to be a key
        self.inside: tuple[str, int, int] | None = None  # key, where its value starts, depth there
        self.expects = ""

    def step(self, piece: str, offset: int) -> tuple[str, int, int] | None:
        if self.expects:
            self.inside, self.expects = (self.expects, offset, self.depth), ""
        done = None
        if piece in "{[":
            self.depth += 1
        elif piece in "}]":
            self.depth -= 1
        elif piece == ":" and self.inside is None:
            key = json.loads(self.last, strict=False) if self.last.startswith('"') else ""
            name = key.casefold().replace("_", "").replace("-", "")
            self.expects = name if name in LOGIN_KEYS else ""
        if self.inside is not None and self.depth == self.inside[2] and piece not in ",:":
            name, start, _ = self.inside
            done, self.inside = (name, start, offset + len(piece)), None
        self.last = piece
        return done

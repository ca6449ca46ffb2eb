"""Where a value stands in a form: like a JSON pointer, with rows by number (`*3`) and parts of one object (`@1`).

Everything outside letters, digits and `_.-~` is percent-encoded, so that any key makes a plain name and id.
"""

from __future__ import annotations

from urllib.parse import quote

PREFIX = "s:"
# What is posted under an address, by one letter.
VALUE = "v"  # what is typed, ticked or chosen
EMPTY = "e"  # a text that is there, and empty
NULL = "z"
BOX = "j"  # JSON
GROUP = "g"  # an object that is drawn here ("e": send it also when it is empty)
LIST = "l"  # a list that is drawn here ("e": the same)
ROWS = "r"  # the numbers of its rows, in order
KEY = "k"  # the key of a key-value row
PICK = "a"  # which alternative
ORDER = "o"  # the order of keys or of ticked boxes, where it is not that of the form
EXTRA = "x"  # keys that have no field, as JSON


def below(address: str, key: str) -> str:
    return f"{address}/{quote(key, safe='', errors='surrogatepass')}"


def row(address: str, number: int | str) -> str:
    return f"{address}/*{number}"


def part(address: str, number: int | str) -> str:
    return f"{address}/@{number}"


def name(code: str, address: str) -> str:
    return f"{PREFIX}{code}:{address}"


def split(posted: str) -> tuple[str, str] | None:
    """Letter and address of a posted name, or None where it is none of a schema's form."""
    if not posted.startswith(PREFIX):
        return None
    code, colon, address = posted.removeprefix(PREFIX).partition(":")
    return (code, address) if colon and len(code) == 1 else None

"""The start script: expands the author's own words in the container's shell, and starts the program with all of them.

Only the author's text is in the script. Every other word, and every value that a shell might read, comes as an argument
and is passed on as it is. An expanded word is written as a here-document: quotes mean nothing outside `$(...)`, and
whatever comes out, blanks and line breaks included, is one word.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Collection, Mapping, Sequence

from apps_catalog.launch.authored import SAFE
from apps_catalog.launch.jobfiles import JOBENV, START
from apps_catalog.launch.substitutions import TOKEN

SHELL = "/bin/sh"
# `\\` and `$$` first, so that neither `\$(name)` nor `$$(name)` is taken for a variable.
NAMED = re.compile(r"\\.|\$\$|\$\(\s*([A-Za-z_][A-Za-z0-9_]*)\s*\)", re.DOTALL)
SLOT = "slipway_value_"
UNEXPANDED = "A word of this command could not be expanded; the shell says why above."
HEAD = f"""\
#!{SHELL}
# Written by Slipway. The author's words that hold $ or ` are expanded here; all others are passed on as they came.
slipway_end='
x'
"""


def names_used(text: str, names: Collection[str]) -> set[str]:
    """The variables that a text means by `$(name)`."""
    return {found.group(1) for found in NAMED.finditer(text) if found.group(1) in names}


def start_script(
    words: Sequence[str],
    expanded: Collection[int],
    values: Mapping[str, str],
    names: Collection[str],
    unset: Collection[str],
) -> tuple[str, tuple[str, ...]]:
    """The text of the script, and the arguments to start it with.

    `values` fill the tokens of the expanded words. `names` are the variables that `$(name)` means; those of them that
    are `unset` have no value in this job, whatever the image says.
    """
    order = sorted(expanded)
    tokens = [name for name in values if any(f"%{name}%" in words[index] for index in order)]
    kept = [name for name in tokens if not SAFE.fullmatch(values[name])]
    place = {name: f"{SLOT}{number}" for number, name in enumerate(kept, 1)}
    fillings = {name: f"${{{place[name]}}}" if name in place else values[name] for name in tokens}
    lines = [HEAD]
    lines += [f"{place[name]}=${{{len(words) + number}}}\n" for number, name in enumerate(kept, 1)]
    gone = "".join(f" {name}" for name in sorted(unset))
    opening = f"{f'unset{gone}; ' if gone else ''}. {JOBENV}; "
    for index in order:
        word = f"slipway_word_{index + 1}"
        lines.append(_function(word, _named(words[index], names, fillings)))
        lines.append(f"{word}=$({opening}{word}; echo x)\n")
        lines.append(f'case ${word} in *"$slipway_end") ;; *) echo "{UNEXPANDED}" >&2; exit 2 ;; esac\n')
        lines.append(f'{word}=${{{word}%"$slipway_end"}}\n')
    listed = " ".join(
        f'"$slipway_word_{index + 1}"' if index in expanded else f'"${{{index + 1}}}"' for index in range(len(words))
    )
    lines.append(f"set -- {listed}\n")
    own = ["slipway_end", *place.values(), *(f"slipway_word_{index + 1}" for index in order)]
    lines.append(f'unset {" ".join(own)}\nexec "$@"\n')
    blank = ("" if index in expanded else word for index, word in enumerate(words))
    return "".join(lines), (SHELL, START, *blank, *(values[name] for name in kept))


def _named(text: str, names: Collection[str], fillings: Mapping[str, str]) -> str:
    """`$(name)` of a variable as `${name}`; tokens as what stands for them, in the same pass."""

    def piece(part: str) -> str:
        return TOKEN.sub(lambda token: fillings.get(token.group(1), token.group()), part)

    found: list[str] = []
    end = 0
    for match in NAMED.finditer(text):
        if match.group(1) in names:
            found += [piece(text[end : match.start()]), f"${{{match.group(1)}}}"]
            end = match.end()
    return "".join((*found, piece(text[end:])))


def _function(name: str, text: str) -> str:
    """A function that prints the expanded text and a line break. Its here-document ends at a line that is not in it."""
    if (len(text) - len(text.rstrip("\\"))) % 2:
        text += "\\"  # one at the very end would join the line with the mark
    # A line that begins like the mark and goes on with a byte above 127 loses that byte in dash: so none begins like it.
    begun = {line[:1] for line in text.split("\n")}
    first = next((letter for letter in string.ascii_letters if letter not in begun), "_")
    mark = f"{first}_SLIPWAY_{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
    return f"{name}() {{\ncat <<{mark}\n{text}\n{mark}\n}}\n"

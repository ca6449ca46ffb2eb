"""The author's own text in a launch: with its substitutions filled in as far as they are known, the rest left as tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from apps_catalog.launch.spec import Launch, Site
from apps_catalog.launch.substitutions import LATE, SUBSTITUTIONS, TRUSTED, fill, fill_url, known_values, names_in

# No shell reads anything but itself in these, quoted or not.
SAFE = re.compile(r"[A-Za-z0-9_./:@,+=-]*")
# Stand for what is filled in later: no text of a definition or a submission holds a NUL.
MARKS = {name: f"\0{name}\0" for name in SUBSTITUTIONS}
LATEST_LITERAL_VERSION = 1


@dataclass(frozen=True)
class Authored:
    """A text with what is known filled in. `late`: the rest is filled in when the job starts."""

    text: str
    late: bool = False
    expanded: bool = False


@dataclass
class Author:
    """Fills in the texts of one launch, and remembers what was used: see RunPlan's `tokens` and `withheld`."""

    launch: Launch
    site: Site
    username: str
    tokens: dict[str, str] = field(default_factory=dict)
    withheld: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.values = known_values(self.launch, self.site, self.username)

    def text(self, written: str) -> Authored:
        """A text that no shell expands."""
        return self._filled(written, frozenset())

    def word(self, written: str) -> Authored:
        """A word of the command line. From version 2 on a shell expands one that holds `$` or a backtick.

        What is filled into such a word may not say anything to the shell: what might, stays a token until the start.
        """
        if not expands(written, self.launch.spec.definition_version):
            return self._filled(written, frozenset())
        unsafe = frozenset(name for name in names_in(written) if not SAFE.fullmatch(self.values.get(name, "")))
        return Authored(self._filled(written, unsafe).text, late=True, expanded=True)

    def url(self, written: str) -> str:
        """A link; its late tokens stay in it. The label, which people type, is written as addresses have it."""
        self._withhold(names_in(written))
        return fill_url(written, self.values)

    def _filled(self, written: str, kept: frozenset[str]) -> Authored:
        names = names_in(written)
        self._withhold(names)
        later = names & (LATE - self.withheld | kept)
        values = {name: text for name, text in self.values.items() if name not in kept}
        filled = fill(written, values.get)
        if later and fill(filled, MARKS.get) != fill(written, {**MARKS, **values}.get):
            # A value that reads like a token, such as a label: filled in now, it would be filled in once more later.
            later |= names & self.values.keys()
            filled = written
        self.tokens |= {name: self.values[name] for name in later & self.values.keys()}
        return Authored(filled, late=bool(later))

    def _withhold(self, names: frozenset[str]) -> None:
        if not self.site.trusted:
            self.withheld |= names & TRUSTED


def expands(written: str, version: int | None) -> bool:
    """Whether a shell in the container expands a CONST: from appdefversion 2 on, where there is something to expand."""
    return (version or 0) > LATEST_LITERAL_VERSION and ("$" in written or "`" in written)

"""What the files of a source are called in its folder: one flat list of names that any file system takes. Pure."""

from __future__ import annotations

from jobs.flat_names import short
from jobs.uploads import plain_name


def file_name(path: str) -> str:
    """The last part of a path, an address or what a service says, as the name of a file."""
    name = short(plain_name(path))
    return "file" if name in ("", ".", "..") else name


class Names:
    """Gives each path a name of its own: the second `x.csv` is `2_x.csv`. The same paths in the same order get the same names."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, path: str) -> str:
        base = file_name(path)
        name, number = base, 2
        while name in self._taken:
            name, number = short(f"{number}_{base}"), number + 1
        self._taken.add(name)
        return name

"""One flat list of the files of all tasks: a name that is unique stays, others are numbered by their chunk. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

NAME_BYTES_MAX = 240  # of the 255 that file systems have


def flat_names(files: Sequence[tuple[int, str]], *, chunks: int) -> list[str]:
    """A name for each (chunk number, path), in the order given; all different. `chunks` is how many there are.

    `<chunk>_<name>`, zero-padded, so that a listing by name is in the order of the chunks. A task that has one name in
    several folders keeps the folders in it (`a_x.txt`).
    """
    width = len(str(max(chunks - 1, 0)))
    last = [path.rpartition("/")[2] for _, path in files]
    count = Counter(last)
    within = Counter((chunk, name) for (chunk, _), name in zip(files, last, strict=True))
    taken = {short(name) for name in last if count[name] == 1}
    names = []
    for (chunk, path), name in zip(files, last, strict=True):
        if count[name] == 1:
            names.append(short(name))
            continue
        whole = path.replace("/", "_") if within[chunk, name] > 1 else name
        free = next(tried for tried in _tries(f"{chunk:0{width}}_{whole}") if tried not in taken)
        taken.add(free)
        names.append(free)
    return names


def _tries(name: str) -> Iterator[str]:
    """The name, then the same with a number before its ending."""
    yield short(name)
    stem, dot, ending = name.rpartition(".")
    number = 2
    while True:
        yield short(f"{stem}-{number}{dot}{ending}" if stem else f"{name}-{number}")
        number += 1


def short(name: str) -> str:
    """At most NAME_BYTES_MAX bytes: beginning and ending are kept."""
    raw = name.encode()
    if len(raw) <= NAME_BYTES_MAX:
        return name
    half = NAME_BYTES_MAX // 2
    return raw[:half].decode("utf-8", "ignore") + raw[-half:].decode("utf-8", "ignore")

#!/usr/bin/python3
"""Shows what a job receives: its words, its environment, its files. Every parameter type of an AppDef is on its form."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from pathlib import Path

JARVICE = Path("/etc/JARVICE")
JOBENV = JARVICE / "jobenv.sh"
UPLOADED = Path("/opt/gallery/notes.txt")
BOLD, BLUE, GREEN, PLAIN = "\x1b[1m", "\x1b[34m", "\x1b[32m", "\x1b[0m"


def title(words: str) -> None:
    print(f"\n{BOLD}{BLUE}{words}{PLAIN}")


def settings() -> dict[str, str]:
    """The parameters marked `variable`: lines `name=value` that a shell would read, quoted."""
    if not JOBENV.exists():
        return {}
    pairs = (word.partition("=") for word in shlex.split(JOBENV.read_text(), comments=True) if "=" in word)
    return {name: value for name, _, value in pairs}


def told() -> dict[str, str]:
    """The other files of /etc/JARVICE, by name: what the job is, and on which nodes it runs."""
    names = ("jobinfo.sh", "nodes", "cores", "random128.txt")
    return {name: (JARVICE / name).read_text() for name in names if (JARVICE / name).exists()}


def count_to(number: int, pause_s: float) -> None:
    for done in range(1, number + 1):
        bar = "#" * (30 * done // number)
        print(f"\rCounting {done:3d} of {number} [{bar:<30}]", end="", flush=True)
        time.sleep(pause_s)
    print(f"\rCounted to {number}.{' ' * 40}")


def main() -> None:
    words = sys.argv[1:]
    title("Words, one a line, exactly as the program received them")
    for index, word in enumerate(words, 1):
        print(f"{index:3d}  {word!r}")

    found = settings()
    title(f"Parameters in {JOBENV}")
    for name, value in found.items():
        print(f"{name} = {value!r}")

    for name, text in told().items():
        title(f"{JARVICE / name}")
        print(text.rstrip())

    title("Environment")
    for name in sorted(os.environ):
        print(f"{name}={os.environ[name]}")

    title("Where it runs")
    print(f"user {os.getuid()}:{os.getgid()}, working folder {Path.cwd()}, Python {sys.version.split()[0]}")
    if "-input" in words:
        chosen = Path(words[words.index("-input") + 1])
        print(f"{chosen} holds {chosen.stat().st_size} bytes" if chosen.is_file() else f"{chosen} is not a file")
    if UPLOADED.is_file():
        print(f"{UPLOADED} begins: {UPLOADED.read_text(errors='replace')[:70]!r}")

    title("A line that is written over and over")
    number = int(words[words.index("-count") + 1]) if "-count" in words else 10
    count_to(number, 0.02)

    results = Path(os.environ.get("RESULTS_DIR", "/results"))
    (results / "words.json").write_text(
        json.dumps({"words": words, "variables": found}, indent=2, ensure_ascii=False) + "\n"
    )
    (results / "environment.txt").write_text("".join(f"{name}={os.environ[name]}\n" for name in sorted(os.environ)))
    print(f"\n{GREEN}Wrote words.json and environment.txt to {results}.{PLAIN}")


if __name__ == "__main__":
    main()

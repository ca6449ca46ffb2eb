"""`make bench`: the quick set, one after another, into bench/results/latest.md."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench import claim, dispatch, fanout, figures, forms, installation, picker, proxy, sources, submit

LATEST = Path(__file__).parent / "results" / "latest.md"


def main() -> None:
    where = figures.machine()
    print(where, flush=True)
    lines: list[str] = []
    with installation.prepare() as site:
        parts: tuple[Callable[[], list[str]], ...] = (
            lambda: dispatch.measure(site, 30),
            forms.measure,
            lambda: submit.measure(site, 400, 100),
            lambda: claim.measure(site, 100_000, 1_000, 1_000),
            lambda: picker.measure(site, chromium=False),
            lambda: proxy.measure(site, 500, 256),
            lambda: fanout.measure(site, fanout.SIZES),
            lambda: sources.measure(site, 256),
        )
        for part in parts:
            found = part()
            print("\n".join(found), flush=True)
            lines += found
            installation.forget_jobs()
    LATEST.parent.mkdir(exist_ok=True)
    text = "\n\n".join(["# Latest figures", f"Taken by `make bench` on: {where}.", *lines])
    LATEST.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

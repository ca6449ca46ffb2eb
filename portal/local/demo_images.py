"""The examples that have an image of their own: they take minutes to make, so `make demo` makes them while it is up already."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from portal.local.processes import die_with_parent

SCRIPT = Path(__file__).resolve().with_name("image.sh")
GRACE_S = 20.0
FORBIDDEN = 3  # the script's exit code where something would have to be installed


def tag_of(name: str) -> str:
    """The tag that image.sh gives what it makes of the recipe of this name."""
    return f"slipway-{name}:1"


@dataclass
class OwnImages:
    """One recipe after the other, so that the machine stays usable. `say` prints a line, `publish(name, id)` shows the app."""

    examples: Path
    state: Path
    env: Mapping[str, str]
    say: Callable[[str], None]
    publish: Callable[[str, str], None]
    script: Path = SCRIPT
    missing: list[str] = field(default_factory=list)
    _making: str = ""
    _child: subprocess.Popen[bytes] | None = None

    def ready(self) -> dict[str, str]:
        """Name -> id of the images that are there and fit their recipe; the others are `missing` from now on."""
        found: dict[str, str] = {}
        self.missing = []
        for recipe in sorted(path.parent for path in self.examples.glob("*/Dockerfile")):
            words = [str(self.script), "check", str(recipe)]
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, env=self.env, text=True, check=False
            )
            if done.returncode == 0:
                found[recipe.name] = done.stdout.strip()
            else:
                self.missing.append(recipe.name)
        return found

    def begin(self) -> None:
        """Say what is to be made, and start."""
        if not self.missing:
            return
        if len(self.missing) == 1:
            self.say(
                f"Making the image of the example {self.missing[0]} meanwhile; it comes into the catalog when it is done."
            )
        else:
            names = " and ".join(self.missing)
            self.say(
                f"Making the images of the examples {names} meanwhile; they come into the catalog when they are done."
            )
        self._next()

    def tend(self) -> None:
        """Look whether one is done; to be called now and then."""
        if self._child is None or (code := self._child.poll()) is None:
            return
        name = self._making
        if code == 0:
            self.publish(name, self._log("id").read_text(encoding="utf-8").strip())
        else:
            self.say(f"The example {name} is left out: its image was not made. {self._reason(code)}")
        self._next()

    def stop(self) -> None:
        """End what is being made; the next demo begins it anew."""
        child, self._child = self._child, None
        if child is None or child.poll() is not None:
            return
        _signal(child, signal.SIGTERM)
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            _signal(child, signal.SIGKILL)
            child.wait()

    def _next(self) -> None:
        self._child = None
        if not self.missing:
            return
        self._making = self.missing.pop(0)
        self._log("log").parent.mkdir(parents=True, exist_ok=True)
        with self._log("id").open("wb") as output, self._log("log").open("wb") as errors:
            self._child = subprocess.Popen(
                ["nice", "-n", "10", str(self.script), "build", str(self.examples / self._making), str(self.state)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=dict(self.env),
                start_new_session=True,  # its own children are ended with it
                preexec_fn=die_with_parent(signal.SIGTERM),
            )

    def _log(self, suffix: str) -> Path:
        return self.state / "logs" / f"image-{self._making}.{suffix}"

    def _reason(self, code: int) -> str:
        lines = [
            line for line in self._log("log").read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()
        ]
        if code == FORBIDDEN and lines:
            return lines[-1]
        # The sentence that says what failed; what follows it are last lines of programs.
        said = next((line for line in lines if " failed" in line or "does not" in line), lines[-1] if lines else "")
        return f"{said.partition(' The last lines of')[0]} All that was said is in {self._log('log')}.".strip()


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)

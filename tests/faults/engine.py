"""A Docker Engine of a test's own, in a network namespace of its own, so that it may be killed and stopped."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from jobs.runtimes.base import RuntimeFault
from jobs.runtimes.docker import DockerRuntime


def missing() -> str:
    """Why no own engine can be started here, or ""."""
    if os.geteuid() != 0:
        return "only root can start a Docker Engine of its own"
    absent = [word for word in ("dockerd", "docker", "unshare") if shutil.which(word) is None]
    return f"{', '.join(absent)} is not installed here" if absent else ""


@dataclass
class Engine:
    """Its containers get no network but their own: that is all that jobs have by default."""

    root: Path
    child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.root}/docker.sock"

    def start(self, *options: str) -> None:
        """Returns when it answers. `--live-restore` lets containers outlive it."""
        words = [
            *("unshare", "--net", "dockerd", "--host", self.url, "--pidfile", f"{self.root}/pid"),
            *("--data-root", f"{self.root}/data", "--exec-root", f"{self.root}/exec"),
            *("--bridge=none", "--iptables=false", "--ip6tables=false", *options),
        ]
        until = time.monotonic() + 60
        while not self._begun(words, until):
            assert time.monotonic() < until, (self.root / "log").read_text()[-2000:]
            time.sleep(1)  # after a kill -9 the first starts may fail

    def _begun(self, words: list[str], until: float) -> bool:
        (self.root / "pid").unlink(missing_ok=True)
        with (self.root / "log").open("ab") as log:
            self.child = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        while self.child.poll() is None and time.monotonic() < until:
            if self.answers():
                return True
            time.sleep(0.1)
        return False

    def answers(self) -> bool:
        runtime = DockerRuntime(self.url)
        try:
            runtime.ping()
        except RuntimeFault:
            return False
        finally:
            runtime.close()
        return True

    def load(self, image: str) -> None:
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
            load = ["docker", "--host", self.url, "load", "--quiet"]
            subprocess.run(load, stdin=saved.stdout, check=True, capture_output=True)

    def kill(self) -> None:
        if self.child is not None:
            self.child.kill()
            self.child.wait()

    def stop(self) -> None:
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def leave(self) -> None:
        """Stop, and undo the mount that dockerd makes of its own folder and leaves behind."""
        self.stop()
        subprocess.run(["umount", "--lazy", self.root / "data"], capture_output=True, check=False)

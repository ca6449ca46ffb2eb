"""Children of the local commands: they end in order, by pid, and never outlive their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from portal.local.postgres_programs import alive
from portal.local.processes import Processes

ROOT = Path(__file__).resolve().parents[2]
SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)",
]


def begun(processes: Processes, name: str) -> None:
    deadline = time.monotonic() + 10
    while "up" not in processes.log(name).read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_children_are_ended_by_pid_and_forgotten(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    for name in ("first", "second"):
        processes.start(name, SLEEPER, env=os.environ, cwd=tmp_path)
    pids = [child.pid for child in processes.children.values()]
    assert processes.ended() is None
    processes.stop()
    assert not any(alive(pid) for pid in pids)
    assert processes.children == {}


def test_who_does_not_heed_is_killed(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("stubborn", STUBBORN, env=os.environ, cwd=tmp_path)
    begun(processes, "stubborn")
    pid = processes.children["stubborn"].pid
    processes.stop(grace_s=0.3)
    assert not alive(pid)


def test_an_ended_child_is_named_with_its_code_and_last_words(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    processes.start("brief", ["sh", "-c", "echo why it ended; exit 3"], env=os.environ, cwd=tmp_path)
    processes.children["brief"].wait(10)
    assert processes.ended() == ("brief", 3)
    assert "why it ended" in processes.last_words("brief")


def test_children_end_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import os, time; from pathlib import Path; from portal.local.processes import Processes\n"
        f"p = Processes(Path({str(tmp_path)!r})); p.start('child', {SLEEPER!r}, env=os.environ, cwd=Path('/'))\n"
        "print(p.children['child'].pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert alive(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    deadline = time.monotonic() + 10
    while alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.02)

"""The embedded PostgreSQL of demo, development and tests: a small supervisor, in the standard library alone.

Used only where DATABASE_URL is not set. The server is a child of the supervisor's main thread and gets SIGINT from
the kernel when that thread ends, so that even a killed supervisor means a clean stop. Clients find it by its socket.
Why so, and where the binaries come from: docs/explanation/embedded-postgres.md.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

from portal.local.postgres_programs import PostgresError, Runner, binaries, end_leftover
from portal.local.processes import Told, listen

ROOT = Path(__file__).resolve().parents[2]
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_MAX = 90  # bytes; the kernel allows 107, and PostgreSQL adds ".lock"
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./ +~-]+")  # a comma would make two hosts of one in a connection string
START_S, STOP_S, SESSIONS_END_S = 60.0, 60.0, 20.0
LOG_MAX_BYTES = 5 * 2**20
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "max_connections": "100",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "512MB",
    "autovacuum_max_workers": "2",
    "max_worker_processes": "2",
    "max_logical_replication_workers": "0",
    "max_parallel_workers": "2",
    "max_parallel_workers_per_gather": "0",
    "huge_pages": "off",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
SETTINGS_SINCE = {18: {"io_method": "sync"}}  # no processes that only read ahead: a small machine, a warm cache
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
BOOTSTRAP = """CREATE ROLE slipway LOGIN CREATEDB NOSUPERUSER
CREATE DATABASE slipway OWNER slipway
"""


def default_state_dir() -> Path:
    """The folder of everything this installation keeps: SLIPWAY_STATE, or var/ in the project."""
    return Path(os.environ.get("SLIPWAY_STATE") or ROOT / "var").absolute()


def home_dir(state_dir: Path) -> Path:
    """The supervisor's own folder: data, log, lock, and the socket where its path is short enough."""
    return Path(state_dir).absolute() / "postgres"


def socket_dir(state_dir: Path) -> Path:
    """The folder of the server's socket: the same answer in every process, whether or not the server runs."""
    home = home_dir(state_dir)
    if len(os.fsencode(home / SOCKET_NAME)) <= SOCKET_PATH_MAX and PLAIN_PATH.fullmatch(str(home)):
        return home
    key = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    return Path("/tmp") / f"slipway-{os.geteuid()}-{key}"  # noqa: S108  (0700, and its owner is checked before use)


def url(state_dir: Path) -> str:
    """The DATABASE_URL of the embedded server."""
    return f"postgresql://slipway@/slipway?host={quote(str(socket_dir(state_dir)), safe='/')}"


def running(state_dir: Path) -> bool:
    """True when the server takes a session for our role and database now."""
    return _answers(socket_dir(state_dir) / SOCKET_NAME)


def _answers(path: Path) -> bool:
    words = b"user\0slipway\0database\0slipway\0\0"
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(2)
        client.connect(str(path))
        client.sendall(struct.pack("!ii", len(words) + 8, 196608) + words)
        if client.recv(1) != b"R":
            return False
        client.sendall(struct.pack("!ci", b"X", 4))
        return True
    return False


class Supervisor:
    """Runs the server of one state folder while the context is open, as a child of this process's main thread.

    `fast` gives durability up for speed (tests only). Raises PostgresError with what to do when it can't.
    """

    def __init__(self, state_dir: Path, *, fast: bool = False) -> None:
        self.home = home_dir(state_dir)
        self.data = self.home / "data"
        self.log = self.home / "log"
        self.sockets = socket_dir(state_dir)
        self.url = url(state_dir)
        self.fast = fast
        self.child: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Return when the server takes sessions. The first start makes the data folder, role and database."""
        if threading.current_thread() is not threading.main_thread():
            raise PostgresError(
                "Start the embedded PostgreSQL from the main thread: it ends with the thread it began in."
            )
        runner = Runner(self.home)
        runner.own(self.home)
        self._take_lock()
        try:
            bin_dir, major = binaries(self.data)
            if self.sockets != self.home:
                runner.own(self.sockets)
            if not self.data.exists():
                self._create(runner, bin_dir)
            end_leftover(self.data)
            self._serve(runner, bin_dir, major)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Return when the server has ended: told first, then urged, then killed (its log brings the data back)."""
        child, self.child = self.child, None
        if child is not None:
            for sent, patience_s in ((signal.SIGINT, STOP_S), (signal.SIGQUIT, 10.0), (signal.SIGKILL, None)):
                child.send_signal(sent)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(patience_s)
                    break
        if child is not None and self.sockets != self.home:
            with contextlib.suppress(OSError):
                self.sockets.rmdir()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        lock = (self.home / "lock").open("a+", encoding="ascii")
        deadline = time.monotonic() + 1  # whoever only asks who holds it lets go at once
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.05)
                    continue
                lock.seek(0)
                pid = lock.read().strip() or "unknown"
                lock.close()
                raise PostgresError(
                    f"PostgreSQL for {self.home.parent} is already run by process {pid}. Use it, or stop it first "
                    f"(python -m portal.local.postgres stop --state {self.home.parent})."
                ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _create(self, runner: Runner, bin_dir: Path) -> None:
        """Make the data folder aside and move it into place whole: a start that was cut off leaves nothing half made."""
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        initdb = [str(bin_dir / "initdb"), "-D", str(fresh), "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-k"]
        initdb += ["-N", "--auth-local=trust", "--auth-host=scram-sha-256"]
        single = [str(bin_dir / "postgres"), "--single", "-D", str(fresh), "-c", "fsync=off", "postgres"]
        for words, given in ((initdb, None), (single, BOOTSTRAP.encode())):
            with self.log.open("ab") as output:
                begun = output.tell()
                child = runner.start(words, output, given)
                try:
                    code = child.wait(START_S)
                except BaseException:
                    child.kill()
                    child.wait()
                    raise
            if code != 0:
                raise PostgresError(f"{Path(words[0]).name} ended with {code}. {self._said(begun)}")
        if not self.fast:
            os.sync()
        fresh.rename(self.data)

    def _serve(self, runner: Runner, bin_dir: Path, major: int) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_MAX_BYTES:
            self.log.rename(self.log.with_suffix(".1"))
        deadline = time.monotonic() + START_S
        while True:
            with self.log.open("ab") as output:
                begun = output.tell()
                self.child = runner.start(self._words(bin_dir, major), output)
            while self.child.poll() is None and time.monotonic() < deadline:
                if _answers(self.sockets / SOCKET_NAME):
                    return
                time.sleep(0.02)
            said = self._said(begun)
            if self.child.poll() is None:
                raise PostgresError(f"PostgreSQL takes no sessions after {START_S:.0f} s. {said}")
            # After a kill -9 of the server its sessions end a moment later, and until then it refuses the data.
            if "shared memory block" not in said or time.monotonic() > deadline - START_S + SESSIONS_END_S:
                raise PostgresError(f"PostgreSQL ended with {self.child.returncode} at its start. {said}")
            time.sleep(0.2)

    def _words(self, bin_dir: Path, major: int) -> list[str]:
        settings = dict(SETTINGS)
        for since, more in SETTINGS_SINCE.items():
            settings |= more if major >= since else {}
        settings |= FAST if self.fast else {}
        settings["unix_socket_directories"] = '"{}"'.format(str(self.sockets).replace('"', '""'))
        words = [str(bin_dir / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            words += ["-c", f"{name}={value}"]
        return words

    def _said(self, begun: int) -> str:
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            log.seek(begun)
            lines = log.read(2**20).decode("utf-8", "replace").strip().splitlines()
            return f"Its last words, from {self.log}:\n  " + "\n  ".join(lines[-6:])
        return f"Its log is {self.log}."


def holder(state_dir: Path) -> int | None:
    """The pid of the supervisor that runs now, or None. A pid whose lock is free is stale and never given."""
    try:
        with (home_dir(state_dir) / "lock").open(encoding="ascii") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = lock.read().strip()
                return int(text) if text.isdigit() else None
    except FileNotFoundError:
        pass
    return None


# ---- Commands


def _run(state_dir: Path, *, fast: bool) -> int:
    listen()
    try:
        with Supervisor(state_dir, fast=fast) as server:
            print(server.url, flush=True)
            code = server.child.wait() if server.child else 1
            print(f"PostgreSQL ended by itself with {code}; its log is {server.log}.", file=sys.stderr)
            return 1
    except Told:
        return 0


def _start(state_dir: Path, *, fast: bool) -> int:
    if not running(state_dir):
        home = home_dir(state_dir)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        words = [sys.executable, "-m", "portal.local.postgres", "run", "--state", str(state_dir)]
        with (home / "supervisor.log").open("wb") as output:
            child = subprocess.Popen(
                words + ["--fast"] * fast,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=ROOT,
                start_new_session=True,
            )
        while not running(state_dir):
            if child.poll() is not None:
                raise PostgresError((home / "supervisor.log").read_text(errors="replace").strip())
            time.sleep(0.05)
    print(url(state_dir))
    return 0


def _stop(state_dir: Path) -> int:
    pid = holder(state_dir)
    if pid is None:
        print(f"No PostgreSQL runs for {state_dir}.")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S + 20
    while holder(state_dir) == pid:
        if time.monotonic() > deadline:
            raise PostgresError(f"Process {pid} does not end. Its log is {home_dir(state_dir) / 'log'}.")
        time.sleep(0.05)
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m portal.local.postgres", description="The embedded PostgreSQL.")
    parser.add_argument("command", choices=("run", "start", "stop", "status", "url"))
    parser.add_argument("--state", type=Path, default=default_state_dir(), help="state folder (SLIPWAY_STATE, or var/)")
    parser.add_argument("--fast", action="store_true", help="give durability up for speed: for tests only")
    given = parser.parse_args(arguments)
    state_dir: Path = given.state.absolute()
    try:
        match given.command:
            case "run":
                return _run(state_dir, fast=given.fast)
            case "start":
                return _start(state_dir, fast=given.fast)
            case "stop":
                return _stop(state_dir)
            case "status":
                up = running(state_dir)
                print(f"running, supervised by process {holder(state_dir)}" if up else "not running")
                return 0 if up else 3
            case _:
                print(url(state_dir))
                return 0
    except PostgresError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

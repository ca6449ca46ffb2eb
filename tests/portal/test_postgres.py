"""The embedded PostgreSQL: it starts, stops, survives kills, and never runs twice on one folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from portal.local import postgres
from portal.local.postgres import Supervisor
from portal.local.postgres_programs import PostgresError, alive, postmaster
from tests.watchdog import ends

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """The data folder of a server that was started once, to copy: making one takes most of a second."""
    with tempfile.TemporaryDirectory(prefix="slip-") as folder:
        with Supervisor(Path(folder), fast=True):
            pass
        yield postgres.home_dir(Path(folder)) / "data"


@pytest.fixture
def empty() -> Iterator[Path]:
    """An empty state folder with a short path. Whatever a test left running there is ended by its own pid."""
    with tempfile.TemporaryDirectory(prefix="slip-") as folder:
        yield Path(folder)
        if pid := postgres.holder(Path(folder)):
            os.kill(pid, signal.SIGKILL)
        _until(lambda: _server_pid(Path(folder)) is None)


@pytest.fixture
def state(empty: Path, made: Path) -> Path:
    """A state folder whose server was started before."""
    home = postgres.home_dir(empty)
    home.mkdir(mode=0o700)
    shutil.copytree(made, home / "data")
    return empty


@pytest.fixture
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(word: str, state: Path, *more: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "portal.local.postgres", word, "--state", str(state), *more]
        return subprocess.run(words, capture_output=True, text=True, timeout=90, check=False, cwd=postgres.ROOT)

    return run


def _until(true: Callable[[], bool], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


def _server_pid(state: Path) -> int | None:
    return postmaster(postgres.home_dir(state) / "data")


def _one(address: str, question: str = "select 1") -> object:
    with psycopg.connect(address) as client:
        row = client.execute(question).fetchone()
        return row[0] if row else None


def test_server_runs_while_the_context_is_open(empty: Path) -> None:
    assert not postgres.running(empty)
    with Supervisor(empty, fast=True) as server:
        assert postgres.running(empty)
        assert server.url == postgres.url(empty)
        assert _one(server.url, "select current_user || '@' || current_database()") == "slipway@slipway"
        assert (
            _one(server.url, "select rolcreatedb and not rolsuper from pg_roles where rolname = current_user") is True
        )
        assert postgres.holder(empty) == os.getpid()
    assert not postgres.running(empty)
    assert postgres.holder(empty) is None
    assert _server_pid(empty) is None


def test_rows_are_there_after_a_restart_with_durability_on(state: Path) -> None:
    with Supervisor(state) as server, psycopg.connect(server.url) as client:
        client.execute("create table kept as select 7 as number")
    with Supervisor(state) as server:
        assert _one(server.url, "select number from kept") == 7
        assert _one(server.url, "show fsync") == "on"


def test_only_the_owner_may_enter_the_folder(state: Path) -> None:
    with Supervisor(state, fast=True):
        assert postgres.home_dir(state).stat().st_mode & 0o777 == 0o700
        assert (postgres.socket_dir(state) / postgres.SOCKET_NAME).stat().st_mode & 0o077 == 0


def test_a_second_supervisor_is_refused_and_told_who_runs(state: Path) -> None:
    with Supervisor(state, fast=True) as server:
        with pytest.raises(PostgresError, match=f"already run by process {os.getpid()}"):
            Supervisor(state, fast=True).start()
        assert _one(server.url) == 1


def test_it_must_be_started_from_the_main_thread(state: Path) -> None:
    said: list[str] = []

    def begin() -> None:
        try:
            Supervisor(state).start()
        except PostgresError as error:
            said.append(str(error))

    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    assert "main thread" in said[0]


def test_stop_ends_it_though_a_client_is_inside_a_transaction(state: Path) -> None:
    server = Supervisor(state, fast=True)
    server.start()
    with contextlib.closing(psycopg.connect(server.url)) as client:
        client.execute("create table t (n int)")
        with ends():
            server.stop()
    assert not postgres.running(state)


def test_commands_start_show_and_stop_it(state: Path, command: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert command("status", state).returncode == 3
    first = command("start", state, "--fast")
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip() == postgres.url(state) == command("url", state).stdout.strip()
    again = command("start", state)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert "running, supervised by process" in command("status", state).stdout
    refused = command("run", state)
    assert refused.returncode == 1
    assert "already run by process" in refused.stderr
    assert command("stop", state).returncode == 0
    assert not postgres.running(state)
    assert "No PostgreSQL runs" in command("stop", state).stdout


def test_a_killed_supervisor_means_a_clean_stop(
    state: Path, command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    command("start", state)
    supervisor, server = postgres.holder(state), _server_pid(state)
    assert supervisor is not None
    assert server is not None
    with contextlib.closing(psycopg.connect(postgres.url(state))):
        os.kill(supervisor, signal.SIGKILL)
        _until(lambda: not alive(server))
    assert "database system is shut down" in (postgres.home_dir(state) / "log").read_text()
    with Supervisor(state) as again:
        assert _one(again.url) == 1
    assert "was interrupted" not in (postgres.home_dir(state) / "log").read_text()


def test_it_starts_at_once_after_its_supervisor_was_killed(
    state: Path, command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    command("start", state)
    supervisor = postgres.holder(state)
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    with Supervisor(state) as again:
        assert _one(again.url) == 1


def test_it_restarts_after_the_server_was_killed_with_a_client_open(state: Path) -> None:
    server = Supervisor(state)
    server.start()
    assert server.child is not None
    with contextlib.closing(psycopg.connect(server.url)) as client:
        client.execute("create table kept as select 7 as number")
        client.commit()
        os.kill(server.child.pid, signal.SIGKILL)
        server.stop()
        with Supervisor(state) as again:
            assert _one(again.url, "select number from kept") == 7


def test_a_server_that_dies_ends_the_foreground_command_with_its_log_named(state: Path) -> None:
    words = [sys.executable, "-m", "portal.local.postgres", "run", "--fast", "--state", str(state)]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=postgres.ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == postgres.url(state)
        server = _server_pid(state)
        assert server is not None
        os.kill(server, signal.SIGKILL)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "ended by itself" in said
    assert str(postgres.home_dir(state) / "log") in said


def test_a_zombie_is_not_a_running_process() -> None:
    with subprocess.Popen(["true"]) as child:
        _until(lambda: not alive(child.pid))
        assert child.returncode is None, "nobody has waited for it yet"
    assert not alive(child.pid)
    assert alive(os.getpid())


def test_a_stale_pid_file_of_another_program_does_not_stop_the_start(state: Path) -> None:
    data = postgres.home_dir(state) / "data"
    (data / "postmaster.pid").write_text(f"{os.getpid()}\n{data}\n")
    with Supervisor(state, fast=True) as server:
        assert _one(server.url) == 1


def test_a_first_start_that_was_cut_off_leaves_nothing_half_made(empty: Path) -> None:
    half = postgres.home_dir(empty) / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with Supervisor(empty, fast=True) as server:
        assert _one(server.url) == 1
    assert not half.exists()


def test_a_server_that_cannot_start_says_its_last_words(state: Path) -> None:
    (postgres.home_dir(state) / "data" / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(PostgresError, match="no_such_setting"):
        Supervisor(state, fast=True).start()
    assert postgres.holder(state) is None


def test_data_of_another_version_is_kept_and_named(empty: Path) -> None:
    data = postgres.home_dir(empty) / "data"
    data.mkdir(parents=True, mode=0o700)
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresError, match="PostgreSQL 9's"):
        Supervisor(empty).start()
    assert (data / "PG_VERSION").read_text() == "9\n"


@pytest.mark.parametrize("name", ["with blank", "comma,name", "ünïcode", "long" * 30])
def test_any_path_of_the_state_folder_serves(empty: Path, name: str) -> None:
    place = empty / name
    assert len(os.fsencode(postgres.socket_dir(place) / postgres.SOCKET_NAME)) <= postgres.SOCKET_PATH_MAX
    with Supervisor(place, fast=True) as server:
        assert _one(server.url) == 1
    assert postgres.socket_dir(place) == postgres.socket_dir(place)


def test_a_socket_folder_that_is_a_link_is_refused(empty: Path) -> None:
    place = empty / ("long" * 30)
    sockets = postgres.socket_dir(place)
    sockets.symlink_to(empty)
    try:
        with pytest.raises(PostgresError, match="must be a folder of yours"):
            Supervisor(place).start()
    finally:
        sockets.unlink()

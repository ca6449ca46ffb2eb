#!/usr/bin/python3
"""A desktop for one program, in a browser: desktop.py [PROGRAM [ARGUMENT ...]]

Starts an X server that speaks VNC (TigerVNC), a window manager (JWM), noVNC's page on port 5902, and the program. It ends when
the program ends, with its code; where the user logs out, with 0. Without a program it is a session that ends at the log out.

It runs as any user, with a read-only root and without a network: it writes to /tmp and the home folder alone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

PORT = 5902
SIZE = "1280x800"  # until a browser says its own
PASSWORD_FILE = Path(
    "/etc/JARVICE/vncpasswd"
)  # the job's %NIMBIXPASSWD% (its first 8 characters), as VNC servers read it
PAGES = "/usr/share/novnc"
WINDOWS = Path(__file__).resolve().with_name("jwmrc.xml")
XTERM = {
    "faceName": "DejaVu Sans Mono",
    "faceSize": "11",
    "background": "#101820",
    "foreground": "#e6edf3",
    "saveLines": "5000",
}
START_S, GRACE_S, PATIENCE_S = 20.0, 5.0, 0.1
RESTARTS = 5  # of what carries the picture to the browser; the program does not notice


class Ended(Exception):
    """Someone asked for the end: the argument is the exit code."""


def tell(number: int, frame: FrameType | None) -> None:
    raise Ended(128 + number)


def display(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """The X server and its name, as ":1". It is spoken to by a socket of ours alone."""
    reading, writing = os.pipe()
    log = (folder / "x.log").open("wb")
    words = [
        "Xtigervnc",
        "-displayfd",
        str(writing),
        "-rfbunixpath",
        str(folder / "vnc"),
        "-rfbunixmode",
        "0600",
        "-rfbport",
        "-1",
    ]
    words += [
        "-nolisten",
        "tcp",
        "-SecurityTypes",
        "VncAuth",
        "-rfbauth",
        str(PASSWORD_FILE),
        "-AlwaysShared",
        "-UseBlacklist=0",
    ]
    words += ["-geometry", SIZE, "-depth", "24", "-dpi", "96", "-desktop", os.environ.get("JOB_LABEL") or "desktop"]
    server = subprocess.Popen(words, pass_fds=[writing], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    log.close()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        number = pipe.readline().strip().decode()  # an end without a line where the server has ended
    if not number:
        server.wait()
        sys.exit(f"The X server did not start:\n{(folder / 'x.log').read_text(errors='replace')}")
    return server, f":{number}"


def page(folder: Path) -> subprocess.Popen[bytes]:
    """noVNC's page, and the screen by a WebSocket below /websockify."""
    words = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "websockify",
        "--web",
        PAGES,
        "--unix-target",
        str(folder / "vnc"),
        f"127.0.0.1:{PORT}",
    ]
    with (folder / "page.log").open("ab") as log:
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)


def resources(folder: Path) -> Path:
    """What terminals look like, for programs that ask where the X server has nothing to say."""
    path = folder / "resources"
    path.write_text("".join(f"XTerm*{name}: {value}\n" for name, value in XTERM.items()))
    return path


def follow(
    server: subprocess.Popen[bytes],
    windows: subprocess.Popen[bytes],
    program: subprocess.Popen[bytes] | None,
    folder: Path,
) -> int:
    """Wait for the end; its exit code."""
    served, left = page(folder), RESTARTS
    print(f"The desktop is on port {PORT}.", flush=True)
    try:
        while True:
            if program is not None and (code := program.poll()) is not None:
                return 128 - code if code < 0 else code
            if server.poll() is not None:
                print("The X server ended.", file=sys.stderr)
                return 1
            if (code := windows.poll()) is not None:
                if code == 0:
                    print("Logged out.", flush=True)
                else:
                    print(f"The window manager ended with {code}.", file=sys.stderr)
                return min(abs(code), 1)
            if served.poll() is not None:
                if not left:
                    print(
                        f"What serves the desktop ended again and again:\n{(folder / 'page.log').read_text(errors='replace')[-2000:]}",
                        file=sys.stderr,
                    )
                    return 1
                served, left = page(folder), left - 1
            time.sleep(PATIENCE_S)
    finally:
        end(served)


def end(*children: subprocess.Popen[bytes] | None) -> None:
    """Told to end, and killed where that is not heeded."""
    running = [child for child in children if child is not None and child.poll() is None]
    for child in running:
        child.terminate()
    deadline = time.monotonic() + GRACE_S
    for child in running:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def run(words: Sequence[str], folder: Path) -> int:
    server, name = display(folder)
    windows = program = None
    try:
        environment = {
            **os.environ,
            "DISPLAY": name,
            "XAPPLRESDIR": str(folder),
            "XENVIRONMENT": str(resources(folder)),
        }
        windows = subprocess.Popen(["jwm", "-f", str(WINDOWS)], env=environment, stdin=subprocess.DEVNULL)
        if words:
            try:
                program = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL)
            except OSError as error:
                sys.exit(f"{words[0]} was not started: {error.strerror}. Is it in the image?")
        return follow(server, windows, program, folder)
    except Ended as ended:
        return int(ended.args[0])
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        end(program)
        end(windows)
        end(server)


def main(words: list[str]) -> int:
    if not PASSWORD_FILE.exists():
        sys.exit(f"There is no {PASSWORD_FILE}, which holds the desktop's password: make it with vncpasswd -f.")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, tell)
    with tempfile.TemporaryDirectory(prefix="desktop.") as folder:
        return run(words, Path(folder))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

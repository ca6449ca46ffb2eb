"""`make demo` and `make run`: sets up what is missing, starts the whole product on 127.0.0.1, and ends it in order.

Standard library alone, and no Django here: the portal runs in processes of its own, as it does anywhere.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from portal.errors import PortalError
from portal.local import postgres
from portal.local.demo_client import (
    Api,
    DemoError,
    Json,
    example_jobs,
    launch_and_wait,
    save_templates,
    table,
    wait_until_ready,
)
from portal.local.demo_images import OwnImages, tag_of
from portal.local.processes import Processes, Told, listen

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).resolve().parent
IMAGE = "slipway-examples:1"
USERNAME = "demo"
PORTS_TRIED = 50
PASSWORD_LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # noqa: S105  what one is made of
FRAMES = re.compile(r'^  File ".*\n(?:    .*\n)*', re.MULTILINE)  # of a traceback
BEGUN = time.monotonic()


def say(words: str) -> None:
    print(f"[{time.monotonic() - BEGUN:5.1f} s] {words}", flush=True)


@dataclass
class Demo:
    """One run. `develop` reloads on changed code and writes the processes' output to the terminal."""

    state: Path
    develop: bool = False
    env: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def __post_init__(self) -> None:
        self.processes = Processes(None if self.develop else self.state / "logs")
        self.images = OwnImages(ROOT / "examples", self.state, self.env, say, self.publish)

    # ---- Setting up

    def check_installing(self) -> str:
        """Docker Engine, the base image and the examples' image; the last one's id."""
        say("Looking for Docker Engine ...")
        version = self._script(SCRIPTS / "docker.sh", "ensure", str(self.state))
        say(f"Docker Engine {version} answers.")
        self._script(SCRIPTS / "base_image.sh", str(self.state))
        return self._script(ROOT / "examples" / "build.sh")

    def _script(self, *words: str | Path) -> str:
        """What the script printed. It says itself what it installs, on stderr; where it fails, so do we, with its code."""
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=self.env, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(done.returncode)
        return done.stdout.strip()

    def stop_engine(self) -> None:
        """End the Docker Engine if this state folder's script started it; say nothing where it did not."""
        if (self.state / "dockerd.pid").exists():
            self._script(SCRIPTS / "docker.sh", "stop", str(self.state))

    def choose_port(self) -> int:
        """PORT (8000), or the next one that is free."""
        text = os.environ.get("PORT") or "8000"
        if not text.isdigit() or not 1 <= int(text) <= 65535:
            raise DemoError(f"PORT is {text!r}. Allowed: a number from 1 to 65535.")
        wanted = int(text)
        for port in range(wanted, min(wanted + PORTS_TRIED, 65536)):
            with socket.socket() as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with contextlib.suppress(OSError):
                    trial.bind(("127.0.0.1", port))
                    if port != wanted:
                        say(f"Port {wanted} is in use by another program: using {port}. Set PORT to choose one.")
                    return port
        raise DemoError(f"Ports {wanted} to {wanted + PORTS_TRIED - 1} are all in use. Set PORT to one that is free.")

    def secrets(self) -> str:
        """Put the installation's key into the environment and give the demo person's password: the same in every run."""
        key = self.state / "secret_key"
        if not key.exists():
            _write_private(key, secrets.token_urlsafe(48))
        self.env["SECRET_KEY"] = key.read_text().strip()
        kept = self.state / "demo.json"
        if not kept.exists():
            _write_private(kept, json.dumps({"username": USERNAME, "password": _password()}))
        password = json.loads(kept.read_text())["password"]
        if not isinstance(password, str):
            raise DemoError(f"{kept} holds no password. Remove it, then start again.")
        return password

    def configure(self, port: int) -> str:
        """The environment of the portal's processes. The address people use."""
        url = f"http://127.0.0.1:{port}"
        self.env |= {"PUBLIC_URL": url, "SLIPWAY_STATE": str(self.state), "PYTHONUNBUFFERED": "1"}
        self.env.setdefault("DEBUG", "1" if self.develop else "0")
        self.env.setdefault("JARVICE_API", "1")
        self.env.setdefault("PRICE_UNIT", "EUR")
        self.env.setdefault("BUNDLE_IMAGE", IMAGE)  # which has Python, and is here
        self.env.setdefault("JOB_SHELLS", "1")
        return url

    # ---- The parts

    @contextlib.contextmanager
    def database(self) -> Iterator[None]:
        """The database of DATABASE_URL; else the embedded one: that which runs already, or one of ours."""
        if self.env.get("DATABASE_URL"):
            say("Using the database of DATABASE_URL.")
            yield
        elif postgres.running(self.state):
            say("Using the embedded PostgreSQL that runs already.")
            yield
        else:
            say("Starting the embedded PostgreSQL ...")
            with postgres.Supervisor(self.state):
                yield

    def manage(self, *words: str, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            cwd=ROOT,
            env={**self.env, **more},
            text=True,
            check=False,
        )
        if done.returncode:
            raise DemoError(f"manage.py {words[0]} failed:\n{self._last_words(done.stderr or done.stdout)}")
        return done.stdout

    def _last_words(self, said: str) -> str:
        """What to read on the terminal: of a traceback only what was raised; the whole of it is kept in a log."""
        *frames, raised = FRAMES.split(said.strip())
        if not frames:
            return "\n".join(raised.splitlines()[-15:])
        log = self.state / "logs" / "manage.log"
        log.parent.mkdir(exist_ok=True)
        log.write_text(said, encoding="utf-8")
        return f"{raised}\nThe whole of it is in {log}."

    def collect_static(self) -> None:
        """Only where a file has changed since the last time: it takes seconds."""
        if self.env["DEBUG"] != "0":
            return
        seen = hashlib.sha256((ROOT / "requirements.txt").read_bytes())
        for path in sorted((ROOT / "static").rglob("*")):
            facts = path.stat()
            seen.update(f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode())
        stamp = self.state / "static.stamp"
        if (ROOT / "staticfiles").is_dir() and stamp.exists() and stamp.read_text() == seen.hexdigest():
            return
        say("Collecting static files ...")
        self.manage("collectstatic", "--noinput", "--verbosity", "0")
        stamp.write_text(seen.hexdigest())

    def start(self, port: int) -> None:
        web = [sys.executable, "-m", "portal.web", "--port", str(port), *(["--reload"] if self.develop else [])]
        worker = [sys.executable, "manage.py", "worker", "--host", "demo", "--serve", "n1=2", "--serve", "n2=1"]
        self.processes.start("web", web, env=self.env, cwd=ROOT)
        self.processes.start("worker", worker, env=self.env, cwd=ROOT)

    def still_there(self) -> None:
        """Raises DemoError when a process of ours has ended."""
        if (ended := self.processes.ended()) is not None:
            name, code = ended
            raise DemoError(f"The {name} process ended with {code}. {self.processes.last_words(name)}")

    # ---- The story

    def run(self, *, once: bool) -> int:
        password = self.secrets()
        port = self.choose_port()
        url = self.configure(port)
        image_id = self.check_installing()
        with self.database():
            say("Bringing the database up to date ...")
            self.manage("migrate", "--noinput", "--verbosity", "0")
            self.manage("install_engines")
            self.collect_static()
            words = ["--username", USERNAME, "--image", IMAGE, "--image-id", image_id]
            for name, own_id in self.own_images().items():
                words += ["--own-image", name, tag_of(name), own_id]
            made: Json = json.loads(self.manage("demo_data", *words, DEMO_PASSWORD=password))
            try:
                say(f"Starting the portal on {url} and a worker for machine types n1 and n2 ...")
                self.start(port)
                wait_until_ready(url, self.still_there)
                jobs = self.show(Api(url, made["token"]), made["vault"], url, password)
                if not once:
                    self.stay(url)
            finally:
                self.images.stop()
                self.processes.stop()
        failed = [job["number"] for job in jobs if job["state"] != "succeeded"]
        if once and failed:
            print(f"Not succeeded: job {', '.join(map(str, failed))}.", file=sys.stderr)
        return 1 if once and failed else 0

    def show(self, api: Api, vault: str, url: str, password: str) -> list[Json]:
        """Launch the examples (not in development) and print how they went, and where to log in."""
        jobs: list[Json] = []
        if not self.develop:
            say("Launching the examples over REST ...")
            save_templates(api, ROOT / "examples" / "templates")
            jobs = launch_and_wait(api, list(example_jobs(ROOT / "examples", vault)), self.still_there)
            print(f"\n{table(jobs)}\n")
            for job in jobs:
                if "fractal.png" in job["results"]:
                    print(f"  The fractal's picture: {url}/jobs/{job['number']}/")
        print(f"  {url}\n  user      {USERNAME}\n  password  {password}\n", flush=True)
        return jobs

    def own_images(self) -> dict[str, str]:
        """Name -> id of the examples' images that are made already; none with DEMO_IMAGES=0."""
        return {} if self.env.get("DEMO_IMAGES") == "0" else self.images.ready()

    def publish(self, name: str, image_id: str) -> None:
        """Show the example whose image is made now."""
        self.manage("demo_data", "--username", USERNAME, "--only", "--own-image", name, tag_of(name), image_id)
        say(f"The example {name} is in the catalog now.")

    def stay(self, url: str) -> None:
        say(f"{url} stays up until Ctrl-C.")
        self.images.begin()
        while True:
            self.still_there()
            self.images.tend()
            time.sleep(0.5)


def _password() -> str:
    """Letters and digits that a person can tell apart and copy with a double click: 93 bits."""
    return "".join(secrets.choice(PASSWORD_LETTERS) for _ in range(16))


def _write_private(path: Path, text: str) -> None:
    """Whole or not at all, and readable by its owner alone from the first moment."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text + "\n")
    fresh.rename(path)


@contextlib.contextmanager
def _only_one(state: Path) -> Iterator[None]:
    try:
        state.mkdir(parents=True, exist_ok=True)
        held = (state / "demo.lock").open("a+", encoding="ascii")
    except OSError as error:
        raise DemoError(
            f"The state folder {state} can't be used: {error.strerror}. Set SLIPWAY_STATE to a folder you may write to."
        ) from None
    with held as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise DemoError(
                f"The demo already runs on {state} (process {lock.read().strip()}). Use it, end it first, or set "
                f"SLIPWAY_STATE to another folder."
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m portal.local.demo", description="Show the product on this machine."
    )
    parser.add_argument("--once", action="store_true", help="run the examples, print how they went, and end")
    parser.add_argument(
        "--develop", action="store_true", help="for work on the code: reload, debug pages, no examples run"
    )
    given = parser.parse_args(arguments)
    state = postgres.default_state_dir()
    listen()
    try:
        with _only_one(state):
            demo = Demo(state, develop=given.develop)
            try:
                return demo.run(once=given.once)
            finally:
                demo.stop_engine()
    except PortalError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except Told:
        say("Ended.")
        return 130 if given.once else 0


if __name__ == "__main__":
    sys.exit(main())

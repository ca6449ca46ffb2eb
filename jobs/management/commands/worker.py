"""manage.py worker: serve machine types on this host."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import signal
import threading
import time
from argparse import ArgumentParser
from typing import IO, Any

import dramatiq
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection

from jobs import chores, hosts, keep
from jobs.folders import host_root
from jobs.models.hosts import NAME, TAG
from jobs.relay import namespaces
from jobs.relay.listening import Address, address_of, self_made_certificate
from jobs.runtimes.keeping import KeepingRuntime
from jobs.serving import serve as serve_here
from jobs.slots import Slots
from portal.broker import broker
from portal.doorbell import CONTROL_QUEUE
from portal.errors import PortalError

logger = logging.getLogger(__name__)
ACTOR_THREADS = 2
MINUTE_S, HOUR_S = 60, 3600
EXIT_SECOND_PROCESS = 3


class Command(BaseCommand):
    help = "Serve machine types on this host: run the containers of the jobs launched on them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", required=True, help="This host's name; one process per host.")
        parser.add_argument("--serve", action="append", required=True, metavar="TYPE=SLOTS", help="e.g. n1=2")
        parser.add_argument("--tag", action="append", default=[], metavar="KEY=VALUE", help="e.g. gpu=a100")
        parser.add_argument(
            "--mounts", choices=["shared"], default="shared", help="The store and vaults at the same paths."
        )
        parser.add_argument(
            "--take-over", action="store_true", help="Wait for the process that serves this host now to end."
        )

        parser.add_argument(
            "--relay", default=settings.RELAY, metavar="ADDRESS:PORT", help="Where its relay listens (RELAY)."
        )
        parser.add_argument(
            "--public-address",
            default=settings.PUBLIC_ADDRESS,
            metavar="ADDRESS",
            help="The address of this host at which public ports of its jobs are reached (PUBLIC_ADDRESS).",
        )
        parser.add_argument(
            "--relay-named", default=settings.RELAY_NAMED, metavar="HOST", help="What the portal dials (RELAY_NAMED)."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        serve = parse_serve(options["serve"])
        name, tags = options["host"], options["tag"]
        if not NAME.regex.match(name):  # type: ignore[union-attr]
            raise CommandError(f"--host {name!r}: {NAME.message}")
        for tag in tags:
            if not TAG.regex.match(tag):  # type: ignore[union-attr]
                raise CommandError(f"--tag {tag!r}: {TAG.message}")
        try:
            relay = address_of(options["relay"], options["relay_named"])
        except ValueError as refused:
            raise CommandError(f"--relay: {refused}") from refused
        lock = self._lock(name, options["take_over"])
        try:
            host = hosts.register(
                name=name, serve=serve, tags=tags, mounts=options["mounts"], public_address=options["public_address"]
            )
        except PortalError as refused:
            raise CommandError(str(refused)) from refused
        runtime = KeepingRuntime(settings.DOCKER_URL, registries=settings.REGISTRIES, networks=settings.JOB_NETWORKS)
        slots = Slots(host=host, runtime=runtime, serve=serve)
        self._listen_for_portal(slots, relay)
        self._run(slots, host.queue_name, lock)

    def _listen_for_portal(self, slots: Slots, address: Address) -> None:
        """Start the relay. A host that can't have one still runs jobs; what can't be connected to says why."""
        tls, certificate = (None, "") if address.loopback else self_made_certificate()
        fault = namespaces.fault()
        where = ""
        try:
            port = slots.relay.start(address.host, address.port, tls=tls)
            where = f"[{address.named}]:{port}" if ":" in address.named else f"{address.named}:{port}"
        except OSError as error:
            fault = f"The relay can't listen on {address.host}:{address.port}: {error.strerror}. See --relay."
        if fault:
            logger.warning("Nobody can connect to jobs of this host: %s", fault)
        hosts.listens(slots.host, relay=where, certificate=certificate, fault=fault)

    def _lock(self, name: str, take_over: bool) -> IO[str]:
        """The lock on the host's work folder; the kernel frees it when the process ends, however it does."""
        root = host_root(name)
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / "worker.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (0 if take_over else fcntl.LOCK_NB))
        except BlockingIOError:
            self.stderr.write(
                f"A worker serves host {name} already. Give another --host, or wait for it with --take-over."
            )
            raise SystemExit(EXIT_SECOND_PROCESS) from None
        return lock

    def _run(self, slots: Slots, queue: str, lock: IO[str]) -> None:
        made = broker()
        from jobs import tasks  # noqa: F401  binds the actors to the broker that now exists

        leave = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: leave.set())
        serve_here(slots)
        slots.start()
        listening = self._listen(made, queue)
        logger.info("Serving. SIGTERM lets go: containers go on, the next process adopts them.")
        chores_thread = threading.Thread(target=_rounds, args=(slots, leave), name="rounds", daemon=True)
        chores_thread.start()
        while not leave.wait(0.5) and not slots.watcher.superseded.is_set():
            pass
        slots.leave()
        if listening is not None:
            listening.stop(timeout=2000)
        logger.info("Left. What runs here goes on.")
        lock.close()
        # Threads that wait on the engine have nothing to tidy: the next process takes their place.
        os._exit(EXIT_SECOND_PROCESS if slots.watcher.superseded.is_set() else 0)

    def _listen(self, made: dramatiq.Broker, queue: str) -> dramatiq.Worker | None:
        """Take doorbells from the host's queue and short chores from the shared one. Without a broker: look-rounds alone."""
        if settings.BROKER_URL == "none":
            return None
        os.environ.setdefault("dramatiq_queue_prefetch", str(ACTOR_THREADS))
        made.declare_queue(queue)
        listening = dramatiq.Worker(made, queues={queue, CONTROL_QUEUE}, worker_threads=ACTOR_THREADS)
        listening.start()
        return listening


def parse_serve(words: list[str]) -> dict[str, int]:
    """`n1=2` -> {"n1": 2}. Raises CommandError naming the word that is off."""
    serve: dict[str, int] = {}
    for word in words:
        match = re.fullmatch(r"([a-z0-9][a-z0-9._-]*)=([0-9]{1,4})", word)
        if match is None or int(match[2]) < 1:
            raise CommandError(f"--serve {word!r}: write it as TYPE=SLOTS with at least one slot, e.g. n1=2.")
        if match[1] in serve:
            raise CommandError(f"--serve names {match[1]} twice.")
        serve[match[1]] = int(match[2])
    return serve


def _rounds(slots: Slots, leave: threading.Event) -> None:
    """Minutely and hourly chores, in a thread of their own; a fault in one is logged and tried again next time."""
    hour_at = 0.0
    while True:
        try:
            chores.catch_up(slots.runtime)
            keep.find_lost()
            keep.sweep(slots.host, slots.runtime)
            if time.monotonic() >= hour_at and keep.keep():
                hour_at = time.monotonic() + HOUR_S
        except Error as error:
            logger.warning("The database did not answer a chore: %s", error)
        except Exception:
            logger.exception("A chore failed; it is tried again in a minute.")
        finally:
            connection.close()
        if leave.wait(MINUTE_S):
            return

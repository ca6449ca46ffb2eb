"""Containers by Docker Engine. What is asked for is in docker_config; how the engine is spoken to, in docker_engine."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, NoReturn

import requests
from docker.errors import APIError, ImageNotFound, NotFound

from jobs.runtimes import docker_networks, docker_terminals, references
from jobs.runtimes.base import (
    ContainerSpec,
    Exited,
    Handle,
    ImageInfo,
    LogLine,
    Missing,
    Observation,
    Pending,
    PublicPort,
    RegistryLogin,
    Running,
    RuntimeFault,
    Usage,
)
from jobs.runtimes.docker_config import OUTGOING, container_config, published_ports, reading_config
from jobs.runtimes.docker_engine import words_of
from jobs.runtimes.docker_files import read_within
from jobs.runtimes.docker_images import image_info, image_missing, pull_fault
from jobs.runtimes.docker_streams import log_lines, since_parameter, usages

_READING, _READING_S = "slipway.reading", 300  # the label of containers that are only read from, and their time at most
_BLOCK_BYTES = 65_536
# Words of the engine's messages that no second try can change.
_FINAL = (
    "executable file not found",
    "no such file or directory",
    "permission denied",
    "not a directory",
    "could not select device driver",
    "exec format error",
)


class DockerRuntime(docker_networks.PrivateNetworks, docker_terminals.Terminals):
    """Thread-safe. `base_url` as Engine's; `networks` are the addresses that private networks get theirs of."""

    keeps = False

    def __init__(
        self,
        base_url: str | None = None,
        *,
        registries: tuple[str, ...] = ("docker.io",),
        networks: str = docker_networks.DEFAULT_POOL,
    ) -> None:
        super().__init__(base_url, networks)
        self._registries = registries

    # -- starting and ending ------------------------------------------------------------------------------------------

    def start(self, spec: ContainerSpec) -> Handle:
        handle = self.create(spec)
        if handle.adopted:
            return self._adopt(spec, handle)
        self._start(spec, handle)
        return handle

    def create(self, spec: ContainerSpec) -> Handle:
        """The first half of start. A name that is taken gives an adopted handle, whatever that container's state."""
        config = container_config(spec, socket=self._socket)
        with self._engine():
            try:
                made = self._call.create_container_from_config(config, name=spec.name)
            except ImageNotFound as error:
                raise RuntimeFault(
                    f"Image {spec.image!r} is not on this host: {words_of(error)}. Fetch it before starting.",
                    code="image_missing",
                    retry=True,
                ) from error
            except APIError as error:
                if error.status_code == 409:
                    return Handle(name=spec.name, adopted=True)
                self._refuse(spec, error)
        return Handle(name=spec.name, id=made["Id"])

    def _adopt(self, spec: ContainerSpec, handle: Handle) -> Handle:
        found = self._inspect(handle)
        if found is None:
            said = f"{spec.name!r} was being removed while it was started. Start it again."
            raise RuntimeFault(said, code="start_refused", retry=True)
        labels = found["Config"].get("Labels") or {}
        if any(labels.get(name) != value for name, value in spec.labels.items()):
            said = f"Another container, not ours by its labels, has the name {spec.name!r}. Remove or rename it."
            raise RuntimeFault(said, code="start_refused", retry=False)
        handle = Handle(name=spec.name, id=found["Id"], adopted=True)
        if found["State"]["Status"] == "created":
            self._start(spec, handle)
        return handle

    def _start(self, spec: ContainerSpec, handle: Handle) -> None:
        with self._engine():
            try:
                self._join(spec, handle.id)
                if spec.terminal:
                    self._attach_early(spec.name, handle.id)
                self._call.start(handle.id)
            except APIError as error:
                if not isinstance(error, NotFound) or "no such container" not in words_of(error).lower():
                    self.remove(handle)  # it never ran: what is left would only be in the way of the next try
                self._refuse(spec, error)

    def _refuse(self, spec: ContainerSpec, error: APIError) -> NoReturn:
        words = words_of(error)
        if "no space left on device" in words:
            raise RuntimeFault(
                f"{spec.name!r} was not started: the engine's disk is full ({words}). Free some space.",
                code="disk_full",
                retry=True,
            ) from error
        if f"network {OUTGOING} not found" in words:
            raise docker_networks.no_way_out(spec.name) from error
        hint = ""
        if "could not select device driver" in words:
            hint = " Install the NVIDIA Container Toolkit on this host."
        elif "docker-init" in words:
            hint = " Install the package tini on this host."
        elif "executable file not found" in words:
            hint = f" The image has no program {spec.argv[0]!r}."
        final = error.is_client_error() or any(part in words for part in _FINAL)
        raise RuntimeFault(
            f"{spec.name!r} was not started: {words}.{hint}", code="start_refused", retry=not final
        ) from error

    def wait(self, handle: Handle) -> Exited | Missing:
        with self._engine():
            try:
                self._stream.wait(_ref(handle))
            except NotFound:
                return Missing()
        match self.observe(handle):
            case Exited() | Missing() as end:
                return end
            case Pending():
                raise RuntimeFault(
                    f"{handle.name!r} was made and never started. Start it.", code="start_refused", retry=True
                )
            case Running():  # an engine that shuts down lets go of those who wait
                raise self._away()

    def observe(self, handle: Handle) -> Observation:
        found = self._inspect(handle)
        if found is None:
            return Missing()
        state = found["State"]
        match state["Status"]:
            case "created":
                return Pending()
            case "running" | "paused" | "restarting":
                return Running(pid=int(state["Pid"]))
        code, reason = int(state["ExitCode"]), str(state.get("Error") or "")
        if code in (126, 127) and not reason:
            reason = self._why_nothing_ran(handle)
        return Exited(code=code, oom=bool(state.get("OOMKilled")), reason=reason)

    def _why_nothing_ran(self, handle: Handle) -> str:
        """The init's own last words, where it could not start the program."""
        last = self.tail(handle, 1)
        if not last or not last[0].data.startswith(b"[FATAL tini"):
            return ""
        words = last[0].data.decode("utf-8", "replace").partition("] ")[2].strip().removeprefix("exec ")
        return f"The program could not be started: {words}. Is it in the image?"

    def stop(self, handle: Handle, grace_s: float) -> None:
        self.resume(handle)
        with self._engine():
            try:
                self._call.stop(_ref(handle), timeout=math.ceil(max(0.0, grace_s)))
            except NotFound:
                return

    def pause(self, handle: Handle) -> None:
        self._turn(handle, "pause", "already paused", "not running")

    def resume(self, handle: Handle) -> None:
        self._turn(handle, "unpause", "not paused", "not running")

    def _turn(self, handle: Handle, what: str, *done: str) -> None:
        with self._engine():
            try:
                getattr(self._call, what)(_ref(handle))
            except NotFound:
                return
            except APIError as error:
                if not any(words in words_of(error) for words in done):
                    raise

    def remove(self, handle: Handle) -> None:
        self._let_go(handle.name)
        with self._engine():
            try:
                self._call.remove_container(_ref(handle), v=True, force=True)
            except NotFound:
                return
            except APIError as error:
                if error.status_code != 409:  # 409: another call is removing it
                    raise

    # -- looking on ---------------------------------------------------------------------------------------------------

    def follow(self, handle: Handle, since: str = "") -> Iterator[LogLine]:
        options: dict[str, Any] = {"follow": 1, "stdout": 1, "stderr": 1, "timestamps": 1}
        if since:
            options["since"] = since_parameter(since)
        with self._engine():
            try:
                yield from log_lines(_blocks(self._get(handle, "logs", options)))
            except NotFound:
                return
            except APIError as error:
                if error.status_code != 409:  # 409: it is being removed
                    raise

    def tail(self, handle: Handle, lines: int) -> list[LogLine]:
        with self._engine():
            try:
                answer = self._get(handle, "logs", {"stdout": 1, "stderr": 1, "timestamps": 1, "tail": lines})
                return list(log_lines(_blocks(answer)))
            except NotFound:
                return []

    def usage(self, handle: Handle) -> Iterator[Usage]:
        with self._engine():
            try:
                yield from usages(_blocks(self._get(handle, "stats", {"stream": 1})))
            except NotFound:
                return

    def written(self, handle: Handle) -> int:
        with self._engine():
            try:
                return int(self._get(handle, "json", {"size": 1}).json().get("SizeRw") or 0)
            except NotFound:
                return 0

    def published(self, handle: Handle) -> tuple[PublicPort, ...]:
        found = self._inspect(handle)
        return published_ports(found) if found else ()

    def owned(self, label: str, value: str) -> list[Handle]:
        with self._engine():
            found = self._call.containers(all=True, filters={"label": f"{label}={value}"})
        return [
            Handle(name=row["Names"][0].removeprefix("/"), id=row["Id"], adopted=True) for row in found if row["Names"]
        ]

    def ping(self) -> str:
        with self._engine():
            return f"Docker Engine {self._call.version()['Version']}"

    # -- images -------------------------------------------------------------------------------------------------------

    def image(self, reference: str, *, pull: bool, login: RegistryLogin | None = None) -> ImageInfo:
        if references.is_image_id(reference):
            found = self._local_image(reference)
            if found is None:
                raise image_missing(reference, "no image here has this id. Use its name", retry=False)
            return image_info(reference, None, found)
        parsed = references.parse_or_refuse(reference)
        found = self._local_image(reference)
        if found is None or found.get("RepoDigests"):  # what came from no registry was made on this host
            references.require_allowed(parsed, reference, self._registries)
        if found is None:
            if not pull:
                raise image_missing(reference, "it is not on this host. Pull it", retry=True)
            self._pull(reference, parsed, login)
            found = self._local_image(reference)
            if found is None:
                raise image_missing(reference, "it was pulled and is gone again. Try once more", retry=True)
        return image_info(reference, parsed, found)

    def export(self, reference: str) -> Generator[bytes, None, None]:
        with self._engine():
            try:
                yield from self._stream.get_image(reference)
            except NotFound as error:
                raise image_missing(reference, "it is not on this host. Pull it", retry=True) from error

    def _local_image(self, reference: str) -> dict[str, Any] | None:
        with self._engine():
            try:
                return dict(self._call.inspect_image(reference))
            except NotFound:
                return None

    def _pull(self, reference: str, parsed: references.Reference, login: RegistryLogin | None) -> None:
        shown = None
        if login is not None and references.same_registry(login.registry, parsed.registry):
            shown = {"username": login.username, "password": login.password}
        with self._engine():
            try:
                steps = self._stream.pull(
                    parsed.name, tag=parsed.digest or parsed.tag, stream=True, decode=True, auth_config=shown
                )
                problem = next((str(step["error"]) for step in steps if "error" in step), "")
            except APIError as error:
                problem = words_of(error)
        if problem:
            raise pull_fault(reference, problem)

    def read_file(self, image: str, path: str, limit_bytes: int) -> bytes | None:
        with self._engine():
            self._sweep_readings()
            try:
                made = self._call.create_container_from_config(reading_config(image, {_READING: "1"}))
            except ImageNotFound as error:
                raise image_missing(image, "it is not on this host. Pull it", retry=True) from error
        handle = Handle(name="", id=made["Id"])
        try:
            return read_within(lambda asked: self._archive(handle, asked), path, limit_bytes)
        finally:
            self.remove(handle)

    @contextmanager
    def _archive(self, handle: Handle, path: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        """What the engine says of a path, and its stream; "" and nothing where there is no such path."""
        with self._engine():
            try:
                answer = self._get(handle, "archive", {"path": path})
            except NotFound:
                yield "", iter(())
                return
            with closing(answer):
                yield answer.headers.get("X-Docker-Container-Path-Stat", ""), _blocks(answer)

    def _sweep_readings(self) -> None:
        """Remove what a process left that was killed while it read."""
        for row in self._call.containers(all=True, filters={"label": _READING, "status": "created"}):
            if time.time() - float(row["Created"]) > _READING_S:
                self.remove(Handle(name="", id=row["Id"]))

    # -- the engine ---------------------------------------------------------------------------------------------------

    def _get(self, handle: Handle, what: str, params: dict[str, Any]) -> requests.Response:
        """The SDK's own logs() inspects first, and turns `since` into whole seconds or a float."""
        client = self._stream
        answer: requests.Response = client.get(
            f"{client.base_url}/v{client.api_version}/containers/{_ref(handle)}/{what}",
            params=params,
            headers={"Accept-Encoding": "identity"},
            stream=True,
            timeout=None,
        )
        client._raise_for_status(answer)
        return answer

    def _inspect(self, handle: Handle) -> dict[str, Any] | None:
        with self._engine():
            try:
                return dict(self._call.inspect_container(_ref(handle)))
            except NotFound:
                return None


def _ref(handle: Handle) -> str:
    return handle.id or handle.name


def _blocks(answer: requests.Response) -> Iterator[bytes]:
    try:
        while block := answer.raw.read1(_BLOCK_BYTES):
            yield block
    finally:
        answer.close()

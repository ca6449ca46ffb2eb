"""How Docker Engine is spoken to: its clients, and every way it can be away, or fail, as a RuntimeFault."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

import requests
import urllib3
from docker import APIClient
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from jobs.runtimes.base import RuntimeFault
from jobs.runtimes.docker_config import DEFAULT_SOCKET

_CALL_TIMEOUT_S = 120
_MAX_CONNECTIONS = 128
_GONE = (requests.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError)
_Client = Any  # APIClient, of whose methods the stubs leave some out and some untyped


class Engine:
    """Thread-safe. `base_url` None means DOCKER_HOST (with its TLS variables), else the default socket.

    No connection is made before the first call, so a worker can start while the engine is away.
    """

    def __init__(self, base_url: str | None) -> None:
        self._options: dict[str, Any] = {"base_url": base_url} if base_url else {**kwargs_from_env()}
        self.url: str = self._options.get("base_url") or f"unix://{DEFAULT_SOCKET}"
        self._socket = self.url.removeprefix("unix://")
        self._lock = threading.Lock()
        self._clients: tuple[_Client, _Client] | None = None

    def close(self) -> None:
        """Let go of idle connections. The next call connects again."""
        with self._lock:
            clients, self._clients = self._clients, None
        for client in clients or ():
            client.close()

    @property
    def _call(self) -> _Client:
        return self._connected()[0]

    @property
    def _stream(self) -> _Client:
        return self._connected()[1]

    def _connected(self) -> tuple[_Client, _Client]:
        """One client for calls and one, without a read timeout, for what blocks as long as a job lasts."""
        with self._lock:
            if self._clients is None:
                self._knock()
                options = {**self._options, "max_pool_size": _MAX_CONNECTIONS}
                call: _Client = APIClient(version="auto", timeout=_CALL_TIMEOUT_S, **options)
                no_timeout: Any = None
                self._clients = (call, APIClient(version=call.api_version, timeout=no_timeout, **options))
            return self._clients

    def _knock(self) -> None:
        """Raise OSError where nobody listens: the SDK leaks a socket for each try that fails."""
        if self.url.startswith("unix://"):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(_CALL_TIMEOUT_S)
                probe.connect(self._socket)

    @contextmanager
    def _engine(self) -> Iterator[None]:
        """Turn every way an engine can be away, or fail, into RuntimeFault."""
        try:
            yield
        except APIError as error:
            words = words_of(error)
            code = "disk_full" if "no space left on device" in words else "engine_away"
            raise RuntimeFault(
                f"Docker Engine at {self.url} failed: {words}. See its log.", code=code, retry=True
            ) from error
        except (*_GONE, DockerException, ValueError) as error:
            self.close()  # the one that comes back may speak another API version
            raise self._away(error) from error

    def _away(self, error: BaseException | None = None) -> RuntimeFault:
        message = f"Docker Engine does not answer at {self.url}: start it, or set DOCKER_HOST."
        if error is not None and "Permission denied" in str(error):
            message = f"This user may not use {self.url}: add it to the group docker, or set DOCKER_HOST."
        return RuntimeFault(message, code="engine_away", retry=True)


def words_of(error: APIError) -> str:
    return str(error.explanation or error).strip().rstrip(".")

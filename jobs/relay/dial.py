"""The portal's end of the relay: from an endpoint to a stream of bytes. Runs in the web process's event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobs.models import Attempt, Endpoint
from jobs.relay import handshake
from jobs.relay.handshake import Asking, Malformed, Refused
from jobs.states import AttemptState
from portal.threads import in_thread

BUFFER_BYTES = 256 * 1024
CLOSE_S = 5.0


@dataclass(frozen=True)
class Place:
    """Where an endpoint's relay listens now, and how it is known: read afresh, for a worker that restarts moves it."""

    attempt: str
    relay: str
    certificate: str


class Stream:
    """Bytes both ways, as the target has them. Reading gives b"" where the other side has ended."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self, max_bytes: int = 65536) -> bytes:
        """At least one byte; b"" at the end. Raises OSError where the connection broke."""
        return await self._reader.read(max_bytes)

    async def write(self, data: bytes) -> None:
        """Returns when there is room for more. Raises OSError."""
        self._writer.write(data)
        await self._writer.drain()

    def write_eof(self) -> None:
        """Nothing more comes from here (over TLS this ends both ways)."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        else:
            self._writer.close()

    @property
    def has_news(self) -> bool:
        """Whether a read would return at once: with bytes, or because the other side has ended."""
        return self._reader.at_eof() or bool(self._reader._buffer) or self._writer.is_closing()  # type: ignore[attr-defined]

    async def aclose(self) -> None:
        """End it, once what was written has gone out and TLS has said goodbye. What takes longer than CLOSE_S is cut."""
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._writer.wait_closed()
        except TimeoutError:
            self.abort()
        except OSError:
            pass  # it broke, and so has ended too

    def abort(self) -> None:
        """End it at once, whatever has not gone out."""
        self._writer.transport.abort()


async def dial(endpoint: Endpoint, target: str, arguments: Mapping[str, str] | None = None) -> Stream:
    """A stream to a target of the endpoint's attempt (jobs.relay.targets): e.g. "port" with {"port": "8888"}.

    Raises Refused, whose `code` and text say why, and whose text may be shown to those who may see the job.
    """
    return await reach(await in_thread(place_of, endpoint.pk), target, arguments)


async def dial_attempt(attempt_id: int, target: str, arguments: Mapping[str, str] | None = None) -> Stream:
    """As `dial`, to what of an attempt is no endpoint: a shell that its owner opened."""
    return await reach(await in_thread(place_of_attempt, attempt_id), target, arguments)


async def reach(place: Place, target: str, arguments: Mapping[str, str] | None) -> Stream:
    """A stream to a target of the attempt at this place. Raises Refused."""
    asking = Asking(place.attempt, target, dict(arguments or {}))
    try:
        async with asyncio.timeout(handshake.PATIENCE_S):
            return await _dial(place, asking)
    except TimeoutError:
        raise Refused("away", "The worker that runs this job does not answer. It may be restarting.") from None
    except (OSError, EOFError, Malformed, ssl.SSLError):
        raise Refused("away", "The worker that runs this job can't be reached. It may be restarting.") from None


def place_of(endpoint_id: int) -> Place:
    """Raises Refused where nothing runs there any more, or where its host has no relay."""
    row = (
        Endpoint.objects.filter(pk=endpoint_id)
        .values_list("state", "attempt__name", "attempt__host__relay", "attempt__host__relay_certificate")
        .first()
    )
    if row is None or row[0] == Endpoint.State.CLOSED:
        raise Refused("gone", "This job does not run any more.")
    return _listening(*row[1:])


def place_of_attempt(attempt_id: int) -> Place:
    """Raises Refused as `place_of` does."""
    row = (
        Attempt.objects.filter(pk=attempt_id, state=AttemptState.RUNNING)
        .values_list("name", "host__relay", "host__relay_certificate")
        .first()
    )
    if row is None:
        raise Refused("gone", "This job does not run any more.")
    return _listening(*row)


def _listening(attempt: str, relay: str, certificate: str) -> Place:
    if not relay:
        raise Refused("away", "The worker that runs this job has no relay now. It may be restarting.")
    return Place(attempt, relay, certificate)


async def _dial(place: Place, asking: Asking) -> Stream:
    host, _, port = place.relay.rpartition(":")
    context = ssl.create_default_context(cadata=place.certificate) if place.certificate else None
    if context is not None:
        context.check_hostname = False  # the certificate itself is what is known, not a name on it
    reader, writer = await asyncio.open_connection(
        host.strip("[]"), int(port), ssl=context, limit=BUFFER_BYTES, server_hostname="relay" if context else None
    )
    try:
        greeting = await _hear(reader)
        nonce = handshake.nonce()
        relay_nonce = str(greeting.get("nonce", ""))
        said: dict[str, Any] = {"attempt": asking.attempt, "target": asking.target, "arguments": dict(asking.arguments)}
        said |= {"nonce": nonce, "proof": handshake.proof("portal", relay_nonce, nonce, asking)}
        writer.write(handshake.framed(said))
        answer = await _hear(reader)
        if "code" in answer:
            raise Refused(str(answer["code"]), str(answer.get("message", "")))
        if not handshake.proves(answer.get("proof"), "relay", relay_nonce, nonce, asking):
            raise Refused("away", "What answers in the place of the worker's relay could not prove that it is.")
    except BaseException:
        writer.transport.abort()
        raise
    return Stream(reader, writer)


async def _hear(reader: asyncio.StreamReader) -> dict[str, Any]:
    length = handshake.length_of(await reader.readexactly(2))
    return handshake.unframed(await reader.readexactly(length))

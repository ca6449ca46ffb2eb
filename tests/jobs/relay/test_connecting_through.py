"""The relay: nobody gets a byte through who can't prove who they are, and what gets through ends when it should."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from jobs import endpoints
from jobs.relay import server
from jobs.relay.dial import Stream, dial
from jobs.relay.handshake import Refused
from jobs.relay.targets import TARGETS
from portal.people.models import User
from tests.jobs.proxied import Served, committed, place_of, relayed, until
from tests.jobs.relay.programs import Sink, dialled, refused

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
MIB = 2**20


def test_bytes_go_both_ways_and_each_side_may_end_first(site: Served, sink: Sink) -> None:
    def program() -> None:
        with sink.accept() as connection:
            heard = b""
            while piece := connection.recv(65536):
                heard += piece
            connection.sendall(heard[::-1])  # after the portal has said that it is done

    thread = threading.Thread(target=program)
    thread.start()

    async def act(stream: Stream) -> bytes:
        await stream.write(b"abc" * 100_000)
        stream.write_eof()
        heard = b""
        while piece := await stream.read():
            heard += piece
        return heard

    assert dialled(site, act) == (b"abc" * 100_000)[::-1]
    thread.join()


def test_a_program_that_speaks_first_is_heard_from_its_first_byte(site: Served, sink: Sink) -> None:
    def program() -> None:
        with sink.accept() as connection:
            connection.sendall(b"SSH-2.0-first\r\n")
            connection.recv(10)

    thread = threading.Thread(target=program)
    thread.start()

    async def act(stream: Stream) -> bytes:
        return await stream.read()

    assert dialled(site, act) == b"SSH-2.0-first\r\n"
    thread.join()


def test_a_portal_that_does_not_read_stops_the_program(site: Served, sink: Sink) -> None:
    sent = 0

    def program() -> None:
        nonlocal sent
        with sink.accept() as connection:
            connection.settimeout(1)
            try:
                while sent < 256 * MIB:
                    sent += connection.send(bytes(65536))
            except OSError:
                pass

    thread = threading.Thread(target=program)
    thread.start()

    async def act(stream: Stream) -> None:
        await asyncio.to_thread(thread.join)

    dialled(site, act)
    assert 0 < sent < 32 * MIB


def test_only_what_was_declared_is_reached(site: Served, sink: Sink) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert refused(site, port=str(other.getsockname()[1])).code == "not_allowed"
    for odd in ("", "0", "-1", "99999", "8888x", "٣", f" {sink.port}"):
        caught = Refused("", "")
        with pytest.raises(Refused) as found:
            asyncio.run(TARGETS["port"].open(place_of(site.attempt), {"port": odd}))
        caught = found.value
        assert caught.code == "not_allowed", odd


def test_what_does_not_listen_yet_is_said_as_such(site: Served, sink: Sink) -> None:
    sink.listener.close()
    assert refused(site).code == "not_listening"


def test_unknown_targets_and_attempts_that_are_not_here(site: Served) -> None:
    async def walk() -> None:
        await dial(site.endpoint, "docker", {})

    with pytest.raises(Refused) as caught:
        asyncio.run(walk())
    assert caught.value.code == "not_allowed"
    site.places.clear()
    assert refused(site).code == "away"  # a worker that has just come takes it up in a moment: pages ask again


def test_an_endpoint_that_is_closed_is_not_dialled(site: Served) -> None:
    committed(endpoints.close_all, site.attempt)
    assert refused(site).code == "gone"


def test_a_relay_that_is_away_is_told_apart_from_a_program_that_is(site: Served) -> None:
    site.relay.stop()
    said = refused(site)
    assert said.code == "away"
    assert "restarting" in str(said)


def test_the_end_of_an_attempt_breaks_its_connections_and_no_others(site: Served, sink: Sink, person: User) -> None:
    with relayed(person, sink.port) as other:
        other.relay._find = {**site.places, **other.places}.get

        async def act(stream: Stream) -> bool:
            kept = await dial(other.endpoint, "port", {"port": str(sink.port)})
            site.relay.end(site.attempt.name)
            with pytest.raises(OSError):  # noqa: PT011
                await stream.read()
            await kept.write(b"still here")
            await kept.aclose()
            return True

        programs = [threading.Thread(target=sink.say) for _ in range(2)]
        for program in programs:
            program.start()
        assert dialled(site, act)
        for program in programs:
            program.join()


def test_a_program_that_takes_no_notice_of_the_end_is_left(
    site: Served, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HALF_CLOSED_S", 0.2)
    dialled(site)
    with sink.accept():
        until(lambda: not site.relay._links)


def test_an_attempt_has_so_many_connections_and_no_more(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 2)

    async def walk() -> str:
        opened = [await dial(site.endpoint, "port", {"port": str(site.endpoint.port)}) for _ in range(2)]
        with pytest.raises(Refused) as caught:
            await dial(site.endpoint, "port", {"port": str(site.endpoint.port)})
        for stream in opened:
            await stream.aclose()
        return caught.value.code

    assert asyncio.run(walk()) == "busy"

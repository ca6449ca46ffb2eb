"""Who calls the relay, and who answers in its place: proofs, frames, crowds, certificates, addresses."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import pytest

from jobs.models import Endpoint
from jobs.relay import handshake, server
from jobs.relay.dial import Stream
from jobs.relay.handshake import Asking, Refused
from jobs.relay.listening import address_of, self_made_certificate
from jobs.relay.server import Relay
from jobs.relay.targets import Place
from jobs.runtimes.base import Handle
from jobs.runtimes.fake import FakeRuntime
from tests.jobs.proxied import LocalPort, Served, committed, place_of, until
from tests.jobs.relay.programs import Sink, dialled, refused

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
MIB = 2**20


def at(site: Served) -> tuple[str, int]:
    site.attempt.host.refresh_from_db()
    host, _, port = site.attempt.host.relay.rpartition(":")
    return host, int(port)


def raw(site: Served) -> tuple[socket.socket, str]:
    connection = socket.create_connection(at(site), timeout=10)
    return connection, json.loads(frame(connection))["nonce"]


def frame(connection: socket.socket) -> bytes:
    head = connection.recv(2, socket.MSG_WAITALL)
    return connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL) if head else b""


def asked(site: Served, greeting: str, **over: Any) -> dict[str, Any]:
    asking = Asking(site.attempt.name, "port", {"port": str(site.endpoint.port)})
    said = {
        "attempt": asking.attempt,
        "target": asking.target,
        "arguments": dict(asking.arguments),
        "nonce": "n",
        "proof": handshake.proof("portal", greeting, "n", asking),
    }
    return said | over


@pytest.mark.parametrize(
    "over",
    [
        {"proof": "0" * 64},
        {"proof": ""},
        {"proof": None},
        {"proof": "ü"},
        {"nonce": "other"},
        {"target": "terminal"},
        {"arguments": {"port": "22"}},
        {"attempt": "slipway-another-1"},
        {"arguments": []},
        {"arguments": {"port": 8888}},
    ],
    ids=str,
)
def test_a_caller_who_proves_nothing_is_let_go_of(site: Served, over: dict[str, Any]) -> None:
    connection, nonce = raw(site)
    with connection:
        connection.sendall(handshake.framed(asked(site, nonce, **over)))
        answer = json.loads(frame(connection))
        assert answer["code"] == "not_allowed"
        assert connection.recv(1) == b""


def test_a_proof_is_good_for_one_connection(site: Served) -> None:
    first, nonce = raw(site)
    again, other_nonce = raw(site)
    with first, again:
        assert nonce != other_nonce
        again.sendall(handshake.framed(asked(site, nonce)))
        assert json.loads(frame(again))["code"] == "not_allowed"


@pytest.mark.parametrize(
    "sent", [b"\x00\x00", b"\xff\xff" + b"x" * 5000, b"\x00\x05hello", b"GET / HTTP/1.1\r\n\r\n", b"\x00\x02[]"]
)
def test_what_is_no_frame_ends_the_connection(site: Served, sent: bytes) -> None:
    connection, _ = raw(site)
    with connection:
        connection.sendall(sent)
        try:
            assert json.loads(frame(connection))["code"] == "not_allowed"
            assert connection.recv(1) == b""
        except ConnectionError:
            pass  # it let go with bytes of ours unread


def test_bytes_behind_the_frame_are_not_waited_for(site: Served) -> None:
    connection, nonce = raw(site)
    with connection:
        connection.sendall(handshake.framed(asked(site, nonce)) + b"early")
        assert json.loads(frame(connection))["code"] == "not_allowed"


def test_a_caller_who_says_nothing_is_not_waited_for(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handshake, "PATIENCE_S", 0.2)
    connection, _ = raw(site)
    with connection:
        assert connection.recv(1) == b""
    until(lambda: site.relay.unknown == 0)


def test_strangers_can_not_crowd_the_relay(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "UNKNOWN_MAX", 2)
    first, second = raw(site)[0], raw(site)[0]
    with first, second, socket.create_connection(at(site), timeout=10) as third:
        assert third.recv(2) == b""
    until(lambda: site.relay.unknown == 0)
    raw(site)[0].close()


def test_one_who_answers_in_the_relays_place_gets_nothing(site: Served) -> None:
    """Another program took the port while the worker was away: it has no secret, so that it hears no request."""
    heard = b""

    def impostor(listener: socket.socket) -> None:
        nonlocal heard
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            connection.sendall(handshake.framed({"nonce": "x"}))
            frame(connection)
            connection.sendall(handshake.framed({"proof": "0" * 64}))
            heard = connection.recv(100)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        site.attempt.host.relay = f"127.0.0.1:{listener.getsockname()[1]}"
        committed(site.attempt.host.save)
        thread = threading.Thread(target=impostor, args=(listener,))
        thread.start()
        assert refused(site).code == "away"
        thread.join()
    assert heard == b""


# -- TLS and addresses


def test_over_tls_the_relay_is_known_by_its_certificate(site: Served, sink: Sink) -> None:
    context, certificate = self_made_certificate()
    relay = Relay(site.places.get, {"port": LocalPort()})
    port = relay.start("127.0.0.1", 0, tls=context)
    host = site.attempt.host
    try:
        host.relay, host.relay_certificate = f"127.0.0.1:{port}", certificate
        committed(host.save)
        thread = threading.Thread(target=sink.say, args=(b"x" * (2 * MIB),))
        thread.start()

        async def act(stream: Stream) -> int:
            total = 0
            while total < 2 * MIB:
                total += len(await stream.read())
            return total

        assert dialled(site, act) == 2 * MIB
        thread.join(timeout=10)
        host.relay_certificate = self_made_certificate()[1]
        committed(host.save)
        assert refused(site).code == "away"
    finally:
        relay.stop()


@pytest.mark.parametrize(
    ("text", "named", "says"),
    [
        ("8000", "", "no address"),
        ("worker.example:7411", "", "no IP address"),
        ("10.0.0.7:70000", "", "no address"),
        ("0.0.0.0:7411", "", "every address"),
        ("http://10.0.0.7:1", "", "no address"),
    ],
)
def test_addresses_that_are_none_are_refused_with_what_to_write(text: str, named: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        address_of(text, named)


def test_addresses_that_are_good() -> None:
    assert address_of("127.0.0.1:0").loopback
    assert address_of("[::1]:0").host == "::1"
    assert address_of("localhost:7").loopback
    assert not address_of("10.0.0.7:7411").loopback
    assert address_of("0.0.0.0:7411", "worker.example").named == "worker.example"


def test_a_container_that_does_not_run_has_no_network_to_enter() -> None:
    from jobs.relay.namespaces import of_container

    with pytest.raises(Refused) as caught:
        of_container(FakeRuntime(), Handle("none"))
    assert caught.value.code == "gone"


def test_a_place_lets_go_of_its_namespace_once(site: Served) -> None:
    place: Place = place_of(site.attempt)
    place.close()
    place.close()
    assert Endpoint.objects.filter(pk=site.endpoint.pk).exists()

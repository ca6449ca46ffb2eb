"""S8: connections to addresses that people name go to public ones, whatever a name or a redirect says."""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import urllib3
from django.core.exceptions import ImproperlyConfigured

from portal import env
from portal.outward import NotPublic, address_fault, may_reach, pool, reachable

PRIVATE = (
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.0.1",
    "172.17.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "192.0.2.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::7f00:1",
    "2002:7f00:1::",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "2001:db8::1",
)
PUBLIC = ("93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::")


@pytest.mark.parametrize("address", PRIVATE)
def test_what_is_not_public_is_closed(address: str) -> None:
    assert not may_reach("example.org", ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_is_open(address: str) -> None:
    assert may_reach("example.org", ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("allowed", "host", "address", "open_"),
    [
        ("127.0.0.1", "anything", "127.0.0.1", True),
        ("127.0.0.1", "anything", "127.0.0.2", False),
        ("10.1.0.0/16", "x", "10.1.2.3", True),
        ("10.1.0.0/16", "x", "10.2.2.3", False),
        ("10.1.0.0/16", "x", "::ffff:10.1.2.3", True),
        ("fd00::/8", "x", "fd12::1", True),
        ("minio.lan", "MinIO.lan.", "10.0.0.9", True),
        ("minio.lan", "evil-minio.lan", "10.0.0.9", False),
        (".lan", "a.b.lan", "10.0.0.9", True),
        (".lan", "lan", "10.0.0.9", False),
    ],
)
def test_an_operator_allows_more(settings: Any, allowed: str, host: str, address: str, open_: bool) -> None:
    settings.OUTWARD_ALLOWED = (allowed,)
    assert may_reach(host, ipaddress.ip_address(address)) is open_


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ftp://example.org/x", "must begin with https://"),
        ("file:///etc/passwd", "must begin with https://"),
        ("gopher://example.org", "must begin with https://"),
        ("//example.org/x", "must begin with https://"),
        ("example.org", "must begin with https://"),
        ("https://", "must begin with https://"),
        ("http://[::1", "is no address"),
        ("https://me:secret@example.org/", "name or password"),
        ("https://example.org@127.0.0.1/", "name or password"),
        ("http://127.0.0.1:8080/", "is not public"),
        ("http://[::1]/", "is not public"),
        ("http://169.254.169.254/latest/meta-data", "is not public"),
        ("http://a b/", "blanks"),
        ("http://a\r\nHost: b/", "blanks"),
        ("http://example.org\\@127.0.0.1/", "backslashes"),
        ("http://example.org:0/", "port 0"),
        ("http://example.org:99999/", "is no address"),
        ("https://example.org/" + "x" * 2000, "at most 2,000"),
    ],
)
def test_an_address_that_can_t_be_meant_is_said_without_asking(address: str, said: str) -> None:
    assert said in address_fault(address)


@pytest.mark.parametrize(
    "address", ["https://example.org/a.csv?x=1#y", "http://\u00fcml.example/", "http://8.8.8.8:81/"]
)
def test_a_good_address_has_no_fault(address: str) -> None:
    assert address_fault(address) == ""


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0"])
def test_other_spellings_of_this_machine_are_found_out(host: str) -> None:
    with pytest.raises(NotPublic, match="not public"):
        reachable(host, 80)


class Quiet(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked += 1  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        return


@pytest.fixture
def here() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Quiet)
    server.asked = 0  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_nothing_reaches_this_machine_through_a_name(here: HTTPServer, settings: Any) -> None:
    url = f"http://localhost:{here.server_port}/"
    with pytest.raises(NotPublic):
        pool().request("GET", url)
    assert here.asked == 0  # type: ignore[attr-defined]
    settings.OUTWARD_ALLOWED = ("localhost",)
    assert pool().request("GET", url).status == 200


def test_what_was_looked_at_is_what_is_connected_to(here: HTTPServer, monkeypatch: Any) -> None:
    """A name that leads to a public address the first time and home the second: there is no second time."""
    turns = iter(["93.184.216.34", "127.0.0.1"])
    real = socket.getaddrinfo
    asked = []

    def turning(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host != "rebinding.example":
            return real(host, port, *args, **kwargs)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(turns), port))]

    monkeypatch.setattr(socket, "getaddrinfo", turning)
    with pytest.raises(urllib3.exceptions.HTTPError):
        pool(connect_s=0.5).request("GET", f"http://rebinding.example:{here.server_port}/")
    assert (asked, here.asked) == (["rebinding.example"], 0)  # type: ignore[attr-defined]


def test_proxies_of_this_process_are_not_used(here: HTTPServer, monkeypatch: Any, settings: Any) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{here.server_port}")
    with pytest.raises(NotPublic):
        pool().request("GET", "http://localhost:1/")
    assert here.asked == 0  # type: ignore[attr-defined]


def test_the_setting_takes_names_and_networks_only(monkeypatch: Any) -> None:
    monkeypatch.setenv("OUTWARD_ALLOWED", "minio.lan, .example.org 10.0.0.0/8 ::1")
    assert env.hosts("OUTWARD_ALLOWED") == ("minio.lan", ".example.org", "10.0.0.0/8", "::1")
    for bad in ("10.0.0.0/99", "http://x", "300.1.1.1", "a b*c", "*"):
        monkeypatch.setenv("OUTWARD_ALLOWED", bad)
        with pytest.raises(ImproperlyConfigured, match="OUTWARD_ALLOWED has"):
            env.hosts("OUTWARD_ALLOWED")

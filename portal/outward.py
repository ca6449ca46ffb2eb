"""Connections to addresses that people name: only to public ones, looked at when the name is resolved and then connected to.

What was looked at is what is connected to, so that a name can't lead elsewhere the second time; each hop of a redirect
is a connection of its own. OUTWARD_ALLOWED names what an operator allows besides. No proxy is used.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Any

import urllib3
from django.conf import settings
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from portal.errors import PortalError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
ADDRESS_MAX = 2000
INSIDE_V6 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))  # NAT64, RFC 6052 and 8215
UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")


class NotPublic(PortalError):
    """Raised where an address that somebody named leads to a private network, this machine, or nowhere public."""

    code = "not_public"
    status = 422


def address_fault(address: str) -> str:
    """Why this can't be an address to fetch from, as far as can be said without asking anybody; else ""."""
    if len(address) > ADDRESS_MAX:
        return f"must have at most {ADDRESS_MAX:,} characters"
    if UNSAFE.search(address):
        return "must not hold blanks, line breaks or backslashes; write %20 for a blank"
    try:
        parsed = urllib3.util.parse_url(address)
        port = parsed.port
    except (urllib3.exceptions.LocationParseError, ValueError):
        return "is no address. Write it like https://example.org/data.csv"
    if parsed.scheme not in ("http", "https") or not parsed.host:
        return "must begin with https:// or http:// and name a host"
    if parsed.auth is not None:
        return "must not hold a name or password: they would be kept in clear"
    if port == 0:
        return "must not name port 0"
    try:
        literal = ipaddress.ip_address(parsed.host.strip("[]").partition("%")[0])
    except ValueError:
        return ""
    return "" if may_reach(parsed.host, literal) else "is not public: private networks and this machine are closed"


def may_reach(host: str, address: Address) -> bool:
    """Whether a connection to this address, which the host's name led to, may be made."""
    inner = _inner(address)
    if inner.is_global and not inner.is_multicast and not inner.is_reserved:
        return True
    name = host.strip("[]").rstrip(".").lower()
    return any(_covers(word.lower(), name, inner) for word in settings.OUTWARD_ALLOWED)


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it stands for one."""
    if isinstance(address, ipaddress.IPv6Address):
        found = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if found is None and any(address in network for network in INSIDE_V6):
            found = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if found is None and int(address) >> 32 == 0 and int(address) > 1:  # ::a.b.c.d, long deprecated
            found = ipaddress.IPv4Address(int(address))
        return found or address
    return address


def _covers(word: str, name: str, address: Address) -> bool:
    """An allowed word is a network or address, a name, or .name for all that lie below it."""
    try:
        network = ipaddress.ip_network(word, strict=False)
    except ValueError:
        return name == word or (word.startswith(".") and name.endswith(word))
    return address.version == network.version and address in network


def reachable(host: str, port: int) -> list[str]:
    """The addresses of a host that may be connected to. Raises NotPublic where there are others only, and gaierror."""
    found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    public = [one for one in addresses if may_reach(host, ipaddress.ip_address(one.partition("%")[0]))]
    if not public:
        said = (
            f"{host} leads to an address that is not public. Private networks and this machine are closed to jobs' data"
        )
        raise NotPublic(f"{said}: name a public address, or ask an operator to allow it (OUTWARD_ALLOWED).")
    return public


class Vetted:
    """For a connection class of urllib3, before it: connects to what `reachable` gives, and to nothing else."""

    def _new_conn(self: Any) -> socket.socket:
        try:
            addresses = reachable(self._dns_host, self.port)
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]
        failed: Exception = OSError("no address")
        for address in addresses:
            try:
                return create_connection(
                    (address, self.port),
                    self.timeout,
                    source_address=self.source_address,
                    socket_options=self.socket_options,
                )
            except TimeoutError as error:
                failed = ConnectTimeoutError(self, f"{self.host} did not answer in {self.timeout} s")
                failed.__cause__ = error
            except OSError as error:
                failed = NewConnectionError(self, f"{self.host} can't be reached: {error.strerror or error}")
                failed.__cause__ = error
        raise failed


class _HTTP(Vetted, HTTPConnection):
    """Connects to public addresses only."""


class _HTTPS(Vetted, HTTPSConnection):
    """The same over TLS; the certificate is checked against the name."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTP


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPS


def pool(*, connect_s: float = 10.0, read_s: float = 20.0) -> urllib3.PoolManager:
    """A pool for fetching what people name: no redirect is followed and nothing is tried again by itself."""
    made = urllib3.PoolManager(
        num_pools=4,
        timeout=urllib3.Timeout(connect=connect_s, read=read_s),
        retries=urllib3.Retry(False),
    )
    made.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}
    return made

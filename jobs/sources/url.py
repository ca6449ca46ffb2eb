"""Files from addresses on the web: streamed, taken up again where a connection broke off, and from public addresses only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
from django.utils.http import parse_header_parameters
from urllib3.exceptions import HTTPError, NameResolutionError, SSLError
from urllib3.response import BaseHTTPResponse

from jobs.sources.base import SHOWN_NAMES, Away, Fields, Kind, Refused, Seen
from jobs.sources.names import Names, file_name
from jobs.sources.passage import PIECE_BYTES, Passage
from portal import outward
from portal.errors import NotFound, PortalError
from portal.people.models import User

HOPS_MAX = 5
LOOK_MAX = 20  # addresses that a test asks; the others are only counted
PLAIN = {"Accept-Encoding": "identity", "User-Agent": "Slipway", "Accept": "*/*"}
LATER = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Urls:
    """Each address is one file."""

    addresses: tuple[str, ...]

    def fetch(self, into: Path, passage: Passage) -> list[str]:
        passage.expect(len(self.addresses), None)
        names = Names()
        found = []
        with _pool() as pool:
            for address in self.addresses:
                one = Download(address, into / ".part", passage, pool)
                passage.steady(one.go_on)
                name = names.take(one.name)
                one.place.rename(into / name)
                passage.arrived()
                found.append(name)
        return found

    def look(self) -> Seen:
        size: int | None = 0
        names = []
        with _pool(patient=False) as pool:
            for address in self.addresses[:LOOK_MAX]:
                with _opened(pool, address, {**PLAIN, "Range": "bytes=0-0"}) as (answer, _):
                    found = _whole_length(answer)
                    if found == 0:
                        raise Refused(f"{shown(address)} is empty: it has no byte. Check the address.")
                    size = None if found is None or size is None else size + found
                    names.append(_name_of(answer, address))
        more = len(self.addresses) > LOOK_MAX
        return Seen(len(self.addresses), None if more else size, tuple(names[:SHOWN_NAMES]))


@dataclass
class Download:
    """One file on its way: `go_on` takes it up where it broke off, if the other side allows that, and ends when it is whole."""

    address: str
    place: Path
    passage: Passage
    pool: urllib3.PoolManager
    name: str = ""
    _here: int = 0
    _version: str = field(default="", repr=False)  # a strong ETag, or the time of the last change

    def go_on(self) -> None:
        """Raises Away where it broke off: then call it again."""
        headers = dict(PLAIN)
        if self._here and self._version:
            headers |= {"Range": f"bytes={self._here}-", "If-Range": self._version}
        else:
            self._begin_anew()
        with _opened(self.pool, self.address, headers) as (answer, last):
            if answer.status == 206 and not _continues(answer, self._here):
                self._begin_anew()
                raise Away(f"{shown(self.address)} went on at another place than it was asked for. Try again later.")
            if answer.status != 206:
                self._begin_anew()
            self._version = _version_of(answer)
            self.name = _name_of(answer, last if urlsplit(last).path.strip("/") else self.address)
            self._hear(answer)

    def _hear(self, answer: BaseHTTPResponse) -> None:
        try:
            self.passage.save(self.place, self._pieces(answer), append=self._here > 0)
        except HTTPError as error:
            said = f"{shown(self.address)} was cut in the middle, after {self._here:,} bytes."
            raise Away(f"{said} Try again later.") from error

    def _pieces(self, answer: BaseHTTPResponse) -> Iterator[bytes]:
        packed = bool(answer.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"))
        if packed:  # where it was cut can't be said of what is unpacked
            self._version = ""
        if self.passage.files_total == 1 and (length := _whole_length(answer)) is not None and not packed:
            self.passage.expect(1, length)
        for piece in answer.stream(PIECE_BYTES, decode_content=packed):
            self._here += len(piece)
            yield piece

    def _begin_anew(self) -> None:
        self.passage.uncount(self._here)
        self._here, self._version = 0, ""


@contextmanager
def _pool(*, patient: bool = True) -> Iterator[urllib3.PoolManager]:
    pool = outward.pool() if patient else outward.pool(connect_s=4, read_s=8)
    try:
        yield pool
    finally:
        pool.clear()


@contextmanager
def _opened(
    pool: urllib3.PoolManager, address: str, headers: Mapping[str, str]
) -> Iterator[tuple[BaseHTTPResponse, str]]:
    """The answer of an address (200 or 206), and the address that gave it in the end. Raises Away, Refused, NotFound, NotPublic."""
    answer, last = _followed(pool, address, headers)
    try:
        if answer.status not in (200, 206):
            raise _told(address, answer.status)
        yield answer, last
    finally:
        with suppress(Exception):
            answer.close()  # never drained: what is left of it may be large


def _followed(pool: urllib3.PoolManager, address: str, headers: Mapping[str, str]) -> tuple[BaseHTTPResponse, str]:
    here = address
    for hop in range(HOPS_MAX + 1):
        led = f"{shown(address)} redirects to an address that is refused: " if hop else ""
        if fault := outward.address_fault(here):
            raise outward.NotPublic(f"{led}{shown(here)} {fault}.")
        answer = _asked(pool, here, headers, led)
        location = answer.get_redirect_location()
        if not location:
            return answer, here
        answer.close()
        here = urljoin(here, location)
    raise Refused(f"{shown(address)} redirects more than {HOPS_MAX} times. Name the address where the file is.")


def _asked(pool: urllib3.PoolManager, address: str, headers: Mapping[str, str], led: str) -> BaseHTTPResponse:
    place = shown(address)
    try:
        return pool.request("GET", address, headers=dict(headers), preload_content=False, redirect=False)
    except outward.NotPublic as refused:
        raise outward.NotPublic(f"{led}{refused.message}") from refused
    except NameResolutionError as error:
        raise Away(
            f"There is no host {urlsplit(address).hostname}, or its name can't be resolved. Check it."
        ) from error
    except SSLError as error:
        raise Refused(f"{place} shows a certificate that is not trusted here. Check the address.") from error
    except HTTPError as error:
        raise Away(f"{place} does not answer. Check the address, or try again later.") from error


def _told(address: str, status: int) -> PortalError:
    place = shown(address)
    if status in (401, 403):
        return Refused(f"{place} refuses this (HTTP {status}). Check the address, and whether it asks for a sign-in.")
    if status in (404, 410):
        return NotFound(f"There is nothing at {place} (HTTP {status}). Check the address.")
    if status in LATER:
        return Away(f"{place} is busy or at fault (HTTP {status}). Try again later.")
    if status == 416:
        return Refused(f"{place} is empty, or has changed while it was read. Check the address.")
    return Refused(f"{place} answers with HTTP {status}, and no file. Check the address.")


def shown(address: str) -> str:
    """An address for people to read, and for logs: what follows a `?` may be a key."""
    bare, query, _ = address.partition("?")
    return f"{bare[:200]}{'?...' if query else ''}"


def _whole_length(answer: BaseHTTPResponse) -> int | None:
    length = answer.headers.get("Content-Length", "")
    here = int(length) if length.isdecimal() else None
    if answer.status == 206:
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        return int(total) if total.isdecimal() else None
    return here


def _continues(answer: BaseHTTPResponse, here: int) -> bool:
    return answer.headers.get("Content-Range", "").replace(" ", "").lower().startswith(f"bytes{here}-")


def _version_of(answer: BaseHTTPResponse) -> str:
    etag = answer.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _name_of(answer: BaseHTTPResponse, address: str) -> str:
    """What the service calls the file, else what its address ends with."""
    _, parameters = parse_header_parameters(answer.headers.get("Content-Disposition", "")[:1000])
    said = str(parameters.get("filename") or "")
    return file_name(said or unquote(urlsplit(address).path.rstrip("/").rpartition("/")[2]) or "download")


def _read(fields: Fields, owner: User) -> Urls:
    found = fields.texts("urls", required="must name at least one address: https://example.org/data.csv")
    for index, address in enumerate(found):
        if fault := outward.address_fault(address):
            fields.wrong("urls", "address", fault, index)
    return Urls(tuple(found))


SOURCE = Kind("url", "Addresses on the web", ("urls",), _read)

"""Addresses as sources: what comes, what is taken up again, what is refused and how that is said."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from jobs.care import Stopped
from jobs.sources import Away, Refused, source_of
from jobs.sources.url import HOPS_MAX, Urls
from portal.errors import NotFound, PortalError, TooLarge
from portal.outward import NotPublic
from portal.people.models import User
from tests.jobs.sources.passages import Told, passage
from tests.jobs.sources.web import Page, Web

MIB = 2**20
BODY = b"".join(b"line %07d\n" % number for number in range(200_000))  # 2.4 MB


def fetched(into: Path, *addresses: str, told: Told | None = None, **over: Any) -> dict[str, bytes]:
    names = Urls(addresses).fetch(into, passage(told, **over))
    assert sorted(names) == sorted(path.name for path in into.iterdir())
    return {name: (into / name).read_bytes() for name in names}


def test_each_address_is_a_file_with_a_name_of_its_own(web: Web, tmp_path: Path) -> None:
    urls = [web.put("/a/data.csv", b"one"), web.put("/b/data.csv", b"two"), web.put("/%C3%BC%20x.txt", b"three")]
    assert fetched(tmp_path, *urls) == {"data.csv": b"one", "2_data.csv": b"two", "\u00fc x.txt": b"three"}


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="report.csv"', "report.csv"),
        ("attachment; filename*=UTF-8''%e2%82%ac.csv", "\u20ac.csv"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="..\\\\..\\\\x.csv"', "x.csv"),
        ('attachment; filename=".."', "file"),
        ("attachment; filename*=UTF-8''a%E2%80%AEexe.csv", "aexe.csv"),
        ("attachment", "d"),
    ],
)
def test_the_name_is_what_the_service_says_made_safe(web: Web, tmp_path: Path, disposition: str, name: str) -> None:
    value = disposition.encode().decode("latin-1")
    url = web.put("/d", b"x", headers={"Content-Disposition": value})
    assert list(fetched(tmp_path, url)) == [name]


def test_a_long_name_is_cut_to_what_a_file_system_takes(web: Web, tmp_path: Path) -> None:
    url = web.put("/" + "n" * 900 + ".csv", b"x")
    (name,) = fetched(tmp_path, url)
    assert len(name.encode()) <= 255
    assert name.endswith(".csv")


def test_a_cut_stream_goes_on_where_it_was(web: Web, tmp_path: Path) -> None:
    told = Told()
    url = web.put("/cut.txt", BODY, cut_after=MIB)
    assert fetched(tmp_path, url, told=told) == {"cut.txt": BODY}
    ranges = [asked for _, asked in web.asked]
    assert ranges[0] == ""
    assert len(ranges) == 3
    assert all(asked.startswith("bytes=") for asked in ranges[1:])
    assert "was cut in the middle, after" in told.said[0]
    assert told.said[0].endswith("It is tried again.")
    assert len(told.said) == 1


def test_what_changed_between_two_cuts_is_fetched_anew(web: Web, tmp_path: Path) -> None:
    url = web.put("/cut.txt", BODY, cut_after=MIB, cuts=1)

    def change() -> None:
        until = time.monotonic() + 10
        while not web.pages["/cut.txt"].cuts == 0 and time.monotonic() < until:
            time.sleep(0.001)
        web.pages["/cut.txt"] = Page(b"new", headers={"ETag": '"two"'})

    thread = threading.Thread(target=change)
    thread.start()
    found = fetched(tmp_path, url, sleep=lambda s: thread.join())
    assert found == {"cut.txt": b"new"}


@pytest.mark.parametrize("more", [{"ranges": False}, {"packed": True}, {"length": False}])
def test_a_cut_stream_without_ranges_begins_anew(web: Web, tmp_path: Path, more: dict[str, Any]) -> None:
    told = Told()
    url = web.put("/cut.txt", BODY, cut_after=200_000, cuts=1, **more)
    way = passage(told)
    Urls((url,)).fetch(tmp_path, way)
    assert (tmp_path / "cut.txt").read_bytes() == BODY
    assert way.size == len(BODY)


def test_one_that_is_cut_again_and_again_without_going_on_is_given_up(web: Web, tmp_path: Path) -> None:
    url = web.put("/cut.txt", BODY, cut_after=1, ranges=False)
    with pytest.raises(Away, match="was cut in the middle"):
        fetched(tmp_path, url, patience_s=-1)


@pytest.mark.parametrize(
    ("page", "error", "said"),
    [
        (Page(status=404), NotFound, "There is nothing at http://127.0.0.1:"),
        (Page(status=410), NotFound, "There is nothing at"),
        (Page(status=401), Refused, "refuses this (HTTP 401)"),
        (Page(status=403), Refused, "refuses this (HTTP 403)"),
        (Page(status=418), Refused, "answers with HTTP 418"),
        (Page(status=503), Away, "is busy or at fault (HTTP 503)"),
        (
            Page(status=302, headers={"Location": "http://127.0.0.2/x"}),
            NotPublic,
            "redirects to an address that is ref",
        ),
        (
            Page(status=302, headers={"Location": "http://2130706434/x"}),
            NotPublic,
            "redirects to an address that is ref",
        ),
        (Page(status=302, headers={"Location": "http://[::1]/x"}), NotPublic, "is not public"),
        (Page(status=301, headers={"Location": "file:///etc/passwd"}), NotPublic, "must begin with https://"),
        (Page(status=301, headers={"Location": "ftp://x/y"}), NotPublic, "must begin with https://"),
        (Page(status=301, headers={"Location": "/p?key=geheim"}), Refused, f"redirects more than {HOPS_MAX} times"),
    ],
)
def test_what_an_address_refuses_is_said(
    web: Web, tmp_path: Path, page: Page, error: type[PortalError], said: str
) -> None:
    web.pages["/p"] = page
    for act in (
        lambda: fetched(tmp_path, web.url("/p?key=geheim"), patience_s=-1),
        lambda: Urls((web.url("/p?key=geheim"),)).look(),
    ):
        with pytest.raises(error) as caught:
            act()
        assert said in caught.value.message
        assert "geheim" not in caught.value.message


def test_an_address_where_nobody_is(tmp_path: Path, web: Web) -> None:
    web.stop()
    with pytest.raises(Away, match="does not answer"):
        Urls((web.url("/x"),)).look()
    with pytest.raises(Away, match="There is no host nowhere.invalid"):
        Urls(("http://nowhere.invalid/x",)).look()


def test_a_redirect_to_a_good_place_is_followed(web: Web, tmp_path: Path) -> None:
    web.put("/end/data.bin", b"there")
    url = web.put("/from", status=307, headers={"Location": "/end/data.bin"})
    assert fetched(tmp_path, url) == {"data.bin": b"there"}


def test_one_that_is_busy_at_first_is_tried_again(web: Web, tmp_path: Path) -> None:
    url = web.put("/x.txt", b"x", busy=2)
    assert fetched(tmp_path, url) == {"x.txt": b"x"}
    assert len(web.asked) == 3


def test_more_than_a_job_takes_is_refused_early_and_late(web: Web, tmp_path: Path) -> None:
    with pytest.raises(TooLarge, match="more than 1 MiB"):
        fetched(tmp_path, web.put("/x", BODY), bytes_max=MIB)
    assert not any(path.stat().st_size for path in tmp_path.iterdir())
    with pytest.raises(TooLarge, match="more than 1 MiB"):
        fetched(tmp_path, web.put("/y", BODY, length=False), bytes_max=MIB)
    with pytest.raises(TooLarge, match="more than 1 MiB"):
        fetched(tmp_path, web.put("/bomb", b"\0" * 50 * MIB, packed=True), bytes_max=MIB)
    with pytest.raises(TooLarge, match="takes at most 1,000"):
        Urls(("http://x.example/",) * 1001).fetch(tmp_path, passage())


def test_a_fetch_ends_at_once_when_it_is_to_stop(web: Web, tmp_path: Path) -> None:
    told = Told()
    way = passage(told)
    url = web.put("/slow", BODY, slow_s=0.02)

    def stop() -> None:
        told.stop = True

    thread = threading.Timer(0.2, stop)
    thread.start()
    with pytest.raises(Stopped):
        way.watched(lambda: Urls((url,)).fetch(tmp_path, way))
    assert way.size < len(BODY)


def test_a_service_that_says_next_to_nothing_is_left_behind(tmp_path: Path, monkeypatch: Any) -> None:
    """One byte now and then is no time-out, and no piece either."""
    import jobs.sources.passage as module

    monkeypatch.setattr(module, "GRACE_S", 0.2)
    over = threading.Event()
    told = Told()
    way = passage(told)
    threading.Timer(0.1, lambda: setattr(told, "stop", True)).start()
    with pytest.raises(Stopped):
        way.watched(lambda: over.wait(30))
    over.set()


def test_how_far_it_is_is_told(web: Web, tmp_path: Path) -> None:
    told = Told()
    way = passage(told)
    Urls((web.put("/x", BODY),)).fetch(tmp_path, way)
    assert way.done() == "1 file, 2.5 MiB"
    last = told.progress[-1]
    assert last == {"doing": "fetch", "bytes": len(BODY), "bytes_total": len(BODY), "files": 1, "files_total": 1}


def test_a_look_fetches_nothing(web: Web) -> None:
    seen = Urls((web.put("/x.csv", BODY), web.put("/y", b"12", ranges=False))).look()
    assert (seen.files, seen.size, seen.names) == (2, len(BODY) + 2, ("x.csv", "y"))
    assert [asked for _, asked in web.asked] == ["bytes=0-0", "bytes=0-0"]
    for more in ({}, {"ranges": False}):
        with pytest.raises(Refused, match="is empty"):
            Urls((web.put("/none", b"", **more),)).look()


@pytest.mark.parametrize(
    ("given", "pointer", "said"),
    [
        ({"kind": "url"}, "/dataSource/urls", "at least one address"),
        ({"kind": "url", "urls": "https://x.example"}, "/dataSource/urls", "must be a list"),
        ({"kind": "url", "urls": [7]}, "/dataSource/urls/0", "must be a text"),
        ({"kind": "url", "urls": ["https://ok.example/", "ftp://x/"]}, "/dataSource/urls/1", "must begin with https"),
        ({"kind": "url", "url": "https://x.example"}, "/dataSource/url", "Did you mean urls?"),
        ({"kind": "urls"}, "/dataSource/kind", "Did you mean url?"),
        ({"kind": ["url"]}, "/dataSource/kind", "is not a kind of source"),
        ("url", "/dataSource", "must be an object"),
    ],
)
@pytest.mark.django_db
def test_each_fault_has_its_place(owner: User, given: Any, pointer: str, said: str) -> None:
    faults = source_of(given, owner)
    assert isinstance(faults, list)
    assert any(fault.pointer == pointer and said in fault.message for fault in faults), faults

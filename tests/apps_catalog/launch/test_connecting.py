"""What people can connect to: kind, port and path, from url, url.txt, ports, webshell and desktop; and what is refused."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.binding import JobValues, bind
from apps_catalog.launch.connecting import DEFAULT_PORTS, connect_faults, of_image
from apps_catalog.launch.plan import plan
from apps_catalog.launch.spec import Finding, PlanConnect, RunPlan
from portal.errors import Invalid
from tests.apps_catalog.launch.corpus import FILES, needs_corpus
from tests.apps_catalog.launch.generate import definition, launch, read, site
from tests.apps_catalog.launch.goldens import made

RANDOM = "".join(chr(ord("a") + n % 26) for n in range(128))
JOB = JobValues("20260102030405-ABCDE-app-ada_s1", RANDOM, "pass-word", connect_url="https://7-abc.apps.example/")
IMAGE = "https://%PUBLICADDR%:8444/from-image?p=%NIMBIXPASSWD%\n"
DESKTOP = "/vnc.html?password=%NIMBIXPASSWD%&autoconnect=true&reconnect=true"


def planned(command: dict[str, Any], url_txt: str = "", **over: Any) -> RunPlan:
    spec = read(definition(command=command))
    return plan(launch(spec, {}, **over), site(url_template=url_txt))


# The command's keys, the image's url.txt; what one connects to, as kind, port, path and where that is from.
TABLE: list[tuple[dict[str, Any], str, tuple[str, int, str, str] | None]] = [
    ({}, "", None),
    ({}, IMAGE, None),
    ({"interactive": False}, IMAGE, None),
    ({"publicip": True}, IMAGE, None),
    # Nobody says a link: the port alone.
    ({"interactive": True}, "", ("web", 5902, "/", "default")),
    ({"interactive": "true"}, "", ("web", 5902, "/", "default")),
    ({"interactive": True, "ports": ["8080/tcp"]}, "", ("web", 8080, "/", "ports")),
    ({"interactive": True, "ports": ["25565/tcp", "5902/tcp"]}, "", ("web", 5902, "/", "ports")),
    ({"interactive": True, "ports": ["9000/udp"]}, "", ("web", 5902, "/", "default")),
    # The image's link.
    ({"interactive": True}, IMAGE, ("web", 8444, "/from-image?p=%NIMBIXPASSWD%", "image")),
    ({"interactive": True, "ports": ["8080/tcp"]}, "/only/a/path", ("web", 8080, "/only/a/path", "image")),
    ({"desktop": True}, IMAGE, ("desktop", 8444, "/from-image?p=%NIMBIXPASSWD%", "image")),
    # The command's own goes before it, and makes a command interactive.
    ({"url": "http://%PUBLICADDR%:8080"}, IMAGE, ("web", 8080, "/", "url")),
    ({"interactive": True, "url": "http://%PUBLICADDR%:8080/"}, IMAGE, ("web", 8080, "/", "url")),
    ({"url": "https://%PUBLICADDR%"}, "", ("web", 443, "/", "url")),
    ({"url": "http://%PUBLICADDR%/x"}, "", ("web", 80, "/x", "url")),
    ({"url": "HTTPS://%PUBLICADDR%:5902/tree?token=%RANDOM64%"}, "", ("web", 5902, "/tree?token=%RANDOM64%", "url")),
    ({"url": "https://%PUBLICADDR%?a=b#c"}, "", ("web", 443, "/?a=b#c", "url")),
    ({"url": "http://localhost:3000/a"}, "", ("web", 3000, "/a", "url")),
    ({"url": "http://127.0.0.1:3000/a"}, "", ("web", 3000, "/a", "url")),
    ({"url": "http://[::1]:3000/a"}, "", ("web", 3000, "/a", "url")),
    ({"url": "http://[::1]/a"}, "", ("web", 80, "/a", "url")),
    ({"url": "/lab", "ports": ["8888/tcp"]}, "", ("web", 8888, "/lab", "url")),
    ({"url": "  http://%PUBLICADDR%:8080/x\n"}, "", ("web", 8080, "/x", "url")),
    ({"url": "http://%PUBLICADDR%:8080/a:b@c//d?u=http://x"}, "", ("web", 8080, "/a:b@c//d?u=http://x", "url")),
    # With two slashes a browser would take what follows for a host.
    ({"url": "http://%PUBLICADDR%:8080//evil.example/x"}, "", ("web", 8080, "/evil.example/x", "url")),
    # Terminal and desktop.
    ({"webshell": True}, IMAGE, ("terminal", 0, "/", "default")),
    ({"interactive": True, "webshell": True, "url": "http://%PUBLICADDR%/"}, "", ("terminal", 0, "/", "default")),
    ({"desktop": True}, "", ("desktop", 5902, DESKTOP, "default")),
    ({"desktop": True, "url": "https://%PUBLICADDR%:6080/x"}, "", ("desktop", 6080, "/x", "url")),
    ({"webshell": True, "desktop": True}, "", ("terminal", 0, "/", "default")),
    # Hidden, whatever else is said.
    ({"interactive": True, "noconnect": True, "url": "http://%PUBLICADDR%/"}, IMAGE, None),
    ({"webshell": True, "noconnect": True}, "", None),
    ({"desktop": True, "noconnect": True}, "", None),
]  # fmt: skip


@pytest.mark.parametrize(("command", "url_txt", "expected"), TABLE)
def test_a_command_is_connected_to_as_its_author_says(
    command: dict[str, Any], url_txt: str, expected: tuple[Any, ...] | None
) -> None:
    found = planned(command, url_txt).connect
    assert (found and (found.kind, found.port, found.path, found.source)) == expected


def test_a_plan_with_something_to_connect_to_survives_being_stored() -> None:
    whole = planned({"desktop": True, "publicip": True, "ports": ["1/tcp"]})
    assert RunPlan.from_json(whole.as_json()) == whole
    earlier = {k: v for k, v in whole.as_json().items() if k not in ("connect", "published")} | {"url": "http://x/"}
    assert (RunPlan.from_json(earlier).connect, RunPlan.from_json(earlier).published) == (None, ())


def test_no_secret_is_in_a_plan_and_all_are_filled_in_for_the_job() -> None:
    url = "https://%PUBLICADDR%:1/%JOBLABEL%/?p=%NIMBIXPASSWD%&t=%RANDOM16%&j=%JOBNAME%&b=%BASEURL%&c=%CONNECTURL%"
    before = planned({"url": url}, label="a b/c")
    after = bind(before, JOB)
    assert before.connect is not None
    assert after.connect is not None
    assert before.connect.path == ("/a%20b%2Fc/?p=%NIMBIXPASSWD%&t=%RANDOM16%&j=%JOBNAME%&b=%BASEURL%&c=%CONNECTURL%")
    assert after.connect.path == (
        f"/a%20b%2Fc/?p=pass-word&t={RANDOM[:16]}&j={JOB.name}&b=/&c=https://7-abc.apps.example/"
    )
    assert "pass-word" not in json.dumps(before.as_json())


def test_what_is_filled_in_can_not_make_a_path_another_host() -> None:
    after = bind(planned({"url": "http://%PUBLICADDR%:1/%BASEURL%/%CONNECTURL%"}), JOB)
    assert after.connect is not None
    assert after.connect.path.startswith("/")
    assert not after.connect.path.startswith("//")


def test_a_desktop_is_started_with_the_command_in_it() -> None:
    start = "/usr/local/bin/nimbix_desktop"
    assert planned({"desktop": True, "path": "/usr/bin/gimp -n"}).argv == (start, "/usr/bin/gimp", "-n")
    assert planned({"desktop": True, "path": f"{start} xterm"}).argv == (start, "xterm")
    assert planned({"desktop": True, "webshell": True, "path": "/bin/sh"}).argv == ("/bin/sh",)
    hidden = planned({"desktop": True, "noconnect": True, "path": "/usr/bin/gimp"})
    assert hidden.argv == (start, "/usr/bin/gimp"), "the program needs its desktop, whether people see it or not"


# Links that lead nowhere in the job


BAD_URLS = [
    ("javascript:alert(1)", "begins with javascript:, which is never opened; use http: or https:"),
    ("JavaScript://%PUBLICADDR%/%0aalert(1)", "begins with javascript:, which is never opened; use http: or https:"),
    ("data:text/html,x", "begins with data:, which is never opened; use http: or https:"),
    ("ftp://%PUBLICADDR%/", "begins with ftp:, which is never opened; use http: or https:"),
    ("https://evil.example/", "leads to evil.example, which is not the job; write %PUBLICADDR% in its place"),
    ("https://evil.example:8080", "leads to evil.example, which is not the job; write %PUBLICADDR% in its place"),
    ("//evil.example/x", "is no link; write it as https://%PUBLICADDR%:8080/path"),
    ("https:///x", "leads to no host, which is not the job; write %PUBLICADDR% in its place"),
    ("https:evil.example", "names no host; write it as https://%PUBLICADDR%:8080/path"),
    ("https://%PUBLICADDR%.evil.example/", "leads to %PUBLICADDR%.evil.example, which is not the job"),
    ("https://%PUBLICADDR%@evil.example/", "holds a user or a password before the host; leave them out"),
    ("https://user:pw@%PUBLICADDR%/", "holds a user or a password before the host; leave them out"),
    ("http://169.254.169.254/latest", "leads to 169.254.169.254, which is not the job"),
    ("http://[::ffff:10.0.0.1]:80/", "leads to [::ffff:10.0.0.1], which is not the job"),
    ("http://%PUBLICADDR%:8080/a\nSet-Cookie: x=1", "holds a blank, a line break or a backslash"),
    ("http://%PUBLICADDR%:8080/a b", "holds a blank, a line break or a backslash"),
    ("http://%PUBLICADDR%\\@evil.example/", "holds a blank, a line break or a backslash"),
    ("/\\evil.example", "holds a blank, a line break or a backslash"),
    ("http://%PUBLICADDR%:0/", "has the port '0'; a port is a number from 1 to 65535"),
    ("http://%PUBLICADDR%:65536/", "has the port '65536'; a port is a number from 1 to 65535"),
    ("http://%PUBLICADDR%:080a/", "has the port '080a'; a port is a number from 1 to 65535"),
    ("http://%PUBLICADDR%:-1/", "has the port '-1'; a port is a number from 1 to 65535"),
    ("http://%PUBLICADDR%:%CORES%/", "has the port '%CORES%'; a port is a number from 1 to 65535"),
    ("http://%PUBLICADDR%:/", "has a colon without a port after the host"),
    ("%PUBLICADDR%:8080/", "is no link; write it as https://%PUBLICADDR%:8080/path"),
    ("8080", "is no link; write it as https://%PUBLICADDR%:8080/path"),
    ("http://%PUBLICADDR%/" + "x" * 3000, "has 3020 characters; at most 2000 are read"),
]  # fmt: skip


def findings(raw: dict[str, Any]) -> tuple[str, list[Finding]]:
    text = json.dumps(raw, indent=2)
    return text, list(read_appdef(text).findings)


@pytest.mark.parametrize(("url", "words"), BAD_URLS)
def test_a_link_that_leads_out_of_the_job_is_refused_with_its_place(url: str, words: str) -> None:
    text, found = findings(definition(command={"interactive": True, "url": url}))
    (finding,) = [one for one in found if one.level == "error"]
    assert (finding.code, finding.pointer) == ("url", "/commands/go/url")
    assert finding.message.startswith(f"The 'url' {words}")
    (line,) = [number for number, line in enumerate(text.splitlines(), 1) if line.lstrip().startswith('"url"')]
    assert finding.line == line
    assert finding.column == text.splitlines()[line - 1].index('"url": ') + len('"url": ') + 1


@pytest.mark.parametrize(("url", "words"), BAD_URLS)
def test_an_image_whose_link_leads_out_of_the_job_is_refused_at_the_plan(url: str, words: str) -> None:
    spec = read(definition(command={"interactive": True}))
    (fault,) = connect_faults(spec.commands["go"], url)
    assert (fault.pointer, fault.code) == ("/command", "unfit_url")
    assert fault.message.startswith(f"The /etc/NAE/url.txt of the image {words}")
    with pytest.raises(Invalid) as refused:
        plan(launch(spec, {}), site(url_template=url))
    assert refused.value.message == fault.message
    batch = read(definition())
    assert plan(launch(batch, {}), site(url_template=url)).connect is None, "a command that nobody opens has no link"


def test_the_link_of_an_image_read_at_the_start_takes_its_place() -> None:
    before = PlanConnect("desktop", 5902, DESKTOP)
    assert of_image(before, " \n") == before
    assert of_image(before, IMAGE) == PlanConnect("desktop", 8444, "/from-image?p=%NIMBIXPASSWD%", "image")


# Ports on a public address


@pytest.mark.parametrize(
    ("command", "published"),
    [
        ({"ports": ["80/tcp"]}, ()),
        ({"interactive": True, "ports": ["80/tcp"]}, ()),
        ({"publicip": True}, DEFAULT_PORTS),
        ({"publicip": True, "ports": []}, DEFAULT_PORTS),
        ({"publicip": True, "ports": ["80/tcp", "443/tcp", "80/tcp"]}, ("80/tcp", "443/tcp")),
        ({"publicip": True, "ports": ["53/udp"]}, ("53/udp",)),
        ({"publicip": True, "ports": ["2905/sctp"]}, ("2905/sctp",)),
        ({"publicip": True, "noconnect": True, "ports": ["1/tcp", "65535/tcp"]}, ("1/tcp", "65535/tcp")),
    ],
)
def test_ports_are_those_of_the_list_or_the_usual_ones(command: dict[str, Any], published: tuple[str, ...]) -> None:
    assert planned(command).published == published
    assert all(port.endswith("/tcp") for port in DEFAULT_PORTS)


BAD_PORTS = [
    (["0/tcp"], 0, "port"),
    (["80/tcp", "65536/tcp"], 1, "port"),
    (["80"], 0, "port"),
    ([80], 0, "port"),
    (["80/TCP"], 0, "port"),
    (["80/icmp"], 0, "port"),
    (["-1/tcp"], 0, "port"),
    (["80-90/tcp"], 0, "port"),
    (["٨٠/tcp"], 0, "port"),
    (["80/tcp\n"], 0, "port"),
    ([""], 0, "port"),
    (["80/tcp", "81/tcp", "53/udp"], 2, "ports-mixed"),
    (["80/sctp", "53/udp"], 1, "ports-mixed"),
    ([f"{n}/tcp" for n in range(1, 42)], 40, "ports-many"),
]


@pytest.mark.parametrize(("ports", "index", "code"), BAD_PORTS)
def test_ports_that_can_not_be_forwarded_are_said_and_refused(ports: list[Any], index: int, code: str) -> None:
    raw = definition(command={"publicip": True, "ports": ports})
    text, found = findings(raw)
    (finding,) = [one for one in found if one.code == code]
    assert (finding.level, finding.pointer) == ("warning", f"/commands/go/ports/{index}")
    start = next(number for number, line in enumerate(text.splitlines(), 1) if '"ports"' in line)
    assert finding.line == start + 1 + index
    spec = read(raw)
    (fault,) = connect_faults(spec.commands["go"], "")
    assert (fault.pointer, fault.code) == ("/command", "unfit_ports")
    assert fault.message.startswith(finding.message)
    with pytest.raises(Invalid, match="Ask a curator"):
        plan(launch(spec, {}), site())
    closed = read(definition(command={"ports": ports}))
    assert connect_faults(closed.commands["go"], "") == [], "without a public address nothing is forwarded"


# Real definitions


@needs_corpus
def test_every_interactive_command_of_the_collection_is_connected_to_as_it_says() -> None:
    """Held against a second reading of the raw JSON, by the standard library's parser of links."""
    counted = {"interactive": 0, "web": 0, "terminal": 0, "desktop": 0}
    for path in FILES:
        reading = read_appdef(path.read_bytes())
        if reading.spec is None:
            continue
        raw = json.loads(path.read_text(encoding="utf-8"))["commands"]
        for key, command in reading.spec.commands.items():
            found = made(reading.spec, command, optional=False).connect
            counted["interactive"] += command.interactive
            expected = _expected(raw[key])
            assert (found and (found.kind, found.port, found.path)) == expected, f"{path.name}: {key}"
            if found:
                counted[found.kind] += 1
    assert counted == {"interactive": 75, "web": 68, "terminal": 9, "desktop": 7}


def _expected(raw: dict[str, Any]) -> tuple[str, int, str] | None:
    if raw.get("noconnect") or not any(raw.get(key) for key in ("interactive", "url", "webshell", "desktop")):
        return None
    if raw.get("webshell"):
        return "terminal", 0, "/"
    kind = "desktop" if raw.get("desktop") else "web"
    if url := raw.get("url"):
        parts = urlsplit(url.replace("%PUBLICADDR%", "host.example"))
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return kind, parts.port or {"http": 80, "https": 443}[parts.scheme], path
    if kind == "desktop":
        return kind, 5902, DESKTOP
    listed = [int(port.split("/")[0]) for port in raw.get("ports", []) if port.endswith("/tcp")]
    return kind, 5902 if not listed or 5902 in listed else listed[0], "/"

"""What people can connect to in a job: by `url`, the image's /etc/NAE/url.txt, `ports`, `webshell` and `desktop`.

A link of an author's says two things: the port that the program listens on, and the path that is opened there. Its scheme
and host are the portal's to say, so that nobody is led elsewhere and TLS ends at the portal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from apps_catalog.launch.findings import Fault
from apps_catalog.launch.reading import Notes, shortened
from apps_catalog.launch.spec import Command, PlanConnect
from apps_catalog.launch.substitutions import fill_url

IMAGE_URL = "/etc/NAE/url.txt"
MAX_URL = 2_000
MAX_PORT = 65_535
DESKTOP_PORT = 5902  # noVNC of jarvice-desktop, and what a JARVICE takes where nobody says a port
DESKTOP_PATH = "/vnc.html?password=%NIMBIXPASSWD%&autoconnect=true&reconnect=true"
# "a default set of ports that can be used for services such as SSH as well as Nimbix Desktop and VNC, all over TCP".
DEFAULT_PORTS = ("22/tcp", "443/tcp", "5901/tcp", "5902/tcp")
MAX_PORTS = 40
SCHEMES = {"http": 80, "https": 443}
# The job itself, however it is written; everything else is somebody else's.
OWN_HOSTS = frozenset({"%PUBLICADDR%", "localhost", "127.0.0.1", "0.0.0.0", "[::1]"})  # noqa: S104 - names, not a listener
UNFIT = re.compile(r"[\x00-\x20\x7f\\]")
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)", re.DOTALL)
AUTHORITY = re.compile(r"//([^/?#]*)(.*)", re.DOTALL)
PORT = re.compile(r"([0-9]{1,5})/(tcp|udp|sctp)")

Source = Literal["url", "image", "ports", "default"]


class UnfitUrlError(ValueError):
    """Raised for a link that leads nowhere in the job. str: a sentence on why; it goes on after what the link is."""


@dataclass(frozen=True)
class Target:
    """Where in the container a link leads: a port, and the path with its query, its tokens as they are written."""

    port: int
    path: str


def read_url(text: str, *, port: int = DESKTOP_PORT) -> Target:
    """The target of an author's link. `port` serves for a link that is a path alone. Raises UnfitUrlError."""
    if len(text) > MAX_URL:
        raise UnfitUrlError(f"has {len(text)} characters; at most {MAX_URL} are read")
    if UNFIT.search(text):
        raise UnfitUrlError(
            "holds a blank, a line break or a backslash; write them as addresses have them, such as %20"
        )
    if text.startswith("/") and not text.startswith("//"):
        return Target(port, one_slash(text))
    scheme, rest = _scheme(text)
    match = AUTHORITY.fullmatch(rest)
    if match is None:
        raise UnfitUrlError("names no host; write it as https://%PUBLICADDR%:8080/path")
    written = _own_port(match.group(1))
    return Target(_port(written) if written else SCHEMES[scheme], one_slash(match.group(2)))


def _scheme(text: str) -> tuple[str, str]:
    match = SCHEME.fullmatch(text)
    if match is None or "%" in text.partition(":")[0]:
        raise UnfitUrlError("is no link; write it as https://%PUBLICADDR%:8080/path")
    scheme = match.group(1).lower()
    if scheme not in SCHEMES:
        raise UnfitUrlError(f"begins with {shortened(scheme, 30)}:, which is never opened; use http: or https:")
    return scheme, match.group(2)


def _own_port(authority: str) -> str:
    """The port as it is written after the job's own host, "" where there is none."""
    if "@" in authority:
        raise UnfitUrlError("holds a user or a password before the host; leave them out")
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, ""
    elif not port:
        raise UnfitUrlError("has a colon without a port after the host; leave it out, or write a port")
    if host not in OWN_HOSTS:
        shown = shortened(host, 60) or "no host"
        raise UnfitUrlError(f"leads to {shown}, which is not the job; write %PUBLICADDR% in its place")
    return port


def _port(written: str) -> int:
    port = int(written) if re.fullmatch(r"[0-9]{1,5}", written) else 0
    if not 0 < port <= MAX_PORT:
        raise UnfitUrlError(f"has the port {shortened(written, 20)!r}; a port is a number from 1 to {MAX_PORT}")
    return port


def one_slash(path: str) -> str:
    """A path that begins with exactly one slash: with two, a browser would take what follows for a host."""
    return "/" + path.lstrip("/\\")


def serves(command: Command) -> bool:
    """Whether there is something in the command that people connect to."""
    return not command.noconnect and bool(command.interactive or command.url or command.webshell or command.desktop)


def connect_to(command: Command, image_url: str = "") -> PlanConnect | None:
    """What of the command one can connect to; None where there is nothing, or `noconnect` hides it.

    `image_url` is the text of the image's url.txt, "" where it has none or it is not known yet. The tokens of the path
    are as they are written. Raises UnfitUrlError; its text says whose link it is.
    """
    if not serves(command):
        return None
    if command.webshell:
        return PlanConnect("terminal", source="default")
    kind: Literal["web", "desktop"] = "desktop" if command.desktop else "web"
    if command.url:
        target = _read(command.url, "The command's 'url'", _usual_port(command.ports))
        return PlanConnect(kind, target.port, target.path, "url")
    if image_url.strip():
        return of_image(PlanConnect(kind, _usual_port(command.ports)), image_url)
    if command.desktop:
        return PlanConnect(kind, DESKTOP_PORT, DESKTOP_PATH, "default")
    return PlanConnect(kind, _usual_port(command.ports), "/", "ports" if _tcp_ports(command.ports) else "default")


def of_image(connect: PlanConnect, image_url: str) -> PlanConnect:
    """The same with the link of the image's url.txt, where there is one. Raises UnfitUrlError."""
    if not image_url.strip():
        return connect
    target = _read(image_url.strip(), f"The {IMAGE_URL} of the image", connect.port)
    return replace(connect, port=target.port, path=target.path, source="image")


def _read(url: str, whose: str, port: int) -> Target:
    try:
        return read_url(url, port=port)
    except UnfitUrlError as unfit:
        raise UnfitUrlError(f"{whose} {unfit}.") from None


def _tcp_ports(ports: Sequence[str]) -> list[int]:
    matches = [PORT.fullmatch(port) for port in ports]
    return [int(match.group(1)) for match in matches if match and match.group(2) == "tcp" and _in_range(match)]


def _usual_port(ports: Sequence[str]) -> int:
    """The port of a program whose link nobody says: the desktop's where it is among its ports, else the first over TCP."""
    tcp = _tcp_ports(ports)
    return DESKTOP_PORT if not tcp or DESKTOP_PORT in tcp else tcp[0]


def _in_range(match: re.Match[str]) -> bool:
    return 0 < int(match.group(1)) <= MAX_PORT


def opened_path(connect: PlanConnect, tokens: Mapping[str, str]) -> str:
    """The path with what only this job has filled in: what a browser opens on the job's own host."""
    return one_slash(fill_url(connect.path, tokens))


# Ports on a public address


def public_ports(command: Command) -> tuple[str, ...]:
    """The ports that are to be reached from outside, `8080/tcp`; none where the command asks for no public address."""
    if not command.publicip:
        return ()
    return tuple(dict.fromkeys(command.ports)) or DEFAULT_PORTS


def port_trouble(ports: Sequence[str]) -> tuple[int, str, str] | None:
    """What is wrong with a list of ports: the index of the entry, a code, and a sentence; None where it is good."""
    found: dict[str, int] = {}
    for index, port in enumerate(ports):
        match = PORT.fullmatch(port)
        if match is None or not _in_range(match):
            said = (
                f"The port {shortened(port)!r} should be written like 8080/tcp: a number from 1 to {MAX_PORT}, and "
                "tcp, udp or sctp."
            )
            return index, "port", said
        found.setdefault(match.group(2), index)
    if len(found) > 1:
        first, second = list(found)[:2]
        said = (
            f"The ports are of several protocols ({first}, {second}); the specification allows one protocol in a list."
        )
        return found[second], "ports-mixed", said
    if len(ports) > MAX_PORTS:
        return MAX_PORTS, "ports-many", f"There are {len(ports)} ports; at most {MAX_PORTS} can be forwarded."
    return None


def connect_faults(command: Command, image_url: str) -> list[Fault]:
    """Why a command can't be launched as it is: a link that leads out of the job, ports that can't be forwarded."""
    found = []
    try:
        connect_to(command, image_url)
    except UnfitUrlError as unfit:
        found.append(Fault("/command", "unfit_url", f"{unfit} Ask a curator of the app to mend it."))
    trouble = port_trouble(command.ports) if command.publicip else None
    if trouble is not None:
        found.append(Fault("/command", "unfit_ports", f"{trouble[2]} Ask a curator of the app to mend its 'ports'."))
    return found


# What an author is told


def check_url(text: str, where: str, notes: Notes, *, whose: str = "The 'url'") -> None:
    """Notes an error for a link that leads out of the job or nowhere."""
    try:
        read_url(text.strip())
    except UnfitUrlError as unfit:
        notes.error("url", f"{whose} {unfit}.", where)


def check_ports(ports: Sequence[str], where: str, notes: Notes) -> None:
    """Notes what is wrong with the ports, at the first entry that is."""
    trouble = port_trouble(ports)
    if trouble is not None:
        index, code, said = trouble
        notes.warn(code, said, f"{where}/{index}")

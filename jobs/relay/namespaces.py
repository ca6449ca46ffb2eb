"""A container's network namespace, entered by one thread for as long as it takes to make a socket there."""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from jobs.relay.handshake import Refused
from jobs.runtimes.base import Handle, Running, Runtime, RuntimeFault

CLONE_NEWNET = 0x40000000
CAP_SYS_ADMIN, CAP_SYS_PTRACE = 21, 19
TABLES = (Path("/proc/thread-self/net/tcp"), Path("/proc/thread-self/net/tcp6"))
LISTENING = "0A"
# All addresses of IPv4, of IPv6, and ::1, as the kernel writes them.
ANYWHERE = frozenset({"0" * 8, "0" * 32, "0" * 24 + "01000000"})
T = TypeVar("T")


def fault() -> str:
    """Why this process can't enter namespaces; "" where it can."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        text = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    except (OSError, StopIteration):
        return "Only on Linux can a worker enter the network of a container."
    held = int(text.split()[1], 16)
    lacking = [
        name
        for name, bit in (("CAP_SYS_ADMIN", CAP_SYS_ADMIN), ("CAP_SYS_PTRACE", CAP_SYS_PTRACE))
        if not held >> bit & 1
    ]
    if not lacking:
        return ""
    return (
        f"The worker may not enter the network of a container: it lacks {' and '.join(lacking)}. Run it as root, or "
        "give it these capabilities (docs/howto/connect-to-apps.md)."
    )


def of_container(runtime: Runtime, handle: Handle) -> int:
    """A descriptor of the namespace of a running container, for the caller to close. Blocks for a look at the engine.

    The number of a process may pass to another when it ends. So the engine is asked again after the descriptor was
    opened; the descriptor itself means that namespace for ever. Our own namespace is never given: an engine in another
    process namespace than ours would name processes that aren't the container's. Raises Refused.
    """
    pid = _pid(runtime, handle)
    try:
        found = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Refused("gone", "The container is not there any more, or the worker can't see its processes.") from None
    except PermissionError:
        raise Refused("unable", fault() or "The worker may not look at the container's network.") from None
    try:
        if _pid(runtime, handle) != pid:
            raise Refused("gone", "The container has just ended.")
        if _same(found, "/proc/self/ns/net"):
            said = "The worker does not see the container's own network: it needs the process namespace of the engine's host."
            raise Refused("unable", said)
    except BaseException:
        os.close(found)
        raise
    return found


def _pid(runtime: Runtime, handle: Handle) -> int:
    try:
        seen = runtime.observe(handle)
    except RuntimeFault as refusal:
        raise Refused("away", str(refusal)) from refusal
    if not isinstance(seen, Running) or seen.pid <= 0:
        raise Refused("gone", "The container does not run any more.")
    return seen.pid


def _same(descriptor: int, path: str) -> bool:
    there, here = os.fstat(descriptor), os.stat(path)  # noqa: PTH116  beside fstat
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def socket_within(namespace: int, family: socket.AddressFamily) -> socket.socket:
    """A stream socket that belongs to the namespace, whoever uses it from now on. Raises Refused."""
    kind = socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    return _within(namespace, lambda: socket.socket(family, kind))


def listening_within(namespace: int) -> frozenset[int]:
    """The TCP ports that answer on the namespace's loopback. The kernel is asked, not the programs. Raises Refused."""
    return _within(namespace, lambda: frozenset(port for table in TABLES for port in listening_of(table)))


def listening_of(table: Path) -> frozenset[int]:
    """Of one table of sockets as the kernel shows it (proc(5), /proc/net/tcp): those that listen where loopback gets in."""
    try:
        rows = table.read_text(encoding="ascii").splitlines()[1:]
    except FileNotFoundError:  # a kernel without IPv6
        return frozenset()
    found = set()
    for row in rows:
        _, local, _, state, *_ = row.split()
        address, _, port = local.partition(":")
        if state == LISTENING and (address in ANYWHERE or (len(address) == 8 and address.endswith("7F"))):
            found.add(int(port, 16))
    return frozenset(found)


def _within(namespace: int, act: Callable[[], T]) -> T:
    """What `act` gives in the namespace. Raises Refused.

    The thread that enters ends there and never comes back, so that no other work can be done in a namespace by mistake.
    """
    made: list[T | OSError] = []

    def make() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            if libc.setns(namespace, CLONE_NEWNET):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            made.append(act())
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=make, name="relay-enter")
    thread.start()
    thread.join()
    (found,) = made
    if not isinstance(found, OSError):
        return found
    if found.errno == errno.EPERM:
        raise Refused("unable", fault() or f"The worker may not enter the container's network: {found.strerror}.")
    raise Refused("unable", f"The container's network can't be entered: {found.strerror}.")

"""Networks of containers: what Docker Engine is asked for, which subnet is free, and what its refusals mean.

A private network is internal, so that nothing is forwarded from or to it, and its bridge has no address on this host
(inhibit_ipv4), so that no service of the host can be reached over it: the bridge of a merely internal network can.
"""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from docker.errors import APIError, NotFound

from jobs.runtimes.base import ContainerSpec, RuntimeFault
from jobs.runtimes.docker_config import network_mode
from jobs.runtimes.docker_engine import Engine, words_of

DEFAULT_POOL = "172.30.0.0/15"
_RESERVED = 4  # the subnet's own address, the gateway's, broadcast, and one to spare
_LONGEST_PREFIX = 28


class PrivateNetworks(Engine):
    """The part of a DockerRuntime that makes and forgets networks."""

    def __init__(self, base_url: str | None, pool: str) -> None:
        super().__init__(base_url)
        self._pool = pool
        self._choosing = threading.Lock()  # two that choose at once would choose the same subnet

    def make_network(self, name: str, labels: Mapping[str, str], *, size: int) -> None:
        with self._engine(), self._choosing:
            known = self._call.networks()
            for row in known:
                if row["Name"] == name:
                    if any((row.get("Labels") or {}).get(key) != value for key, value in labels.items()):
                        raise _not_ours(name)
                    return
            for subnet in subnets(self._pool, size, subnets_of(known)):
                try:
                    self._call.create_network(**network_config(name, labels, subnet))
                except APIError as error:
                    if "overlap" in words_of(error).lower():  # another process has just taken it
                        continue
                    said = f"The private network {name!r} was not made: {words_of(error)}."
                    raise RuntimeFault(said, code="start_refused", retry=True) from error
                return
            raise _no_room(name, self._pool)

    def remove_network(self, name: str) -> None:
        with self._engine():
            try:
                self._call.remove_network(name)
            except NotFound:
                return
            except APIError as error:
                said = f"The network {name!r} was not removed: {words_of(error)}."
                raise RuntimeFault(said, code="network_busy", retry=True) from error

    def owned_networks(self, label: str, value: str) -> list[str]:
        with self._engine():
            return [row["Name"] for row in self._call.networks(filters={"label": f"{label}={value}"})]

    def _join(self, spec: ContainerSpec, container: str) -> None:
        """Put a container that was created, and not started, on its private network too. Twice is as good as once."""
        if not spec.private_network or network_mode(spec) == spec.private_network:
            return
        joined = self._call.inspect_container(container)["NetworkSettings"]["Networks"]
        if spec.private_network not in joined:
            self._call.connect_container_to_network(container, spec.private_network, aliases=[spec.hostname])


def network_config(name: str, labels: Mapping[str, str], subnet: ipaddress.IPv4Network) -> dict[str, Any]:
    """What is asked for: an internal network whose bridge has no address on this host."""
    return {
        "name": name,
        "check_duplicate": True,
        "driver": "bridge",
        "internal": True,
        "attachable": False,
        "enable_ipv6": False,
        "ipam": {"Driver": "default", "Config": [{"Subnet": str(subnet)}]},
        "options": {"com.docker.network.bridge.inhibit_ipv4": "true"},
        "labels": dict(labels),
    }


def subnets(pool: str, size: int, taken: Iterable[str]) -> Iterator[ipaddress.IPv4Network]:
    """Subnets of the pool for `size` containers that overlap none of those taken, in order."""
    whole = ipaddress.IPv4Network(pool)
    prefix = max(min(_LONGEST_PREFIX, 32 - (size + _RESERVED - 1).bit_length()), whole.prefixlen)
    if 2 ** (32 - prefix) < size + _RESERVED:
        return
    busy = [net for text in taken if (net := _v4(text)) is not None and net.overlaps(whole)]
    for subnet in whole.subnets(new_prefix=prefix):
        if not any(subnet.overlaps(other) for other in busy):
            yield subnet


def _v4(text: str) -> ipaddress.IPv4Network | None:
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        return None


def subnets_of(networks: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every subnet that the engine's networks have."""
    rows = [row for network in networks for row in ((network.get("IPAM") or {}).get("Config") or ())]
    return [str(row["Subnet"]) for row in rows if row.get("Subnet")]


def _no_room(name: str, pool: str) -> RuntimeFault:
    said = (
        f"{name!r} got no private network: no subnet of JOB_NETWORKS ({pool}) is free on this host. "
        "Wait until other jobs of several nodes have ended, or widen the setting."
    )
    return RuntimeFault(said, code="start_refused", retry=True)


def _not_ours(name: str) -> RuntimeFault:
    said = f"Another network, not ours by its labels, has the name {name!r}. Remove or rename it."
    return RuntimeFault(said, code="start_refused", retry=False)


def no_way_out(name: str) -> RuntimeFault:
    said = (
        f"{name!r} was not started: its machine type or app has a way out to the network, and this host has none that is "
        "safe. Run portal/local/network.sh ensure as root on it."
    )
    return RuntimeFault(said, code="start_refused", retry=True)

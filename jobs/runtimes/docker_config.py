"""What Docker Engine is asked for: the allowlist. Pure functions from a ContainerSpec; nothing else reaches an engine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from jobs.runtimes.base import ContainerSpec, Mount, PublicPort, RuntimeFault, Tmpfs, refuse_unsound

DEFAULT_SOCKET = "/var/run/docker.sock"
OUTGOING = "slipway-outgoing"  # the network that portal/local/network.sh makes
_PATIENCE = ["timeout:2", "attempts:1"]  # for an answer to a name that is none of the job's own
_NO_DNS = "127.0.0.1"  # of the container itself: names of the outside are asked of nobody
CPU_PERIOD_US = 100_000
# What installers and services ask of root within their own container. Nothing that reaches the kernel or the host.
ROOT_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")
NOFILE = 16_384  # below the hard limit that engines within containers have: more would be refused there
# Mounting one of these, a folder in it, or a folder that holds it would hand the host to the job.
_HOST_ONLY = (
    "/proc",
    "/sys",
    "/dev",
    "/etc",
    "/boot",
    "/usr",
    "/run/docker.sock",
    "/run/containerd",
    "/var/lib/docker",
)


def container_config(spec: ContainerSpec, *, socket: str = DEFAULT_SOCKET) -> dict[str, Any]:
    """The whole body of a create request. Raises RuntimeFault(start_refused) for a spec that must not start.

    The image's ENTRYPOINT, CMD, USER, HEALTHCHECK and STOPSIGNAL have no say. A VOLUME of the image can't be undone
    here: its anonymous volume is removed with the container.
    """
    refuse_unsound(spec)
    _refuse_host_mounts(spec, socket)
    return {
        "Image": spec.image,
        "Hostname": spec.hostname,  # where it is empty, the engine takes the container's id
        "Entrypoint": list(spec.argv),
        "Cmd": [],
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "User": f"{spec.uid}:{spec.gid}",
        "WorkingDir": spec.workdir,
        "Labels": dict(spec.labels),
        "Tty": False,
        "OpenStdin": False,
        "StdinOnce": False,
        "AttachStdin": False,
        "AttachStdout": False,
        "AttachStderr": False,
        "ExposedPorts": {port_key(one): {} for one in spec.public},
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["NONE"]},
        "HostConfig": host_config(spec),
        "NetworkingConfig": {"EndpointsConfig": endpoints(spec)},
    }


def reading_config(image: str, labels: dict[str, str]) -> dict[str, Any]:
    """The body of a create request for a container that is only read from: it has no program and is never started."""
    return {
        "Image": image,
        "Entrypoint": ["/never/started"],
        "Cmd": [],
        "Labels": labels,
        "NetworkDisabled": True,
        "HostConfig": {
            "NetworkMode": "none",
            "ReadonlyRootfs": True,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges:true"],
            "LogConfig": {"Type": "none"},
        },
    }


def host_config(spec: ContainerSpec) -> dict[str, Any]:
    """The HostConfig. seccomp is not named: that is the engine's default profile."""
    memory = spec.memory_mib * 2**20
    return {
        "Privileged": False,
        "CapAdd": list(ROOT_CAPABILITIES) if spec.as_root else [],
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "ReadonlyRootfs": not spec.writable_root,
        "NetworkMode": network_mode(spec),
        "Dns": dns(spec),
        "DnsOptions": _PATIENCE if dns(spec) else [],
        "PublishAllPorts": False,
        # An empty port of the host is one that the engine finds free.
        "PortBindings": {port_key(one): [{"HostIp": one.address, "HostPort": ""}] for one in spec.public},
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "PidsLimit": spec.pids,
        "Memory": memory,
        "MemorySwap": memory,  # the same figure: no swap
        # A quota, not NanoCpus: those are refused above the host's own number of cores.
        "CpuPeriod": CPU_PERIOD_US,
        "CpuQuota": max(1_000, round(spec.cores * CPU_PERIOD_US)),
        "OomKillDisable": False,
        "OomScoreAdj": 500,  # when the host itself runs out, jobs go before what tends them
        "Ulimits": [
            {"Name": "nofile", "Soft": NOFILE, "Hard": NOFILE},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
        # Orphans are reaped, and TERM ends a program that has no handler for it, as it does outside a container.
        "Init": True,
        "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
        "AutoRemove": False,
        # Large files: an engine that begins a new one loses or repeats lines for those who follow.
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "512m", "max-file": "2"}},
        "Mounts": [_mount(mount) for mount in spec.mounts],
        "Tmpfs": {tmpfs.target: _tmpfs(tmpfs) for tmpfs in spec.tmpfs},
        "Devices": [],
        "DeviceRequests": _gpus(spec.gpu_indexes),
    }


def network_mode(spec: ContainerSpec) -> str:
    """The network a container is created on. With a way out that is it, and the private one is joined before the start."""
    if spec.network == "outgoing":
        return OUTGOING
    return spec.private_network or "none"


def port_key(port: PublicPort) -> str:
    """How the engine writes a port of a container: `8080/tcp`."""
    return f"{port.port}/{port.protocol}"


def published_ports(inspected: Mapping[str, Any]) -> tuple[PublicPort, ...]:
    """Where the ports that were asked for are reached, of what the engine says of a container; in the order asked for."""
    found = []
    bound = inspected["NetworkSettings"].get("Ports") or {}
    for key in inspected["HostConfig"].get("PortBindings") or {}:
        port, _, protocol = key.partition("/")
        found += [PublicPort(int(port), protocol, one["HostIp"], int(one["HostPort"])) for one in bound.get(key) or ()]
    return tuple(found)


def endpoints(spec: ContainerSpec) -> dict[str, Any]:
    """How it is found on the network it is created on."""
    return {spec.private_network: {"Aliases": [spec.hostname]}} if network_mode(spec) == spec.private_network else {}


def dns(spec: ContainerSpec) -> list[str]:
    """The engine's own resolver knows the names of a private network, and some engines ask the host's about all others."""
    return [_NO_DNS] if spec.private_network and spec.network == "none" else []


def _mount(mount: Mount) -> dict[str, Any]:
    # A mount, not a bind string: a source that is missing is an error here, and not made by root.
    return {
        "Type": "bind",
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": mount.readonly,
        "BindOptions": {"Propagation": "rprivate"},
    }


def _tmpfs(tmpfs: Tmpfs) -> str:
    # The engine's default is noexec, and compilers and interpreters run what they put in /tmp.
    return f"rw,exec,nosuid,nodev,size={tmpfs.size_mib}m,mode=1777"


def _gpus(indexes: tuple[int, ...]) -> list[dict[str, Any]]:
    if not indexes:
        return []
    return [{"Driver": "", "DeviceIDs": [str(index) for index in indexes], "Capabilities": [["gpu"]]}]


def _refuse_host_mounts(spec: ContainerSpec, socket: str) -> None:
    private = {place for path in (*_HOST_ONLY, DEFAULT_SOCKET, socket) for place in _places(path)}
    for mount in spec.mounts:
        if any(_within(source, path) or _within(path, source) for source in _places(mount.source) for path in private):
            raise RuntimeFault(
                f"{spec.name!r} was not started: {mount.source!r} holds parts of the host that no job may see. "
                "Mount a folder of its own instead.",
                code="start_refused",
                retry=False,
            )


def _places(path: str) -> set[str]:
    """The path as written, and where its links lead."""
    written = os.path.normpath(path)
    try:
        return {written, os.path.realpath(path)}
    except OSError:  # a link that this process may not follow, as under /proc
        return {written}


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")

"""The nodes of a job: containers on one host and one private network. The master runs the command, the slaves sshd.

All of it is found by names that follow from the attempt's, so every step may be repeated by a process that takes over.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from apps_catalog.launch.spec import PlanLimits, RunPlan
from jobs import node_keys
from jobs.models import MachineType
from jobs.runtimes.base import ContainerSpec, Exited, Handle, Missing, Runtime, RuntimeFault

logger = logging.getLogger(__name__)
AT_ONCE = 8
READY_S = 30.0
STOP_GRACE_S = 1.0
LISTENS = b"Server listening on"
KILLED = (137, 143)
_SLAVE = re.compile(r"-n[0-9]+\Z")
_WITH_SSHD = f'/bin/sh {node_keys.START} -E /dev/null; exec "$@"'


def hosts(count: int) -> tuple[str, ...]:
    """The names by which the nodes of a job know one another, the master first."""
    return ("localhost",) if count == 1 else tuple(f"node{number}" for number in range(1, count + 1))


def attempt_of(container: str) -> str:
    """The name of the attempt that a container, or a network, belongs to."""
    return _SLAVE.sub("", container)


def gpus_of_slot(machine: MachineType) -> int:
    """How many GPUs a slot needs: those of the largest job it may run."""
    slaves = machine.gpus if machine.slave_gpus is None else machine.slave_gpus
    return machine.gpus + (machine.nodes_max - 1) * slaves


@dataclass(frozen=True)
class Nodes:
    """Those of one attempt. `name` is the attempt's, and the master's, and of their network."""

    name: str
    count: int

    @property
    def slaves(self) -> tuple[Handle, ...]:
        return tuple(Handle(name=f"{self.name}-n{number}", adopted=True) for number in range(2, self.count + 1))

    def share(self, alone: ContainerSpec, plan: RunPlan, keys: Path) -> tuple[ContainerSpec, tuple[ContainerSpec, ...]]:
        """The containers of the master and of the slaves, made of what the master would be alone; `keys` is a folder."""
        if self.count == 1:
            return replace(alone, gpu_indexes=alone.gpu_indexes[: plan.limits.gpus]), ()
        names = hosts(self.count)
        node_keys.make(keys, names, uid=plan.uid, gid=plan.gid)
        joined = replace(alone, private_network=self.name, mounts=(*alone.mounts, *node_keys.mounts(keys)))
        slaves = tuple(
            _slave(joined, plan.limits, handle.name, names[index], index)
            for index, handle in enumerate(self.slaves, start=1)
        )
        argv = ("/bin/sh", "-c", _WITH_SSHD, "sh", *alone.argv)
        gpus = alone.gpu_indexes[: plan.limits.gpus]
        return replace(joined, argv=argv, hostname=names[0], gpu_indexes=gpus), slaves

    def open(self, runtime: Runtime, slaves: tuple[ContainerSpec, ...], labels: Mapping[str, str]) -> None:
        """Make the network, start the slaves, and wait until each can be reached. Raises RuntimeFault."""
        if not slaves:
            return
        runtime.make_network(self.name, labels, size=self.count)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(lambda spec: _open(runtime, spec), slaves):
                pass

    def close(self, runtime: Runtime) -> tuple[str, ...]:
        """Stop the slaves. What is to be said of those that had ended before."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return tuple(said for said in pool.map(lambda handle: _close(runtime, handle), self.slaves) if said)

    def remove(self, runtime: Runtime) -> None:
        """Forget the slaves and the network; what is gone already is no error."""
        if self.count == 1:
            return
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(runtime.remove, self.slaves):
                pass
        runtime.remove_network(self.name)


def _slave(joined: ContainerSpec, limits: PlanLimits, name: str, host: str, index: int) -> ContainerSpec:
    first = limits.gpus + (index - 1) * limits.slave_gpus
    memory_mib = limits.slave_memory_mib or limits.memory_mib
    return replace(
        joined,
        name=name,
        hostname=host,
        public=(),
        network="none",  # the way out is the master's: MPI would take a second network that all nodes have for a way between them
        argv=("/bin/sh", node_keys.START, "-D", "-e"),
        memory_mib=memory_mib,
        tmpfs=tuple(replace(one, size_mib=max(memory_mib // 2, 16)) for one in joined.tmpfs),
        gpu_indexes=joined.gpu_indexes[first : first + limits.slave_gpus],
    )


def _open(runtime: Runtime, spec: ContainerSpec) -> None:
    """Start a slave, and follow what sshd says until it listens."""
    handle = runtime.start(spec)
    late = threading.Timer(READY_S, lambda: _give_up(runtime, handle))
    late.daemon = True
    late.start()
    last = b""
    try:
        for line in runtime.follow(handle):
            if LISTENS in line.data:
                return
            last = line.data
    finally:
        late.cancel()
    raise _unready(spec, runtime.observe(handle), last.decode("utf-8", "replace").strip())


def _give_up(runtime: Runtime, handle: Handle) -> None:
    """End a slave whose sshd says nothing: whoever follows it hears that."""
    try:
        runtime.stop(handle, 0)
    except RuntimeFault as fault:
        logger.info("%s was not stopped, as the engine was away: %s", handle.name, fault)


def _unready(spec: ContainerSpec, found: object, last: str) -> RuntimeFault:
    ssh = f"The nodes of a job reach one another by SSH, and the image of this app has no {node_keys.SSHD}."
    if isinstance(found, Exited) and found.code in (node_keys.MISSING, 126):
        said = f"{ssh} Install openssh-server and openssh-client in it, or launch it on one node."
        return RuntimeFault(said, code="image_unfit", retry=False)
    if isinstance(found, Exited) and found.code not in KILLED:
        said = f"{node_keys.SSHD} of this app's image did not start on {spec.hostname}: {last or 'it said nothing'}"
        return RuntimeFault(
            f"{said.rstrip('.')}. See to it in the image, or launch on one node.", code="image_unfit", retry=False
        )
    said = f"{spec.hostname} could not be reached by SSH within {READY_S:.0f} s: {last or 'sshd said nothing'}"
    return RuntimeFault(f"{said.rstrip('.')}.", code="start_refused", retry=True)


def _close(runtime: Runtime, handle: Handle) -> str:
    found = runtime.observe(handle)
    runtime.stop(handle, STOP_GRACE_S)
    host = f"node{handle.name.rpartition('-n')[2]}"
    match found:
        case Exited(oom=True):
            return f"{host} had ended before the program did: it ran out of memory."
        case Exited(code=code):
            return f"{host} had ended before the program did, with exit code {code}."
        case Missing():
            return f"{host} was gone before the program ended: it was removed outside Slipway."
    return ""

"""A container gets what the allowlist says and nothing else (safety S16, S18, S19): the request, and the view from inside."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.runtimes.base import ContainerSpec, Exited, Mount, PublicPort, RuntimeFault, Tmpfs
from jobs.runtimes.docker import DockerRuntime
from jobs.runtimes.docker_config import container_config, host_config

LABEL = "slipway.test"

# Written out here on purpose, key by key: a change of the request must change this too.
ALWAYS = {
    "Privileged": False,
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges:true"],
    "PublishAllPorts": False,
    "IpcMode": "private",
    "CgroupnsMode": "private",
    "OomKillDisable": False,
    "OomScoreAdj": 500,
    "CpuPeriod": 100_000,
    "Ulimits": [{"Name": "nofile", "Soft": 16_384, "Hard": 16_384}, {"Name": "core", "Soft": 0, "Hard": 0}],
    "Init": True,
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
    "AutoRemove": False,
    "LogConfig": {"Type": "json-file", "Config": {"max-size": "512m", "max-file": "2"}},
    "Devices": [],
    "CapAdd": [],
    "ReadonlyRootfs": True,
}
# What an operator's grant to a version changes, and nothing else does.
PROFILES: dict[str, tuple[Any, Any]] = {
    "CapAdd": ([], ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID"]),
    "ReadonlyRootfs": (True, False),
}
BY_SPEC = {
    "NetworkMode",
    "Dns",
    "DnsOptions",
    "PidsLimit",
    "Memory",
    "MemorySwap",
    "CpuQuota",
    "Mounts",
    "Tmpfs",
    "DeviceRequests",
    "PortBindings",
}
NEVER_ROOT = st.integers(1, 2**32 - 2)
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
FOLDERS = st.from_regex(r"/srv(/[a-z]{1,8}){1,3}", fullmatch=True)
SPECS = st.builds(
    ContainerSpec,
    name=st.from_regex(r"[a-z0-9][a-z0-9_.-]{1,30}", fullmatch=True),
    image=st.sampled_from(
        ["slipway-python:bookworm", "sha256:" + "0" * 64, "docker.io/library/python@sha256:" + "a" * 64]
    ),
    argv=st.lists(WORDS, max_size=5).map(lambda words: ("program", *words)),
    env=st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,10}", fullmatch=True), WORDS, max_size=4),
    uid=NEVER_ROOT,
    gid=NEVER_ROOT,
    writable_root=st.booleans(),
    workdir=FOLDERS,
    mounts=st.lists(
        st.builds(Mount, FOLDERS, FOLDERS, st.booleans()), max_size=3, unique_by=lambda mount: mount.target
    ).map(tuple),
    tmpfs=st.just((Tmpfs("/tmp", 64),)),
    cores=st.floats(0.01, 512),
    memory_mib=st.integers(6, 2**22),
    pids=st.integers(1, 2**20),
    gpu_indexes=st.lists(st.integers(0, 15), max_size=4, unique=True).map(tuple),
    network=st.sampled_from(["none", "outgoing"]),
    private_network=st.sampled_from(["", "slipway-1-run-0-1"]),
    hostname=st.just("node1"),
    public=st.tuples(st.sampled_from(["tcp", "udp", "sctp"]), st.sets(st.integers(1, 65535), max_size=40)).map(
        lambda both: tuple(PublicPort(port, cast("Any", both[0]), "192.0.2.7") for port in sorted(both[1]))
    ),
    labels=st.dictionaries(st.sampled_from(["slipway.job", "slipway.host"]), WORDS),
)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spec=SPECS, as_root=st.booleans())
@pytest.mark.slow
def test_the_request_equals_the_allowlist_for_any_spec(spec: ContainerSpec, as_root: bool) -> None:
    if as_root:
        spec = replace(spec, as_root=True, uid=0, gid=0)
    if spec.network != "outgoing":
        spec = replace(spec, public=())
    request = host_config(spec)
    granted = {"CapAdd": as_root, "ReadonlyRootfs": spec.writable_root}
    profiles = {name: choices[granted[name]] for name, choices in PROFILES.items()}
    assert {name: value for name, value in request.items() if name not in BY_SPEC} == ALWAYS | profiles
    assert set(request) == set(ALWAYS) | BY_SPEC
    ways = {"none": spec.private_network or "none", "outgoing": "slipway-outgoing"}
    assert request["NetworkMode"] == ways[spec.network]
    assert request["Dns"] == (["127.0.0.1"] if request["NetworkMode"] == spec.private_network else [])
    assert request["PortBindings"] == {
        f"{one.port}/{one.protocol}": [{"HostIp": "192.0.2.7", "HostPort": ""}] for one in spec.public
    }
    assert request["PidsLimit"] == spec.pids
    assert request["Memory"] == request["MemorySwap"] == spec.memory_mib * 1024 * 1024
    assert request["CpuQuota"] == pytest.approx(spec.cores * 100_000, abs=1)
    assert request["Tmpfs"] == {"/tmp": "rw,exec,nosuid,nodev,size=64m,mode=1777"}
    assert request["Mounts"] == [
        {
            "Type": "bind",
            "Source": mount.source,
            "Target": mount.target,
            "ReadOnly": mount.readonly,
            "BindOptions": {"Propagation": "rprivate"},
        }
        for mount in spec.mounts
    ]
    devices = [device for row in request["DeviceRequests"] for device in row["DeviceIDs"]]
    assert devices == [str(index) for index in spec.gpu_indexes]
    assert all(row["Capabilities"] == [["gpu"]] for row in request["DeviceRequests"])

    whole = container_config(spec)
    assert whole["User"] == f"{spec.uid}:{spec.gid}"
    assert (whole["Entrypoint"], whole["Cmd"]) == (list(spec.argv), [])
    assert not any(
        whole[name] for name in ("Tty", "OpenStdin", "StdinOnce", "AttachStdin", "AttachStdout", "AttachStderr")
    )
    assert whole["Healthcheck"] == {"Test": ["NONE"]}
    assert whole["StopSignal"] == "SIGTERM"
    assert whole["ExposedPorts"] == {key: {} for key in request["PortBindings"]}
    assert whole["Env"] == [f"{name}={value}" for name, value in spec.env.items()]
    assert whole["Hostname"] == spec.hostname
    found_as = {spec.private_network: {"Aliases": ["node1"]}} if request["NetworkMode"] == spec.private_network else {}
    assert whole["NetworkingConfig"] == {"EndpointsConfig": found_as}
    assert "seccomp" not in json.dumps(whole["HostConfig"])
    assert set(whole) == {
        *("Image", "Entrypoint", "Cmd", "Env", "User", "WorkingDir", "Labels", "Tty", "OpenStdin", "StdinOnce"),
        *("AttachStdin", "AttachStdout", "AttachStderr", "StopSignal", "Healthcheck", "HostConfig"),
        *("Hostname", "NetworkingConfig", "ExposedPorts"),
    }


def make_spec(*argv: str, **over: Any) -> ContainerSpec:
    values: dict[str, Any] = {
        "name": f"hardening-{uuid.uuid4().hex}",
        "image": "slipway-python:bookworm",
        "argv": argv,
        "env": {},
        "uid": 1234,
        "gid": 2345,
        "workdir": "/tmp",
        "tmpfs": (Tmpfs("/tmp", 8),),
        "cores": 0.5,
        "memory_mib": 96,
        "pids": 77,
        "labels": {LABEL: "hardening"},
    }
    return ContainerSpec(**values | over)


# -- from inside ------------------------------------------------------------------------------------------------------

Inside = Callable[..., Any]


@pytest.fixture
def inside() -> Iterator[Inside]:
    """Run Python in a container and give back what it prints as JSON."""
    runtime = DockerRuntime()
    names: list[str] = []

    def run(code: str, **over: Any) -> Any:
        spec = make_spec("python3", "-c", f"import json, os\n{code}", **over)
        names.append(spec.name)
        handle = runtime.start(spec)
        end = runtime.wait(handle)
        output = b"".join(line.data for line in runtime.follow(handle))
        assert end == Exited(0), output.decode()
        return json.loads(output)

    yield run
    for handle in runtime.owned(LABEL, "hardening"):
        if handle.name in names:
            runtime.remove(handle)
    runtime.close()


@pytest.mark.docker
def test_inside_there_are_no_privileges_to_gain(inside: Inside) -> None:
    status = inside(
        "print(json.dumps(dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines())))"
    )
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert status["Uid"].split() == ["1234"] * 4
    assert status["Gid"].split() == ["2345"] * 4
    assert status["Groups"].split() in ([], ["2345"])


@pytest.mark.docker
def test_inside_only_tmp_can_be_written(inside: Inside) -> None:
    code = """
wrote = []
for folder in ('/', '/etc', '/usr', '/var', '/home/slipway', '/opt', '/data', '/results', '/proc/sys', '/sys', '/tmp', '/dev/shm', '/run'):
    try:
        open(os.path.join(folder, 'x'), 'w').close()
        wrote.append(folder)
    except OSError:
        pass
flags = {line.split()[1]: line.split()[3].split(',') for line in open('/proc/mounts')}
print(json.dumps([wrote, 'ro' in flags['/'], sorted(flags['/tmp'])]))
"""
    wrote, root_is_readonly, tmp = inside(code)
    assert wrote == ["/tmp", "/dev/shm"]
    assert root_is_readonly
    assert {"nosuid", "nodev"} <= set(tmp)
    assert "noexec" not in tmp


@pytest.mark.docker
def test_inside_there_is_no_engine_and_no_network(inside: Inside) -> None:
    sockets, interfaces = inside(
        "found = [p for p in ('/var/run/docker.sock', '/run/docker.sock', '/run/containerd') if os.path.exists(p)]\n"
        "print(json.dumps([found, os.listdir('/sys/class/net')]))"
    )
    assert sockets == []
    assert interfaces == ["lo"]


@pytest.mark.docker
def test_inside_the_limits_are_the_specs(inside: Inside) -> None:
    code = """
import resource
def read(*paths):
    for path in paths:
        if os.path.exists('/sys/fs/cgroup/' + path):
            return open('/sys/fs/cgroup/' + path).read().split()
print(json.dumps({
    'memory': read('memory.max', 'memory/memory.limit_in_bytes'),
    'pids': read('pids.max', 'pids/pids.max'),
    'cpu': read('cpu.max') or read('cpu/cpu.cfs_quota_us') + read('cpu/cpu.cfs_period_us'),
    'nofile': resource.getrlimit(resource.RLIMIT_NOFILE),
    'core': resource.getrlimit(resource.RLIMIT_CORE),
    'group': [line.strip().rpartition(':')[2] for line in open('/proc/self/cgroup') if ':memory:' in line or line.startswith('0::')][0],
    'oom': open('/proc/self/oom_score_adj').read().strip(),
}))
"""
    found = inside(code)
    assert found == {
        "memory": [str(96 * 2**20)],
        "pids": ["77"],
        "cpu": ["50000", "100000"],
        "nofile": [16_384, 16_384],
        "core": [0, 0],
        "group": "/",
        "oom": "500",
    }


@pytest.mark.docker
def test_inside_a_granted_root_has_seven_capabilities_and_can_gain_no_more(inside: Inside) -> None:
    code = """
status = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines())
tried = {}
for what, act in {
    'mount': lambda: __import__('ctypes').CDLL(None, use_errno=True).mount(b'none', b'/mnt', b'tmpfs', 0, None) and 1 / 0,
    'device': lambda: os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0)),
    'root folder': lambda: open('/x', 'w'),
    'chown': lambda: (open('/tmp/x', 'w'), os.chown('/tmp/x', 7, 7)),
    'switch': lambda: os.seteuid(7),
}.items():
    try:
        act()
        tried[what] = True
    except (OSError, ZeroDivisionError):
        tried[what] = False
print(json.dumps([{name: status[name] for name in ('CapPrm', 'CapEff', 'CapBnd', 'NoNewPrivs', 'Seccomp', 'Uid')}, tried]))
"""
    status, tried = inside(code, uid=0, gid=0, as_root=True)
    # CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, KILL 5, SETGID 6, SETUID 7, NET_BIND_SERVICE 10
    seven = f"{sum(1 << number for number in (0, 1, 3, 5, 6, 7, 10)):016x}"
    assert [status[name] for name in ("CapPrm", "CapEff", "CapBnd")] == [seven] * 3
    assert (status["NoNewPrivs"], status["Seccomp"], status["Uid"].split()) == ("1", "2", ["0"] * 4)
    assert tried == {"mount": False, "device": False, "root folder": False, "chown": True, "switch": True}


@pytest.mark.docker
def test_inside_a_granted_writable_root_is_the_jobs_own_copy(inside: Inside) -> None:
    code = """
flags = {line.split()[1]: line.split()[3].split(',') for line in open('/proc/mounts')}
try:
    open('/etc/x', 'w')
    system = True
except OSError:
    system = False
print(json.dumps(['rw' in flags['/'], system, os.path.exists('/var/tmp/x'), bool(open('/var/tmp/x', 'w'))]))
"""
    for _ in range(2):  # the second finds nothing of the first
        assert inside(code, writable_root=True) == [True, False, False, True]


@pytest.mark.docker
def test_inside_forks_and_tmp_are_bounded(inside: Inside) -> None:
    code = """
import errno, time
children, refused = [], False
try:
    for _ in range(200):
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        children.append(pid)
except OSError as error:
    refused = error.errno == errno.EAGAIN
for pid in children:
    os.kill(pid, 9)
try:
    open('/tmp/big', 'wb').write(bytes(16 * 2**20))
    full = False
except OSError as error:
    full = error.errno == errno.ENOSPC
print(json.dumps([refused, len(children) < 77, full]))
"""
    assert inside(code) == [True, True, True]


@pytest.mark.docker
def test_mounts_are_as_asked(inside: Inside, tmp_path: Path) -> None:
    for name in ("given", "results"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").write_text("from the host")
        (tmp_path / name).chmod(0o777)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith("pytest-"):
            folder.chmod(0o711)
    code = """
read = open('/given/a').read()
open('/results/b', 'w').write('from inside')
try:
    open('/given/b', 'w')
    wrote = True
except OSError:
    wrote = False
print(json.dumps([read, wrote, open('/proc/1/cmdline').read().split(chr(0))[0]]))
"""
    mounts = (Mount(str(tmp_path / "given"), "/given", readonly=True), Mount(str(tmp_path / "results"), "/results"))
    read, wrote, _ = inside(code, mounts=mounts)
    assert (read, wrote) == ("from the host", False)
    assert (tmp_path / "results" / "b").read_text() == "from inside"
    assert (tmp_path / "results" / "b").stat().st_uid == 1234
    with pytest.raises(RuntimeFault, match="nowhere") as caught:
        inside(code, mounts=(Mount(str(tmp_path / "nowhere"), "/given"),))
    assert (caught.value.code, caught.value.retry) == ("start_refused", False)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.docker
def test_a_refused_start_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file can't be mounted over a folder")
    runtime = DockerRuntime()
    mine = uuid.uuid4().hex
    mounts = (Mount(str(tmp_path / "a"), "/usr/bin"),)
    with pytest.raises(RuntimeFault) as caught:
        runtime.start(make_spec("true", mounts=mounts, labels={LABEL: mine}))
    assert caught.value.code == "start_refused"
    assert runtime.owned(LABEL, mine) == []
    runtime.close()

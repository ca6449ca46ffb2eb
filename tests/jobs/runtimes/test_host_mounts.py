"""What of the host no container may see, whoever asks for it: system folders, and the engine's own socket."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.runtimes.base import Mount, RuntimeFault
from jobs.runtimes.docker_config import container_config
from tests.jobs.runtimes.test_docker_hardening import make_spec


@pytest.mark.parametrize(
    "source",
    [
        "/",
        "/var",
        "/run",
        "/var/run",
        "/var/run/docker.sock",
        "/run/containerd/x",
        "/proc/1/root",
        "/dev",
        "/etc/ssl",
        "/usr",
    ],
)
def test_parts_of_the_host_are_never_mounted(source: str) -> None:
    with pytest.raises(RuntimeFault, match="no job may see"):
        container_config(make_spec("true", mounts=(Mount(source, "/data", readonly=True),)))


def test_the_engines_own_socket_is_never_mounted_wherever_it_is(tmp_path: Path) -> None:
    socket = tmp_path / "engine" / "docker.sock"
    socket.parent.mkdir()
    socket.touch()
    (tmp_path / "link").symlink_to(socket.parent)
    (tmp_path / "data").mkdir()
    container_config(make_spec("true", mounts=(Mount(str(tmp_path / "data"), "/data"),)), socket=str(socket))
    for source in (tmp_path, tmp_path / "engine", tmp_path / "link", socket):
        with pytest.raises(RuntimeFault, match="no job may see"):
            container_config(make_spec("true", mounts=(Mount(str(source), "/data"),)), socket=str(socket))

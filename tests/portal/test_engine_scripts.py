"""The scripts about the engine never prompt, say what is wrong, and forbid installing where they are told to."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

LOCAL = Path(__file__).resolve().parents[2] / "portal" / "local"


def run(script: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(LOCAL / script), *words],
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")} | env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("script", ["docker.sh", "base_image.sh", "network.sh", "../../tests/images/ssh.sh"])
def test_the_scripts_are_plain_shell_and_executable(script: str) -> None:
    subprocess.run(["/bin/sh", "-n", str(LOCAL / script)], check=True)
    assert os.access(LOCAL / script, os.X_OK)


@pytest.mark.parametrize("words", [(), ("start",)])
def test_another_word_gets_the_usage(words: tuple[str, ...]) -> None:
    done = run("docker.sh", *words)
    assert done.returncode == 2
    assert "Usage: docker.sh ensure|stop" in done.stderr


def test_an_address_where_nothing_answers_is_named_and_nothing_is_started(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/none.sock"
    done = run("docker.sh", "ensure", str(tmp_path / "state"), DOCKER_HOST=address, DEMO_INSTALL="0")
    assert (done.returncode, done.stdout) in ((1, ""), (3, ""))
    assert address in done.stderr or "DEMO_INSTALL=0" in done.stderr
    assert not (tmp_path / "state").exists()


def test_stop_leaves_an_engine_alone_that_it_did_not_start(tmp_path: Path) -> None:
    (tmp_path / "dockerd.pid").write_text(f"{os.getpid()}\n")
    done = run("docker.sh", "stop", str(tmp_path))
    assert done.returncode == 0
    assert "No Docker Engine of ours is running" in done.stderr


@pytest.mark.docker
def test_an_engine_that_answers_is_taken_and_an_image_that_is_there_kept(tmp_path: Path) -> None:
    engine = {"DOCKER_HOST": os.environ["DOCKER_HOST"]} if "DOCKER_HOST" in os.environ else {}
    done = run("docker.sh", "ensure", str(tmp_path / "state"), **engine)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()[0].isdigit()
    done = run("base_image.sh", str(tmp_path / "state"), DEMO_INSTALL="0", **engine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "state").exists()

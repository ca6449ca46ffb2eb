#!/usr/bin/python3
"""Starts JupyterLab on port 8888: in the vault where the job has one that it may write to, else in the job's results."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

JUPYTER = "/opt/jupyter/bin/jupyter"
WELCOME = Path(__file__).with_name("welcome.ipynb")
VAULT = Path("/data")


def writable_vault() -> bool:
    return os.path.ismount(VAULT) and os.access(VAULT, os.W_OK)


def folder(results: Path) -> Path:
    """Where the notebooks lie. A fresh folder gets a first one to run."""
    if writable_vault():
        return VAULT
    if not (results / "Welcome.ipynb").exists():
        shutil.copyfile(WELCOME, results / "Welcome.ipynb")
    return results


def words(token: str, root: Path) -> list[str]:
    options = {
        # The portal comes in by the loopback; nobody else is to, whatever network the machine type grants.
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": "8888",
        "ServerApp.port_retries": "0",
        "ServerApp.open_browser": "False",
        "ServerApp.root_dir": str(root),
        "IdentityProvider.token": token,
        "LabApp.extension_manager": "readonly",
        "ServerApp.log_level": "WARN",  # what it says of its address is right only within the container
    }
    return [JUPYTER, "lab", *(f"--{name}={value}" for name, value in options.items())]


def main(arguments: list[str]) -> None:
    """The only argument is the token, which is never empty: without one anybody who reaches the port could run code."""
    if len(arguments) != 1 or not arguments[0]:
        sys.exit("start.py wants one argument: the token that opens the notebook.")
    root = folder(Path(os.environ.get("RESULTS_DIR") or "/results"))
    command = words(arguments[0], root)
    print(f"Notebooks are in {root}.", flush=True)
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])

"""The house: what the project promises of its own text. Import directions are lint-imports' part of `make check`."""

from __future__ import annotations

import ast
import re
import subprocess
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from portal import env

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("portal", "apps_catalog", "jobs")
SOURCES = sorted(path for folder in (*PACKAGES, "bench", "examples", "tests") for path in (ROOT / folder).rglob("*.py"))
# A file may be longer only with its reason here.
LONG_FILES = {"tests/jobs/runtimes/test_contract.py": "one contract, one file: every runtime passes it whole"}
FILE_LINES, FUNCTION_LINES = 400, 60
VAGUE = {"utils", "util", "helpers", "helper", "common", "core", "misc"}


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_no_file_is_too_long() -> None:
    long = {named(path): count for path in SOURCES if (count := len(path.read_text().splitlines())) > FILE_LINES}
    assert {name: count for name, count in long.items() if name not in LONG_FILES} == {}


def test_no_function_is_too_long() -> None:
    long = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
                lines = node.end_lineno - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long[f"{named(path)}:{node.name}"] = lines
    assert long == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        named(path)
        for path in SOURCES
        if path.stat().st_size and "migrations" not in path.parts and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_names_say_something() -> None:
    assert [named(path) for path in SOURCES if VAGUE & {path.stem, path.parent.name}] == []


def test_settings_are_documented_and_in_the_example_file() -> None:
    reference = (ROOT / "docs" / "reference" / "settings.md").read_text().partition("## For `make`")[0]
    documented = re.findall(r"^\| `([A-Z_]+)` \|", reference, re.MULTILINE)
    example = re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert sorted(documented) == sorted(env.READ)
    assert example == documented


def test_dependencies_are_pinned_and_explained() -> None:
    explained = (ROOT / "docs" / "reference" / "dependencies.md").read_text().lower()
    for name in ("requirements.txt", "requirements-dev.txt"):
        direct, _, needed = (ROOT / name).read_text().partition("# What those need")
        for line in (direct + needed).splitlines():
            if line and not line.startswith(("#", "-r ")):
                assert re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==[^\s=]+", line), line
        for package in re.findall(r"^([A-Za-z0-9._-]+)[\[=]", direct, re.MULTILINE):
            assert re.search(rf"[| ,]{re.escape(package.lower())}\b", explained), package


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")), ids=named)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("script", [*sorted(ROOT.glob("portal/local/*.sh")), ROOT / "examples/build.sh"], ids=named)
def test_scripts_are_plain_sh_and_executable(script: Path) -> None:
    assert script.read_text().startswith("#!/bin/sh\n")
    assert script.stat().st_mode & 0o111
    subprocess.run(["sh", "-n", script], check=True, timeout=10)


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    said = StringIO()
    call_command("makemigrations", check=True, dry_run=True, stdout=said, stderr=said)


@pytest.mark.django_db
def test_the_system_check_finds_nothing() -> None:
    call_command("check", fail_level="WARNING")

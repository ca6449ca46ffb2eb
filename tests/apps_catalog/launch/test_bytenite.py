"""manifest.json, schema.json and template.json: every field in every spelling, and what is said of what is wrong."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps_catalog.launch.bundle import BundleReading, read_bundle
from apps_catalog.launch.bundle_files import BundleFiles
from apps_catalog.launch.bundle_folders import read_sent
from apps_catalog.launch.bytenite import MANIFEST_BYTES_MAX, read_bytenite
from apps_catalog.launch.json_schema.documents import dialect_of
from apps_catalog.launch.registry_login import Login, masked, without_login
from apps_catalog.launch.spec import Finding, LaunchSpec, Requirements
from apps_catalog.launch.template_file import Template, read_template
from tests.apps_catalog.bundle_files import bundle, manifest

FULL = {
    "name": "Img-gen_1",
    "version": "0.4",
    "type": "app",
    "description": "Makes &amp; renders.",
    "author": "Ada",
    "entrypoint": "start.py",
    "platform": "docker",
    "platform_config": {"container": "docker://ghcr.io/acme/x:1", "private_image": True, "secrets": ["S3", "B.C-d"]},
    "device_requirements": {"min_cpu": 4, "min_memory": 7.5, "gpu": ["NVIDIA A100", "T4", "T4"]},
}


def spec_of(raw: Any, schema: str = "") -> LaunchSpec:
    reading = read_bytenite(raw if isinstance(raw, str) else json.dumps(raw), schema)
    assert reading.spec is not None, reading.findings
    return reading.spec


def told(raw: Any, schema: str = "") -> dict[str, Finding]:
    reading = read_bytenite(raw if isinstance(raw, str | bytes) else json.dumps(raw), schema)
    return {finding.code: finding for finding in reading.findings}


def looked_over(files: Mapping[str, str | bytes]) -> BundleReading:
    with BundleFiles(2**20) as into:
        read_sent(((name, [data.encode() if isinstance(data, str) else data]) for name, data in files.items()), into)
        return read_bundle(into)


def test_every_field_of_a_manifest_is_read() -> None:
    spec = spec_of(FULL)
    assert (spec.kind, spec.name, spec.major, spec.minor, spec.role) == ("bytenite", "Img-gen_1", 0, 4, "app")
    assert (spec.description, spec.author, spec.entrypoint) == ("Makes & renders.", "Ada", "start.py")
    assert (spec.image, spec.private_image, spec.secrets) == ("ghcr.io/acme/x:1", True, ("S3", "B.C-d"))
    assert spec.requirements == Requirements(4, 7.5, ("NVIDIA A100", "T4"))
    assert told(FULL) == {}


def test_what_a_manifest_leaves_out_is_as_bytenite_says() -> None:
    spec = spec_of({"name": "x", "version": "1.0"})
    assert (spec.role, spec.entrypoint, spec.image, spec.secrets) == ("app", "main.py", "", ())
    assert spec.requirements == Requirements(2, 2, ())
    assert spec.commands["run"].schema == {}
    assert told({"name": "x", "version": "1.0"}) == {}


def camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


def pascal(key: str) -> str:
    return "".join(word.capitalize() for word in key.split("_"))


@pytest.mark.parametrize("spelling", [camel, pascal, str.upper, lambda key: key.replace("_", "-")])
def test_keys_are_read_in_every_spelling(spelling: Any) -> None:
    def respelt(raw: Any) -> Any:
        return {spelling(key): respelt(value) for key, value in raw.items()} if isinstance(raw, dict) else raw

    spec = spec_of(respelt(FULL))
    assert replace(spec, digest="") == replace(spec_of(FULL), digest="")
    assert told(respelt(FULL)) == {}


def test_id_is_the_older_word_for_name() -> None:
    assert spec_of({"Id": "older", "version": "1.0"}).name == "older"
    both = {"name": "newer", "id": "older", "version": "1.0"}
    assert spec_of(both).name == "newer"
    assert told(both)["id"].level == "info"


@pytest.mark.parametrize(
    ("written", "read"), [("0.4", (0, 4)), ("12.345", (12, 345)), ("0.4.rev0", (0, 4)), (0.4, (0, 4)), ("0.0", (0, 0))]
)
def test_versions_are_major_and_minor(written: Any, read: tuple[int, int]) -> None:
    spec = spec_of({"name": "x", "version": written})
    assert (spec.major, spec.minor) == read


BAD: list[tuple[Any, str, str, int, int]] = [
    ("", "empty", "The file is empty.", 1, 1),
    ('{\n  "name": "x",\n  "version": "1.0",\n}', "not-json", "is one too many (a trailing comma). Remove it", 4, 1),
    ('{"name": "x", "version": ["1", ]}', "not-json", "(a trailing comma)", 1, 32),
    ('{"name": "x"\n "version": "1.0"}', "not-json", "a comma or a closing bracket is missing", 2, 2),
    ("[]", "not-an-object", "starts with {", 1, 1),
    ({"version": "1.0"}, "no-name", "The manifest has no name", 1, 1),
    ({"name": "a b", "version": "1.0"}, "bad-name", "can't be a name", 1, 10),
    ({"name": "a" * 65, "version": "1.0"}, "bad-name", "at most 64", 1, 10),
    ({"name": "ä", "version": "1.0"}, "bad-name", "can't be a name", 1, 10),
    ({"name": 'x"<b>', "version": "1.0"}, "bad-name", "can't be a name", 1, 10),
    ({"name": "x"}, "bad-version", "has no version", 1, 1),
    ({"name": "x", "version": "1"}, "bad-version", "'1' is no version", 1, 26),
    ({"name": "x", "version": "1.02"}, "bad-version", "without leading zeros", 1, 26),
    ({"name": "x", "version": "1.2.3"}, "bad-version", "is no version", 1, 26),
    ({"name": "x", "version": "v1.2"}, "bad-version", "is no version", 1, 26),
    ({"name": "x", "version": True}, "bad-version", "has no version", 1, 26),
    ({"name": "x", "version": "1.0", "type": "asembler"}, "bad-type", "Did you mean assembler?", 1, 41),
    ({"name": "x", "version": "1.0", "entrypoint": "../x.py"}, "bad-entry-point", "can't be an entry point", 1, 47),
    ({"name": "x", "version": "1.0", "entrypoint": "/bin/sh"}, "bad-entry-point", "can't be an entry point", 1, 47),
    (
        {"name": "x", "version": "1.0", "platform_config": {"container": "a b"}},
        "bad-image",
        "no container image",
        1,
        66,
    ),
    ({"name": "x", "version": "1.0", "platform_config": {"secrets": ["PATH"]}}, "secret-name", "may not set", 1, 64),
    ({"name": "x", "version": "1.0", "platform_config": {"secrets": ["1A"]}}, "secret-name", "no digit first", 1, 64),
    ({"name": "x", "version": "1.0", "platform_config": {"secrets": ["A" * 65]}}, "secret-name", "at most 64", 1, 64),
    ({"name": "x", "version": "1.0", "secrets": [f"A{n}" for n in range(21)]}, "too-many", "At most 20 secrets", 1, 1),
    ({"name": "x", "version": "1.0", "device_requirements": {"min_cpu": -1}}, "range", "from 0 to", 1, 68),
    ({"name": "x", "version": "1.0", "device_requirements": {"min_memory": 1e9}}, "range", "from 0 to", 1, 71),
    ({"name": "x", "version": "1.0", "device_requirements": {"gpu": ["x" * 101]}}, "too-many", "100 characters", 1, 64),
    ('{"name": "x", "version": "1.0", "description": "\\u0000"}', "bad-text", "NUL", 1, 48),
    (b"\xff{}", "encoding", "not UTF-8", 1, 1),
    ("[" * 100 + "]" * 100, "too-deep", "nested", 1, 1),
]


@pytest.mark.parametrize(
    ("raw", "code", "said", "line", "column"), BAD, ids=[f"{row[1]} {n}" for n, row in enumerate(BAD)]
)
def test_what_is_wrong_with_a_manifest_is_told_at_its_place(
    raw: Any, code: str, said: str, line: int, column: int
) -> None:
    text = raw if isinstance(raw, str | bytes) else json.dumps(raw)
    reading = read_bytenite(text)
    assert reading.spec is None
    finding = told(text)[code]
    assert (finding.level, finding.file) == ("error", "manifest.json")
    assert said in finding.message
    if code != "too-deep":
        assert (finding.line, finding.column) == (line, column)


def test_a_manifest_that_is_too_long_is_not_read() -> None:
    text = manifest(description="x" * MANIFEST_BYTES_MAX)
    assert "at most 128 KiB" in told(text)["too-large"].message


@pytest.mark.parametrize(
    ("over", "code", "level"),
    [
        ({"colour": "red"}, "unknown-key", "info"),
        ({"descriptoin": "x"}, "misspelt-key", "warning"),
        ({"platform": "kubernetes"}, "platform", "warning"),
        ({"entrypoint": "start"}, "entry-point", "warning"),
        ({"Version": "1.0"}, "duplicate-key", "warning"),
        ({"version": 0.4}, "converted", "warning"),
        ({"device_requirements": {"min_cpu": "4"}}, "converted", "warning"),
        ({"device_requirements": {"min_cpu": 1.5}}, "converted", "info"),
        ({"device_requirements": {"gpu": "T4"}}, "converted", "warning"),
        ({"device_requirements": []}, "", ""),
        ({"platform_config": "docker"}, "ignored-value", "warning"),
    ],
)
def test_what_is_odd_in_a_manifest_is_remarked_and_read_all_the_same(
    over: dict[str, Any], code: str, level: str
) -> None:
    text = json.dumps({"name": "x", "version": "1.0"} | over)
    spec_of(text)
    found = told(text)
    assert (found[code].level if code else "") == level


def test_a_cpu_and_a_half_is_two() -> None:
    spec = spec_of({"name": "x", "version": "1.0", "device_requirements": {"min_cpu": 1.5, "min_memory": "0.5"}})
    assert spec.requirements == Requirements(2, 0.5, ())


# schema.json

DOCUMENTED = """{"$id": "db://image-generation-simple-inputs", "definitions": {"input": {"type": "string", "maxLength": 50}},
"properties": {"prompt": {"$ref": "#/definitions/input"}}, "required": ["prompt"], "title": "Inputs"}"""


def test_the_documented_schema_is_read_as_draft_7() -> None:
    spec = spec_of(FULL, DOCUMENTED)
    root = spec.commands["run"].schema
    assert root == json.loads(DOCUMENTED)
    assert dialect_of(root).name == "draft 7"
    assert told(FULL, DOCUMENTED) == {}
    assert spec.digest != spec_of(FULL).digest


def test_without_definitions_a_schema_is_of_2020_12() -> None:
    root = (
        spec_of(FULL, '{"$defs": {"a": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a"}}}')
        .commands["run"]
        .schema
    )
    assert dialect_of(root).name == "draft 2020-12"


DOUBLING = {
    "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)} | {"d30": {}},
    "$ref": "#/$defs/d0",
}


@pytest.mark.parametrize(
    ("schema", "code"),
    [
        ('{"type": "object",}', "not-json"),
        ('{"$ref": "https://x.example/s.json"}', "remote-ref"),
        ('{"$ref": "#/$defs/none"}', "lost-ref"),
        ('{"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}', "endless"),
        (json.dumps(DOUBLING), "doubling"),
        ('{"properties": {"a": {"pattern": "("}}}', "pattern"),
        ('{"type": "thing"}', "schema"),
        ('{"type": "array"}', "schema"),
        ("false", "schema"),
        ("3", "type"),
        (" ", "empty"),
    ],
)
def test_what_is_wrong_with_a_schema_refuses_the_bundle(schema: str, code: str) -> None:
    reading = read_bytenite(json.dumps(FULL), schema)
    assert reading.spec is None
    assert next((one.code, one.file) for one in reading.findings if one.level == "error") == (code, "schema.json")


@pytest.mark.parametrize("schema", ["true", "{}", '{"type": ["object", "null"]}'])
def test_schemas_that_take_any_object_are_good(schema: str) -> None:
    assert spec_of(FULL, schema).commands["run"].schema is not None


# template.json

TEMPLATE = {
    "id": "my-template",
    "name": "Mine",
    "description": "All of it.",
    "app": "img@0.4",
    "partitioner": "lines@1",
    "assembler": "concat",
    "dataSource": {"kind": "bypass"},
    "dataDestination": {"kind": "bypass"},
    "params": {"partitioner": {"n": 1}, "app": {}, "assembler": {}},
    "config": {"taskTimeout": 60, "jobTimeout": 600, "maxTaskRetries": 1, "isTestJob": True},
}


def test_every_field_of_a_template_is_read() -> None:
    read = read_template(json.dumps(TEMPLATE))
    assert read.findings == ()
    assert read.template == Template(
        id="my-template",
        name="Mine",
        description="All of it.",
        app="img@0.4",
        partitioner="lines@1",
        assembler="concat",
        source={"kind": "bypass"},
        destination={"kind": "bypass"},
        params=TEMPLATE["params"],  # type: ignore[arg-type]
        config=TEMPLATE["config"],  # type: ignore[arg-type]
    )
    respelt = json.dumps({"App": "x", "data_source": {"a": 1}, "DataDestination": {"b": 2}})
    assert read_template(respelt).template == Template(app="x", source={"a": 1}, destination={"b": 2})


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"id": "a b"}, "bad-id"),
        ({"app": "a@b"}, "bad-tag"),
        ({"partitioner": "../x"}, "bad-tag"),
        ({"params": []}, "type"),
        ({"params": {"app": 3}}, "type"),
        ({"params": {"ap": {}}}, "unknown-section"),
        ({"config": "x"}, "type"),
        ({"dataSource": "x"}, "type"),
        ({"description": "\0"}, "bad-text"),
    ],
)
def test_what_is_wrong_with_a_template_is_told_at_its_place(over: dict[str, Any], code: str) -> None:
    read = read_template(json.dumps(TEMPLATE | over))
    assert read.template is None
    finding = next(one for one in read.findings if one.level == "error")
    assert (finding.code, finding.file, finding.line) == (code, "template.json", 1)
    reading = looked_over(bundle(template_json=json.dumps(TEMPLATE | over)))
    assert not reading.ok


# The bundle as a whole

LAYOUTS: list[tuple[dict[str, str | bytes], str, str]] = [
    ({}, "no-manifest", "There is no file in it at all."),
    ({"app/main.py": "x"}, "no-manifest", "There is: app/main.py."),
    ({"Manifest.json": "{}", "app/main.py": "x"}, "no-manifest", "name it manifest.json"),
    ({"a/manifest.json": "{}", "b/manifest.json": "{}"}, "several-bundles", "a, b. Import each by itself."),
    ({"a/b/manifest.json": "{}", "a/b/app/main.py": ""}, "no-manifest", "There is 'a/b/manifest.json'"),
    ({"manifest.json": manifest()}, "no-entry-point", "no folder app with code in it"),
    ({"manifest.json": manifest(), "main.py": "x"}, "no-entry-point", "no folder app"),
    ({"manifest.json": manifest(), "app/other.py": "x"}, "no-entry-point", "There is: app/other.py."),
    ({"manifest.json": manifest(entrypoint="go.py"), "app/main.py": "x"}, "no-entry-point", "app/go.py is not there"),
    ({"manifest.json": manifest(), "app/runner.py": "def go(): pass"}, "no-entry-point", "has no function run"),
    (bundle(schema_json=""), "empty", "There is nothing here"),
]


@pytest.mark.parametrize(("files", "code", "said"), LAYOUTS, ids=[f"{row[1]} {n}" for n, row in enumerate(LAYOUTS)])
def test_what_is_missing_in_a_bundle_is_said(files: dict[str, str | bytes], code: str, said: str) -> None:
    reading = looked_over(files)
    assert not reading.ok
    finding = next(one for one in reading.findings if one.level == "error")
    assert finding.code == code
    assert said in finding.message


@pytest.mark.parametrize("code", ["def run(params):\n  pass\n", "import x\nasync def run():\n  pass\n"])
def test_the_early_layout_needs_a_run(code: str) -> None:
    reading = looked_over({"manifest.json": manifest(), "app/runner.py": code})
    assert reading.ok
    assert [finding.code for finding in reading.findings] == ["early-layout"]


def test_an_empty_entry_point_is_remarked() -> None:
    assert [finding.code for finding in looked_over(bundle(app__main_py="")).findings] == ["empty-entry-point"]


# Logins

KEPT = '{"platform_config": {"Token": "s3cr3t", "a": 1, "USERNAME":"ada" }, "x": {"token": {"deep": ["s3cr3t"]}}}'


def test_a_login_is_taken_out_to_the_letter() -> None:
    text, login = without_login(KEPT.replace(', "x": {"token": {"deep": ["s3cr3t"]}}', ""))
    assert text == '{"platform_config": {"Token": "", "a": 1, "USERNAME":"" }}'
    assert login == Login("ada", "s3cr3t")
    assert "s3cr3t" not in repr(login) + str(login)
    text, _ = without_login(KEPT)
    assert "s3cr3t" not in text
    assert json.loads(text)["x"] == {"token": ""}
    assert without_login('{"name": "token", "a": ["token", "username"]}')[1] == Login()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just("SECRET"),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["token", "Token", "user_name", "a", 'q"', "b:"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_whatever_stands_at_a_token_goes_and_nothing_else(value: Any) -> None:
    def emptied(node: Any) -> Any:
        if isinstance(node, dict):
            secret = ("token", "username")
            return {
                key: "" if key.casefold().replace("_", "") in secret else emptied(inner) for key, inner in node.items()
            }
        return [emptied(inner) for inner in node] if isinstance(node, list) else node

    text, _ = without_login(json.dumps(value))
    assert json.loads(text) == emptied(value)


@pytest.mark.parametrize("line", ['"token": "s3cr3t",}', "token: 's3cr3t'", '"Token" : "s3cr3t', "TOKEN=s3cr3t, x"])
def test_a_line_that_is_shown_masks_a_token(line: str) -> None:
    assert "s3cr3t" not in masked(line)
    text = f'{{"name": "x", "platform_config": {{{line}}}}}'
    assert "s3cr3t" not in str(read_bytenite(text).findings)
    assert "s3cr3t" not in str(looked_over({"manifest.json": text, "app/main.py": io.BytesIO(b"x").read()}).findings)

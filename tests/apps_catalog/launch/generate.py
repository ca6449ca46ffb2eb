"""Values and definitions for tests: `fill` answers a command's questions, `appdefs` makes up valid definitions."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import Any

from hypothesis import strategies as st

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.parameters import File, Float, Integer, Parameter, Range, Selection, String, Upload
from apps_catalog.launch.spec import (
    Command,
    Launch,
    LaunchSpec,
    MachineSize,
    Site,
    Submission,
    VaultMount,
)
from apps_catalog.launch.validate import validate

Json = Any


def value_for(parameter: Parameter) -> Json:
    """A value that a parameter accepts."""
    match parameter:
        case Upload():
            return {"upload": "upload-1"}
        case File():
            suffix = next((f.removeprefix("*") for f in parameter.filters if re.fullmatch(r"\*\.[\w.]+", f)), ".txt")
            return f"folder/a file{suffix}"
        case Selection():
            return parameter.default
        case Range() | Integer():
            return parameter.minimum if parameter.minimum is not None else min(1, parameter.maximum or 1)
        case Float():
            bound = parameter.minimum if parameter.minimum is not None else parameter.maximum
            return str(bound) if bound is not None else 1.5
        case String():
            return "some words, 'quoted' and $plain"
        case _:
            return parameter.default


def fill(command: Command, *, optional: bool = False) -> dict[str, Json]:
    """Values for the parameters that must be filled in; with `optional`, for all that people may fill in."""
    return {
        key: value_for(parameter)
        for key, parameter in command.parameters.items()
        if parameter.must_be_given or (optional and not parameter.fixed)
    }


def machine_for(glob: str) -> str:
    """A machine type's name that a glob matches: `n[1-9][0-9]*` -> `n10`."""
    name = re.sub(r"\[!(.)[^]]*\]", lambda m: "z" if m.group(1) != "z" else "y", glob)
    name = re.sub(r"\[(.)[^]]*\]", r"\1", name).replace("?", "a").replace("*", "0")
    assert fnmatchcase(name, glob), f"{name} is not matched by {glob}"
    return name


def machine_of(spec: LaunchSpec, command: Command) -> str:
    return machine_for(spec.machines_of(command)[0])


def read(definition: Json) -> LaunchSpec:
    """The spec of a definition given as JSON; fails where it is refused."""
    reading = read_appdef(json.dumps(definition))
    assert reading.spec is not None, reading.findings
    return reading.spec


def definition(parameters: Json = None, **over: Json) -> dict[str, Json]:
    """A small definition with one command, `go`. `command` overrides keys of the command, the rest of the app."""
    command = {
        "path": "/bin/go",
        "name": "Go",
        "description": "Goes",
        "parameters": parameters or {},
        **over.pop("command", {}),
    }
    whole = {
        "name": "Sample",
        "description": "A sample",
        "author": "Someone",
        "licensed": True,
        "appdefversion": 2,
        "classifications": ["Tests"],
        "machines": ["*"],
        "vault-types": ["FILE", "NONE"],
        "image": {"type": "image/png", "data": ""},
        "commands": {"go": command},
    }
    return {**whole, **over}


def launch(spec: LaunchSpec, values: dict[str, Json], command: str = "go", **over: Any) -> Launch:
    result = validate(spec, Submission(command, values, **{"machine": "n1", **over}))
    assert isinstance(result, Launch), result
    return result


def site(**over: Any) -> Site:
    size = MachineSize("n1", cores=2, ram_mib=1024)
    return Site(**{"image": "image", "machine": size, "vault": VaultMount("v", "FILE"), "uid": 505, "gid": 505, **over})


# What a person or an author may type: everything but NUL and halves of surrogate pairs.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
names = texts.filter(bool)
keys = st.one_of(
    st.from_regex(r"-{0,2}[A-Za-z][A-Za-z0-9_]{0,8}", fullmatch=True),
    names,
)
path_parts = st.text(
    st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda part: part not in (".", ".."))
vault_paths = st.lists(path_parts, min_size=1, max_size=3).map("/".join)


def _own_fields() -> st.SearchStrategy[dict[str, Json]]:
    whole = st.integers(-1000, 1000)
    bounds = st.tuples(whole, whole).map(sorted)
    numbers = bounds.map(lambda b: {"min": b[0], "max": b[1], "value": b[0]})
    steps = st.integers(1, 7)
    labels = st.lists(texts, min_size=1, max_size=14)
    fraction = st.floats(-1000, 1000)
    return st.one_of(
        texts.map(lambda value: {"type": "CONST", "value": value}),
        texts.map(lambda value: {"type": "STR", "value": value}),
        numbers.map(lambda own: {"type": "INT", **own}),
        st.tuples(numbers, steps).map(lambda own: {"type": "RANGE", **own[0], "step": own[1]}),
        st.tuples(fraction, st.integers(0, 6)).map(
            lambda own: {"type": "FLOAT", "min": -1000, "max": 1000, "value": own[0], "precision": own[1]}
        ),
        st.booleans().map(lambda value: {"type": "BOOL", "value": value}),
        labels.map(lambda values: {"type": "selection", "values": values}),
        labels.map(lambda v: {"type": "selection", "values": v, "mvalues": [f"m{i}" for i in range(len(v))]}),
        st.sampled_from(["", "*.txt", "*.c|*.py"]).map(lambda pattern: {"type": "FILE", "filter": pattern}),
    )


def _parameters() -> st.SearchStrategy[dict[str, Json]]:
    generic = st.fixed_dictionaries(
        {"name": texts, "description": texts, "required": st.booleans()},
        optional={"positional": st.booleans(), "variable": st.booleans()},
    )
    one = st.tuples(generic, _own_fields()).map(lambda both: {**both[0], **both[1]})
    upload = st.fixed_dictionaries(
        {
            "type": st.just("UPLOAD"),
            "name": texts,
            "description": texts,
            "required": st.booleans(),
            "target": st.sampled_from(["flow.nf", "JARVICE/munge.key"]),
            "size": st.integers(1, 10**6),
        }
    )
    several = st.dictionaries(keys, one, max_size=8)
    return st.one_of(several, st.tuples(several, upload).map(lambda both: {**both[0], "upload file": both[1]}))


def appdefs() -> st.SearchStrategy[dict[str, Json]]:
    """Valid definitions as JSON values: every parameter type, odd keys and texts, one to three commands."""
    command = st.fixed_dictionaries(
        {
            "path": st.sampled_from(["/bin/echo", "/bin/sh -l", "python"]),
            "name": texts,
            "description": texts,
            "parameters": _parameters(),
        }
    )
    return st.dictionaries(keys, command, min_size=1, max_size=3).map(lambda commands: definition(commands=commands))


@st.composite
def conditional_appdefs(draw: st.DrawFn) -> dict[str, Json]:
    """Valid definitions whose parameters hang on each other: BOOLs on earlier BOOLs, everything on BOOLs and odd names."""
    flags = [f"on{number}" for number in range(draw(st.integers(1, 5)))]
    places = draw(st.permutations([*flags, *(f"p{number}" for number in range(draw(st.integers(0, 5))))]))
    parameters: dict[str, Json] = {}
    for key in places:
        earlier = flags[: flags.index(key)] if key in flags else flags
        names_used = st.lists(st.sampled_from([*earlier, "nobody", "p0"]), unique=True, max_size=2)
        kind = {"type": "BOOL", "value": draw(st.booleans())} if key in flags else draw(_simple_fields())
        generic = {"name": "", "description": "", "required": draw(st.booleans()), "positional": draw(st.booleans())}
        parameters[key] = {**generic, **kind, "if": draw(names_used), "ifnot": draw(names_used)}
    return definition(parameters)


def _simple_fields() -> st.SearchStrategy[dict[str, Json]]:
    """Types of which JSON Schema says all, so that it can be held against the judge."""
    return st.sampled_from(
        [
            {"type": "STR", "value": ""},
            {"type": "STR", "value": "usual", "variable": True},
            {"type": "INT", "value": "", "min": 1, "max": 9},
            {"type": "INT", "value": 3, "min": 1, "max": 9},
            {"type": "CONST", "value": "fixed"},
            {"type": "CONST", "value": "%JOBNAME%", "variable": True},
            {"type": "selection", "values": ["a", "b"]},
        ]
    )


# What clients send to such definitions, good and bad.
conditional_values = st.dictionaries(
    st.sampled_from([f"on{number}" for number in range(5)]), st.booleans(), max_size=5
).flatmap(
    lambda flags: st.dictionaries(
        st.sampled_from([f"p{number}" for number in range(5)]),
        st.sampled_from(["", "a", "fixed", 5, 99, True, []]),
        max_size=5,
    ).map(lambda others: {**others, **flags})
)

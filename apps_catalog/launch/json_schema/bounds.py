"""What an author's schema must keep to before anybody judges values by it: findings with pointer, line and column."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from referencing import Registry
from referencing.exceptions import Unresolvable

from apps_catalog.launch.document import Document, read_document
from apps_catalog.launch.findings import Finding, Json, Level
from apps_catalog.launch.json_schema.documents import (
    REFERENCES,
    Dialect,
    Schema,
    SchemaReading,
    children,
    dialect_of,
    digest_of,
    resolver_of,
)
from apps_catalog.launch.json_schema.endless import endless
from apps_catalog.launch.json_schema.patterns import (
    is_foreign,
    javascript_refuses,
    nobody_reads,
    objects_of,
    patterns_of,
)
from apps_catalog.launch.positions import Positions, find_positions, join

MAX_BYTES = 1024 * 1024
MAX_NODES = 10_000
MAX_REFS = 2_000
MAX_CHAIN = 100
# Schemas that are applied to one and the same value, and schemas altogether, once every `$ref` is written out.
MAX_AT_ONCE = 10_000
MAX_WRITTEN_OUT = 100_000_000
MAX_FINDINGS = 20
KNOWN_SCHEMA_ADDRESS = "json-schema.org"


@dataclass
class _Survey:
    """A walk over every schema of a document: where each stands, and where its reference leads."""

    root: Json
    dialect: Dialect
    positions: Positions | None
    findings: list[Finding] = field(default_factory=list)
    pointers: dict[int, str] = field(default_factory=dict)
    schemas: dict[int, Mapping[str, Json]] = field(default_factory=dict)
    targets: dict[int, Json] = field(default_factory=dict)
    refs: int = 0

    def add(self, level: Level, code: str, message: str, pointer: str) -> None:
        line, column = self.positions.of(pointer) if self.positions else (None, None)
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(level, code, message, pointer, line, column))

    @property
    def failed(self) -> bool:
        return any(finding.level == "error" for finding in self.findings)

    def walk(self) -> None:
        """Breadth first; what a reference leads to is walked too, also where no keyword leads there."""
        todo: deque[tuple[str, Json, Any]] = deque([("", self.root, resolver_of(self.root, self.dialect))])
        while todo:
            pointer, schema, resolver = todo.popleft()
            if not isinstance(schema, dict) or id(schema) in self.schemas:
                continue
            self.schemas[id(schema)] = schema
            self.pointers[id(schema)] = pointer
            if pointer and isinstance(schema.get("$id", schema.get("id")), str):
                resolver = resolver.in_subresource(self.dialect.specification.create_resource(schema))
            self._patterns(schema, pointer)
            for keyword in REFERENCES:
                if isinstance(schema.get(keyword), str):
                    found = self._follow(schema, keyword, pointer, resolver)
                    if found is not None:
                        todo.append(found)
            todo.extend((pointer + tail, child, resolver) for tail, child in children(schema))

    def _follow(
        self, schema: Mapping[str, Json], keyword: str, pointer: str, resolver: Any
    ) -> tuple[str, Json, Any] | None:
        reference, place = schema[keyword], join(pointer, keyword)
        self.refs += 1
        try:
            resolved = resolver.lookup(reference)
        except (Unresolvable, ValueError, AttributeError, TypeError, LookupError):
            if urlsplit_scheme(reference):
                message = (
                    f"{keyword} leads to {reference[:120]}, which is outside this file. Nothing is fetched: "
                    "copy what is needed into $defs and refer to it there."
                )
                self.add("error", "remote-ref", message, place)
            else:
                message = f"{keyword} leads to {reference[:120]}, and there is nothing in this file."
                self.add("error", "lost-ref", message, place)
            return None
        if not isinstance(resolved.contents, dict | bool):
            self.add("error", "lost-ref", f"{keyword} leads to {reference[:120]}, which is not a schema.", place)
            return None
        self.targets[id(schema)] = resolved.contents
        where = reference.removeprefix("#") if reference.startswith("#/") else place
        return where, resolved.contents, resolved.resolver

    def _patterns(self, schema: Mapping[str, Json], pointer: str) -> None:
        for keyword, pattern in patterns_of(schema):
            place = f"{pointer}/{keyword}" if keyword == "pattern" else f"{pointer}/{join(keyword, pattern)}"
            reason = nobody_reads(pattern)
            if not reason and is_foreign(pattern) and self._elsewhere(keyword):
                reason = "Python has no such sign, and beside unevaluatedProperties or a second $schema only its own are known"
            if reason:
                message = f"The pattern {pattern[:80]} can't be read: {reason}. No value could be judged by it."
                self.add("error", "pattern", message, place)
            elif words := javascript_refuses(pattern):
                message = f"Browsers don't know {words} in patterns. It is judged by the server, as every pattern is."
                self.add("info", "pattern-server", message, place)

    def _elsewhere(self, keyword: str) -> bool:
        """Whether jsonschema itself would have to read the pattern, in a place that we don't reach."""
        dialects, unevaluated = self._out_of_reach
        return dialects > 1 or (keyword == "patternProperties" and unevaluated)

    @cached_property
    def _out_of_reach(self) -> tuple[int, bool]:
        """How many `$schema` there are, and whether any schema looks at what others have left."""
        objects = list(objects_of(self.root))
        named = sum(isinstance(one.get("$schema"), str) for one in objects)
        return named, any("unevaluatedProperties" in one for one in objects)


def urlsplit_scheme(reference: str) -> bool:
    """Whether a reference names another document."""
    try:
        parts = urlsplit(reference)
    except ValueError:
        return True
    return bool(parts.scheme or parts.netloc or parts.path)


def read_schema(source: str | bytes) -> SchemaReading:
    """The schema that a text holds, or the findings that say why it can't be used."""
    document = read_document(source, max_bytes=MAX_BYTES)
    if isinstance(document, Finding):
        return SchemaReading(None, (_about_schemas(document, len(source)),))
    positions = find_positions(document.text)
    repeated = tuple(
        Finding("warning", "repeated", "This key is written twice in its object. The last one counts.", pointer, *at)
        for pointer, at in ((pointer, positions.of(pointer)) for pointer, _ in positions.repeated[:MAX_FINDINGS])
    )
    found = check_schema(document.value, positions)
    return SchemaReading(found.schema, (*found.findings, *repeated, *_remarks(document, found.schema)))


def _about_schemas(finding: Finding, size: int) -> Finding:
    match finding.code:
        case "too-large":
            message = f"The schema is {size / 1024:.0f} KiB long; at most {MAX_BYTES // 1024} KiB are read."
            return Finding("error", "too-large", message)
        case "empty":
            return Finding("error", "empty", "There is nothing here. Paste a JSON Schema.", "", 1, 1)
        case "too-deep":
            return Finding("error", "too-deep", finding.message.replace("Fewer than ten are needed.", "Use $ref."))
        case _:
            return finding


def _remarks(document: Document, schema: Schema | None) -> Iterable[Finding]:
    if schema is None or not isinstance(schema.root, dict):
        return
    named = schema.root.get("$schema")
    if isinstance(named, str) and dialect_of({"$schema": named}) is not dialect_of(schema.root):
        return
    if isinstance(named, str) and KNOWN_SCHEMA_ADDRESS not in named:
        message = f"$schema names {named[:120]}, which is not known here. The schema is read as {schema.dialect.name}."
        yield Finding("warning", "dialect", message, "/$schema")


def check_schema(root: Json, positions: Positions | None = None) -> SchemaReading:
    """The same for a value that was JSON already. Cheap tests come first, so that no later one meets a monster."""
    if not isinstance(root, dict | bool):
        finding = Finding("error", "type", "A JSON Schema is an object (or true or false). Put { } around it.", "")
        return SchemaReading(None, (finding,))
    if _count(root) > MAX_NODES:
        message = f"The schema has more than {MAX_NODES:,} values. Split the program into several commands or apps."
        return SchemaReading(None, (Finding("error", "too-many", message),))
    dialect = dialect_of(root)
    survey = _Survey(root, dialect, positions)
    if isinstance(root, dict) and not isinstance(root.get("$schema", ""), str):
        survey.add("error", "schema", "$schema must be a text.", "/$schema")
        return SchemaReading(None, tuple(survey.findings))
    survey.walk()
    if survey.refs > MAX_REFS:
        survey.add("error", "too-many", f"There are {survey.refs:,} references; at most {MAX_REFS:,} are followed.", "")
    if not survey.failed:
        _circles_and_sizes(survey)
    if not survey.failed:
        _metaschema(survey)
    if not survey.failed:
        for one in endless(survey.schemas, survey.targets):
            message = (
                "This can never be filled in: it demands another one of itself, without end. "
                "Leave it out of `required`, or give it an alternative that ends."
            )
            survey.add("error", "endless", message, survey.pointers[id(one)])
    if survey.failed:
        return SchemaReading(None, tuple(survey.findings))
    schema = Schema(root, dialect, digest_of(root), survey.targets)
    return SchemaReading(schema, tuple(survey.findings))


def _count(root: Json) -> int:
    count, todo = 0, [root]
    while todo and count <= MAX_NODES:
        node = todo.pop()
        count += 1
        if isinstance(node, dict):
            todo.extend(node.values())
        elif isinstance(node, list):
            todo.extend(node)
    return count


def _metaschema(survey: _Survey) -> None:
    """What the schema of schemas says about this one."""
    registry: Registry[Any] = Registry()
    judge = survey.dialect.validator(survey.dialect.validator.META_SCHEMA, registry=registry)
    seen: set[str] = set()
    for error in judge.iter_errors(survey.root):
        deepest = error
        while deepest.context:
            deepest = max(deepest.context, key=lambda one: len(one.absolute_path))
        pointer = join("", *deepest.absolute_path)
        if pointer not in seen:
            seen.add(pointer)
            message = f"This is not valid in JSON Schema {survey.dialect.name}: {deepest.message[:200]}."
            survey.add("error", "schema", message, pointer)
        if len(seen) >= MAX_FINDINGS:
            return


IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies")


def _in_place(schema: Mapping[str, Json], targets: Mapping[int, Json]) -> Iterator[Json]:
    """The schemas that judge the same value as this one."""
    if id(schema) in targets:
        yield targets[id(schema)]
    yield from (child for tail, child in children(schema) if tail.split("/", 2)[1] in IN_PLACE)


def _all_inside(schema: Mapping[str, Json], targets: Mapping[int, Json]) -> Iterator[Json]:
    if id(schema) in targets:
        yield targets[id(schema)]
    yield from (child for _, child in children(schema, definitions=False))


def _circles_and_sizes(survey: _Survey) -> None:
    at_once, depths, circle = _sizes(survey, _in_place)
    if circle is not None:
        message = "This reference leads back to itself before any value is reached: judging would never end."
        survey.add("error", "endless", message, survey.pointers[circle])
        return
    worst = max(at_once, key=lambda one: at_once[one], default=0)
    if worst and at_once[worst] > MAX_AT_ONCE:
        _too_many(survey, worst, at_once[worst])
    elif worst and max(depths.values()) > MAX_CHAIN:
        deepest = max(depths, key=lambda one: depths[one])
        message = f"References lead through more than {MAX_CHAIN} schemas here. Refer to the last of them directly."
        survey.add("error", "too-many", message, survey.pointers[deepest])
    else:
        written_out, _, _ = _sizes(survey, _all_inside)
        worst = max(written_out, key=lambda one: written_out[one], default=0)
        if worst and written_out[worst] > MAX_WRITTEN_OUT:
            _too_many(survey, worst, written_out[worst])


def _too_many(survey: _Survey, where: int, size: int) -> None:
    count = f"{size:,}" if size < 10**12 else "more than a million million"
    message = (
        f"With its references written out this comes to {count} schemas: they double at each level. "
        "Refer to each definition once, or flatten them."
    )
    survey.add("error", "doubling", message, survey.pointers[where])


def _sizes(
    survey: _Survey, inside: Callable[[Mapping[str, Json], Mapping[int, Json]], Iterator[Json]]
) -> tuple[dict[int, int], dict[int, int], int | None]:
    """Size and depth of each schema written out, and one that is part of itself (its inner self counts 1 then)."""
    sizes: dict[int, int] = {}
    depths: dict[int, int] = {}
    circle: int | None = None
    open_now: set[int] = set()
    for start in survey.schemas:
        stack: list[tuple[int, bool]] = [(start, False)]
        while stack:
            key, done = stack.pop()
            if key in sizes:
                continue
            inner = [id(one) for one in inside(survey.schemas[key], survey.targets) if id(one) in survey.schemas]
            if done:
                open_now.discard(key)
                sizes[key] = 1 + sum(sizes.get(one, 1) for one in inner)
                depths[key] = 1 + max((depths.get(one, 0) for one in inner), default=0)
                continue
            open_now.add(key)
            stack.append((key, True))
            for one in inner:
                if one in open_now and one not in sizes:
                    circle = circle if circle is not None else one
                else:
                    stack.append((one, False))
    return sizes, depths, circle

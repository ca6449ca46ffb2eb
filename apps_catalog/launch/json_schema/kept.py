"""Schemas that were read before, the latest used kept: reading one takes longer than judging by it."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from threading import Lock

from apps_catalog.launch.findings import Json
from apps_catalog.launch.json_schema.absent import instance_of
from apps_catalog.launch.json_schema.bounds import check_schema, read_schema
from apps_catalog.launch.json_schema.building import tree_of
from apps_catalog.launch.json_schema.defaults import Filling
from apps_catalog.launch.json_schema.documents import Schema, SchemaReading, digest_of
from apps_catalog.launch.json_schema.fitting import fields_of
from apps_catalog.launch.json_schema.nodes import Child, Condition, Group

ROOM = 128


class _Kept:
    def __init__(self) -> None:
        self.found: OrderedDict[str, SchemaReading] = OrderedDict()
        self.lock = Lock()

    def get(self, key: str) -> SchemaReading | None:
        with self.lock:
            if key in self.found:
                self.found.move_to_end(key)
            return self.found.get(key)

    def put(self, key: str, reading: SchemaReading) -> SchemaReading:
        with self.lock:
            self.found[key] = reading
            while len(self.found) > ROOM:
                self.found.popitem(last=False)
        return reading


KEPT = _Kept()


def kept_schema(root: Mapping[str, Json]) -> Schema | None:
    """The schema of a command; None where it is not a good one."""
    key = digest_of(root)
    found = KEPT.get(key) or KEPT.put(key, check_schema(root))
    return found.schema


def kept_reading(text: str) -> SchemaReading:
    """The reading of a text, which comes again and again while its form is filled in."""
    key = "text:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return KEPT.get(key) or KEPT.put(key, read_schema(text))


def _never(_condition: Condition, _value: Json) -> bool:
    return False


def default_parameters(root: Mapping[str, Json]) -> dict[str, Json]:
    """The defaults of a schema as an example to start from; parts under a condition are left out."""
    schema = kept_schema(root)
    if schema is None:
        return {}
    found = instance_of(Filling(_never).of(tree_of(schema), opened=True))
    return found if isinstance(found, dict) else {}


def fields_on_top(root: Mapping[str, Json]) -> dict[str, Child]:
    """What a schema's form asks for on its uppermost level, by key; nothing where it is no object's, or not a good one."""
    schema = kept_schema(root)
    node = tree_of(schema).node if schema is not None else None
    return fields_of(node) if isinstance(node, Group) else {}

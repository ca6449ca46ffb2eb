"""Random instances of a schema: made by reading it, kept only where jsonschema finds them valid."""

from __future__ import annotations

import json
import random
from re import _constants as codes
from re import _parser as parser
from typing import Any

from apps_catalog.launch.json_schema.documents import Schema

WORDS = [
    "",
    "a",
    "two words",
    "ä€😀",
    " spaced ",
    "line\nbreak",
    "tab\there",
    "cr\r\nlf",
    "null",
    "007",
    '"quoted"',
    "<b>&amp;</b>",
]
NUMBERS = [0, 1, -1, 7, 2**53 + 1, 10**30, 0.1, -2.5, 1.0, 1e-9, 1e22, 123456789.123456789]
KEYS = ["extra", "Ünïcode key", "with/slash~", "a b", "*star", "@at", "%41", "x-1", "", "0", "line\nkey"]
ANY = [None, True, False, "text", 3, 4.5, [], [1, "a", None], {}, {"k": {"n": [1]}}]


class Generator:
    """One source of randomness over one schema."""

    def __init__(self, schema: Schema, seed: str) -> None:
        self.schema = schema
        self.random = random.Random(seed)

    def instances(self, wanted: int, tries: int = 400) -> list[Any]:
        """Different valid instances, at most `wanted`."""
        found: dict[str, Any] = {}
        for number in range(tries):
            value = self.value(self.schema.root, 0, plain=number > tries // 3)
            if self.schema.demands_object and not isinstance(value, dict):
                continue
            if self.schema.validator.is_valid(value):
                found.setdefault(json.dumps(value), value)
            if len(found) >= wanted:
                break
        return list(found.values())

    def value(self, schema: Any, depth: int, *, plain: bool) -> Any:  # noqa: PLR0911 - one line a kind of schema
        rolled = self.random
        if schema is True or schema == {} or not isinstance(schema, dict):
            return rolled.choice(ANY)
        if id(schema) in self.schema.targets:
            target = self.schema.targets[id(schema)]
            return self.value(target, depth, plain=plain)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return rolled.choice(schema["enum"]) if schema["enum"] else None
        for keyword in ("oneOf", "anyOf"):
            if keyword in schema:
                chosen = self.value(rolled.choice(schema[keyword]), depth, plain=plain)
                rest = {k: v for k, v in schema.items() if k not in (keyword, "$schema")}
                if not isinstance(chosen, dict) or not ("properties" in rest or rest.get("type") == "object"):
                    return chosen
                own = self.value({"type": "object", **rest}, depth, plain=plain)
                return {**own, **chosen} if isinstance(own, dict) else chosen
        kinds = schema.get("type") or self._guess(schema)
        kind = rolled.choice(kinds) if isinstance(kinds, list) else kinds
        match kind:
            case "object":
                return self._object(schema, depth, plain)
            case "array":
                return self._array(schema, depth, plain)
            case "string":
                return self._string(schema)
            case "integer" | "number":
                return self._number(schema, kind)
            case "boolean":
                return rolled.random() < 0.5
            case "null":
                return None
        return rolled.choice(ANY)

    def _guess(self, schema: dict[str, Any]) -> str:
        signs = {"items": "array", "prefixItems": "array", "pattern": "string", "minimum": "number"}
        return next((kind for sign, kind in signs.items() if sign in schema), "object")

    def _object(self, schema: dict[str, Any], depth: int, plain: bool) -> dict[str, Any]:
        rolled, found = self.random, {}
        parts = [schema, *self._all(schema)]
        for part in parts:
            required = set(part.get("required", ()))
            for key, inner in part.get("properties", {}).items():
                chance = 0.35 if depth < 3 else 0.1
                if (key in required or rolled.random() < chance) and depth < 9:
                    found[key] = self.value(inner, depth + 1, plain=plain)
            for keyword in ("then", "else"):
                if keyword in part and rolled.random() < 0.5:
                    found |= self._object(part[keyword], depth + 1, plain)
            for key, inner in (part.get("dependentSchemas") or part.get("dependencies") or {}).items():
                if key in found and isinstance(inner, dict):
                    more = self.value({"type": "object", **inner}, depth + 1, plain=plain)
                    found |= more if isinstance(more, dict) else {}
        closed = any(part.get("additionalProperties") is False for part in parts)
        if not plain and rolled.random() < 0.5 and not closed:
            more = next(
                (p["additionalProperties"] for p in parts if isinstance(p.get("additionalProperties"), dict)), {}
            )
            for key in rolled.sample(KEYS, 2):
                found.setdefault(key, self.value(more, depth + 1, plain=plain))
        if rolled.random() < 0.3:
            keys = list(found)
            rolled.shuffle(keys)
            found = {key: found[key] for key in keys}
        return found

    def _all(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for member in schema.get("allOf", ()):
            while isinstance(member, dict) and id(member) in self.schema.targets:
                member = self.schema.targets[id(member)]
            if isinstance(member, dict):
                found += [member, *self._all(member)]
        return found

    def _array(self, schema: dict[str, Any], depth: int, plain: bool) -> list[Any]:
        items, first = schema.get("items", {}), schema.get("prefixItems", [])
        if isinstance(items, list):
            first, items = items, schema.get("additionalItems", {})
        least = schema.get("minItems", 0)
        count = self.random.randint(least, max(least, min(schema.get("maxItems", least + 3), least + 3)))
        if depth > 5:
            count = least
        found = [self.value(inner, depth + 1, plain=plain) for inner in first[:count]]
        if items is not False:
            found += [self.value(items, depth + 1, plain=plain) for _ in range(count - len(found))]
        if schema.get("uniqueItems"):
            found = list({json.dumps(value): value for value in found}.values())
        return found

    def _string(self, schema: dict[str, Any]) -> str:
        if "pattern" in schema:
            return _from_pattern(schema["pattern"], self.random)
        if schema.get("format") == "date" and self.random.random() < 0.7:
            return "2029-11-30"
        text = self.random.choice([*WORDS, str(schema.get("default", "d"))])
        text = text.ljust(schema.get("minLength", 0), "x")
        return text[: schema["maxLength"]] if "maxLength" in schema else text

    def _number(self, schema: dict[str, Any], kind: str) -> int | float:
        low, high, step = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
        if low is None and high is None and step is None:
            found: float = self.random.choice(NUMBERS)
            return int(found) if kind == "integer" else found
        bottom = low if low is not None else (high or 0) - 1000
        top = high if high is not None else bottom + 1000
        if step:
            first = int(bottom // step) + 1
            stop: float = self.random.randint(first, max(first, int(top // step))) * step
            return stop
        if kind == "integer":
            return self.random.randint(int(bottom), int(top))
        picked: float = self.random.choice([bottom, top, self.random.uniform(bottom, top)])
        return picked


def _from_pattern(pattern: str, rolled: random.Random) -> str:
    """A text that a pattern takes, for the patterns that authors write; the judge says whether it came out right."""

    def some(parsed: Any) -> str:
        out = ""
        for code, value in parsed:
            if code is codes.LITERAL:
                out += chr(value)
            elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
                low, high, inner = value
                out += "".join(some(inner) for _ in range(rolled.randint(low, min(high, low + 2))))
            elif code is codes.SUBPATTERN:
                out += some(value[-1])
            elif code is codes.BRANCH:
                out += some(rolled.choice(value[1]))
            elif code is codes.IN:
                out += _member(value, rolled)
            elif code is codes.ANY:
                out += "x"
            elif code is codes.CATEGORY:
                out += _member([(code, value)], rolled)
            elif code is codes.NOT_LITERAL:
                out += "y" if value != ord("y") else "z"
        return out

    return some(parser.parse(pattern)) or rolled.choice(["", "true"])


def _member(value: Any, rolled: random.Random) -> str:
    if value and value[0][0] is codes.NEGATE:
        return "q"
    code, what = rolled.choice(value)
    if code is codes.LITERAL:
        return chr(what)
    if code is codes.RANGE:
        return chr(rolled.randint(*what))
    return {codes.CATEGORY_DIGIT: "4", codes.CATEGORY_SPACE: " "}.get(what, "k")

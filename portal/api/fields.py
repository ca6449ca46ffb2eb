"""Serializer fields that take JSON types as they are, and a body that refuses keys it does not know."""

from __future__ import annotations

import difflib
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail


class Text(serializers.CharField):
    """A text; a number is not one."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Whole(serializers.IntegerField):
    """A whole number; "5" and true are not."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """true or false, in no other words."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Body(serializers.Serializer[Any]):
    """A request's JSON object. A key it does not know is a fault that names the nearest one it does."""

    def to_internal_value(self, data: Any) -> Any:
        faults: dict[str, Any] = {}
        if isinstance(data, dict):
            known = [name for name, field in self.fields.items() if not field.read_only]
            faults = {key: [_unknown(key, known)] for key in data if key not in known}
        try:
            found = super().to_internal_value(data)
        except serializers.ValidationError as error:
            if isinstance(error.detail, dict):
                error.detail.update(faults)
            raise
        if faults:
            raise serializers.ValidationError(faults)
        return found


def _unknown(key: str, known: list[str]) -> ErrorDetail:
    near = difflib.get_close_matches(key[:60], known, n=1)
    meant = f" Did you mean '{near[0]}'?" if near else f" Known are: {', '.join(known)}."
    return ErrorDetail(f"'{key[:60]}' is not a key here.{meant}", code="unknown_key")

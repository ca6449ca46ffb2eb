"""INT, RANGE and FLOAT."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Any, ClassVar, Self

from apps_catalog.launch.findings import Json
from apps_catalog.launch.parameters.base import Generic, Hint, Parameter, UnfitError
from apps_catalog.launch.reading import Section, to_decimal, to_integer

MAX_DIGITS = 100
MAX_PRECISION = 100

Bound = int | Decimal | None


def in_words(number: int | Decimal) -> str:
    return str(number) if isinstance(number, int) else plain(number)


def limits(minimum: Bound, maximum: Bound) -> str:
    """ "1 to 64", "at least 1", "at most 64" or nothing."""
    if minimum is not None and maximum is not None:
        return f"{in_words(minimum)} to {in_words(maximum)}"
    if minimum is not None:
        return f"at least {in_words(minimum)}"
    return "" if maximum is None else f"at most {in_words(maximum)}"


def bounds_agree(section: Section, minimum: Bound, maximum: Bound) -> bool:
    """Notes an error where no number can be between the bounds."""
    if minimum is None or maximum is None or minimum <= maximum:
        return True
    message = f"'min' is {in_words(minimum)} and 'max' is {in_words(maximum)}; no value is possible. Were they swapped?"
    section.notes.error("min-above-max", message, section.at("min"))
    return False


def check_bounds(number: int | Decimal, minimum: Bound, maximum: Bound) -> None:
    """Raises UnfitError for a number outside its bounds."""
    if minimum is not None and number < minimum:
        raise UnfitError("minimum", f"must be at least {in_words(minimum)}")
    if maximum is not None and number > maximum:
        raise UnfitError("maximum", f"must be at most {in_words(maximum)}")


def read_default(parameter: Integer | Range | Float, raw: Json, section: Section) -> Json:
    """The author's default as a clean value; None with a warning where it is none."""
    if parameter.is_blank(raw):
        return None
    value = parameter.coerce(raw)
    try:
        if isinstance(value, str):
            raise UnfitError("type", f"must be {parameter.noun}")
        clean = parameter.clean(value)
    except UnfitError as fault:
        message = f"The default {raw!r} is not used: it {fault.message}."
        section.notes.warn("bad-default", message, section.at("value"))
        return None
    if isinstance(raw, str):
        section.notes.warn("converted", f"'value' should be {parameter.noun}; it is read as that.", section.at("value"))
    return clean


@dataclass(frozen=True, kw_only=True)
class Integer(Parameter):
    kind: ClassVar[str] = "INT"
    own_keys: ClassVar[frozenset[str]] = frozenset({"value", "min", "max"})
    noun: ClassVar[str] = "a whole number"

    minimum: int | None = None
    maximum: int | None = None

    @classmethod
    def parse(cls, section: Section, generic: Generic) -> Self | None:
        section.demand(*sorted(cls.own_keys))
        minimum, maximum = section.integer("min"), section.integer("max")
        if not bounds_agree(section, minimum, maximum):
            return None
        bare = cls(minimum=minimum, maximum=maximum, **generic)
        default = read_default(bare, section.get("value"), section)
        return cls(minimum=minimum, maximum=maximum, default=default, **generic)

    def value_schema(self) -> dict[str, Any]:
        bounds = {"minimum": self.minimum, "maximum": self.maximum}
        return {"type": "integer", **{name: bound for name, bound in bounds.items() if bound is not None}}

    def is_blank(self, raw: Json) -> bool:
        return raw is None or (isinstance(raw, str) and not raw.strip())

    def coerce(self, raw: Json) -> Json:
        number = to_integer(raw)
        return raw if number is None else number

    def clean(self, value: Json) -> Json:
        number = to_integer(value)
        if number is None:
            raise UnfitError("type", f"must be {self.noun}")
        if abs(number) >= 10**MAX_DIGITS:
            raise UnfitError("too-long", f"must have at most {MAX_DIGITS} digits")
        check_bounds(number, self.minimum, self.maximum)
        return number

    def hint(self) -> Hint:
        return self._hint(
            "integer", limits=limits(self.minimum, self.maximum), minimum=self.minimum, maximum=self.maximum
        )


@dataclass(frozen=True, kw_only=True)
class Range(Integer):
    """A slider. Its steps count from `minimum` (from 0 where the author gave none)."""

    kind: ClassVar[str] = "RANGE"
    own_keys: ClassVar[frozenset[str]] = frozenset({"value", "min", "max", "step"})

    step: int = 1

    @classmethod
    def parse(cls, section: Section, generic: Generic) -> Self | None:
        section.demand(*sorted(cls.own_keys))
        minimum, maximum, step = section.integer("min"), section.integer("max"), section.integer("step")
        if not bounds_agree(section, minimum, maximum):
            return None
        step = 1 if step is None else step
        if step <= 0:
            section.notes.error(
                "step", f"'step' is {step}; it must be at least 1. Leave it out for steps of 1.", section.at("step")
            )
            return None
        bare = cls(minimum=minimum, maximum=maximum, step=step, **generic)
        default = read_default(bare, section.get("value"), section)
        # A slider always stands somewhere: without a usable default, at its lower end.
        default = minimum if default is None else default
        return cls(minimum=minimum, maximum=maximum, step=step, default=default, **generic)

    def value_schema(self) -> dict[str, Any]:
        schema = super().value_schema()
        # multipleOf counts from 0, a step from `min`; where they differ only `clean` can say it.
        aligned = self.step > 1 and (self.minimum or 0) % self.step == 0
        return {**schema, "multipleOf": self.step} if aligned else schema

    def clean(self, value: Json) -> Json:
        number = super().clean(value)
        start = self.minimum or 0
        below = start + (number - start) // self.step * self.step
        if below == number:
            return number
        near = [str(below)] if self.maximum is not None and below + self.step > self.maximum else None
        listed = " and ".join(near or [str(below), str(below + self.step)])
        plural = "value is" if near else "values are"
        raise UnfitError(
            "step", f"must be {start} plus a multiple of {self.step}; the nearest allowed {plural} {listed}"
        )

    def hint(self) -> Hint:
        bounds = limits(self.minimum, self.maximum)
        words = ", ".join(part for part in (bounds, f"step {self.step}" if self.step > 1 else "") if part)
        slider = self.minimum is not None and self.maximum is not None
        return self._hint(
            "range" if slider else "integer",
            limits=words,
            minimum=self.minimum,
            maximum=self.maximum,
            step=self.step,
        )


def plain(number: Decimal) -> str:
    """A number without exponent, superfluous zeros or a minus before zero."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def as_json(number: Decimal) -> int | float | str:
    """A JSON number where it says the value to the last digit, else the digits as text."""
    text = plain(number)
    if "." not in text:
        return int(text)
    return float(text) if plain(Decimal(repr(float(text)))) == text else text


@dataclass(frozen=True, kw_only=True)
class Float(Parameter):
    """A decimal number; digits beyond `precision` are cut off towards zero, never rounded."""

    kind: ClassVar[str] = "FLOAT"
    own_keys: ClassVar[frozenset[str]] = frozenset({"value", "min", "max", "precision"})
    noun: ClassVar[str] = "a number"

    minimum: Decimal | None = None
    maximum: Decimal | None = None
    precision: int | None = None

    @classmethod
    def parse(cls, section: Section, generic: Generic) -> Self | None:
        section.demand(*sorted(cls.own_keys))
        minimum, maximum = section.number("min"), section.number("max")
        if not bounds_agree(section, minimum, maximum):
            return None
        precision = read_precision(section)
        bare = cls(minimum=minimum, maximum=maximum, precision=precision, **generic)
        default = read_default(bare, section.get("value"), section)
        return cls(minimum=minimum, maximum=maximum, precision=precision, default=default, **generic)

    def value_schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "number"}
        if self.minimum is not None:
            schema["minimum"] = json_bound(self.minimum)
        if self.maximum is not None:
            schema["maximum"] = json_bound(self.maximum)
        return schema

    def is_blank(self, raw: Json) -> bool:
        return raw is None or (isinstance(raw, str) and not raw.strip())

    def coerce(self, raw: Json) -> Json:
        """Text becomes a Decimal, so that no digit is lost on the way to `clean`."""
        number = to_decimal(raw) if isinstance(raw, str) else None
        return raw if number is None else number

    def clean(self, value: Json) -> Json:
        number = to_decimal(value)
        if number is None:
            raise UnfitError("type", f"must be {self.noun}")
        check_bounds(number, self.minimum, self.maximum)
        number = truncate(number, self.precision)
        check_bounds(number, self.minimum, self.maximum)
        return as_json(number)

    def text(self, value: Json) -> str:
        return plain(Decimal(repr(value) if isinstance(value, float) else str(value)))

    def hint(self) -> Hint:
        parts = [limits(self.minimum, self.maximum)]
        if self.precision is not None:
            parts.append(
                f"at most {self.precision} decimals; extra decimals are cut off, not rounded"
                if self.precision
                else "decimals are cut off, not rounded"
            )
        return self._hint(
            "float",
            limits=", ".join(part for part in parts if part),
            minimum=None if self.minimum is None else json_bound(self.minimum),
            maximum=None if self.maximum is None else json_bound(self.maximum),
            precision=self.precision,
        )


def json_bound(number: Decimal) -> int | float:
    value = as_json(number)
    return float(value) if isinstance(value, str) else value


def truncate(number: Decimal, precision: int | None) -> Decimal:
    """Cuts decimals off towards zero."""
    if precision is None:
        return number
    with localcontext() as context:
        context.prec = 1000
        return number.quantize(Decimal(1).scaleb(-precision), rounding=ROUND_DOWN)


def read_precision(section: Section) -> int | None:
    """The number of decimals. 0.1, 0.01, ... are read as 1, 2, ... decimals, as their authors meant them."""
    number = section.number("precision")
    if number is None:
        return None
    whole = int(number) if number == number.to_integral_value() else None
    if whole is None and 0 < number < 1 and Decimal(1).scaleb(number.adjusted()) == number:
        whole = -number.adjusted()
        section.notes.warn(
            "converted", f"'precision' counts decimals; {plain(number)} is read as {whole}.", section.at("precision")
        )
    if whole is None or not 0 <= whole <= MAX_PRECISION:
        message = f"'precision' should be a whole number from 0 to {MAX_PRECISION}; it is ignored."
        section.notes.warn("ignored-value", message, section.at("precision"))
        return None
    return whole

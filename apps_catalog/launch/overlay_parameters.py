"""What a curator may say of one parameter: words, default, narrower limits, hidden or locked, and how it is passed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry

from apps_catalog.launch.findings import Fault, Json
from apps_catalog.launch.parameters import Const, Float, Integer, Parameter, Range, Selection, UnfitError, Upload
from apps_catalog.launch.parameters.numeric import in_words, limits
from apps_catalog.launch.positions import join
from apps_catalog.launch.reading import readable, to_decimal, to_integer
from apps_catalog.launch.validate import in_plain_words

OF_A_CONSTANT = frozenset({"positional"})
OF_AN_UPLOAD = frozenset({"label", "help", "group", "hidden"})


def fit(parameter: Parameter, raw: Json) -> Json:
    """The clean value that `raw` stands for, as a form or client would send it; raises UnfitError. A blank one is None."""
    if parameter.is_blank(raw):
        return None
    value = parameter.coerce(raw)
    instance = float(value) if isinstance(value, Decimal) else value
    registry: Registry[Any] = Registry()
    for error in Draft202012Validator(parameter.value_schema(), registry=registry).iter_errors(instance):
        # `clean` knows the steps of a RANGE better: it names the nearest allowed values.
        if error.validator != "multipleOf":
            raise in_plain_words(error, parameter)
    return parameter.clean(value)


class Shaping:
    """One parameter on its way from the author's to the curator's; what can't be done is noted at its pointer."""

    def __init__(self, parameter: Parameter, wishes: Mapping[str, Json], pointer: str) -> None:
        self.parameter = parameter
        self.wishes = wishes
        self.pointer = pointer
        self.faults: list[Fault] = []

    def note(self, key: str, code: str, message: str) -> None:
        self.faults.append(Fault(join(self.pointer, key), code, message))

    def shaped(self) -> Parameter:
        """The parameter as people meet it; only good where no fault was noted."""
        if not self._wishes_suit():
            return self.parameter
        self._words()
        self._limits()
        self._default()
        self._who()
        return self.parameter

    def _wishes_suit(self) -> bool:
        if isinstance(self.parameter, Const):
            allowed, why = OF_A_CONSTANT, "a CONST is the author's own text, and nobody is asked for it"
        elif isinstance(self.parameter, Upload):
            allowed, why = OF_AN_UPLOAD, "an UPLOAD is a file of the person who launches, and never on the command line"
        else:
            return True
        for key in self.wishes.keys() - allowed:
            self.note(key, "not-here", f"can't be set here: {why}")
        return not self.faults

    def _words(self) -> None:
        wishes, one = self.wishes, self.parameter
        self.parameter = replace(
            one,
            name=readable(wishes.get("label", "")).strip() or one.name,
            description=readable(wishes["help"]) if "help" in wishes else one.description,
            group=readable(wishes.get("group", "")).strip(),
        )
        if "positional" in wishes:
            given = wishes["positional"]
            self.parameter = replace(self.parameter, positional=given, positional_given=given)

    def _limits(self) -> None:
        wanted = [key for key in ("min", "max") if key in self.wishes]
        if not wanted:
            return
        if not isinstance(self.parameter, Integer | Range | Float):
            for key in wanted:
                self.note(key, "not-here", f"only numbers have limits; this is a {self.parameter.kind}")
            return
        read = to_decimal if isinstance(self.parameter, Float) else to_integer
        bounds: dict[str, Any] = {"min": self.parameter.minimum, "max": self.parameter.maximum}
        for key in wanted:
            bound = read(self.wishes[key])
            if bound is None:
                self.note(key, "type", f"must be {self.parameter.noun}")
                return
            self._check_bound(self.parameter, key, bound)
            bounds[key] = bound
        low, high = bounds["min"], bounds["max"]
        if low is not None and high is not None and low > high:
            self.note(wanted[-1], "min-above-max", f"leaves no value: from {in_words(low)} to {in_words(high)}")
        if not self.faults:
            self.parameter = replace(self.parameter, minimum=low, maximum=high)

    def _check_bound(self, one: Integer | Float, key: str, bound: Any) -> None:
        low, high = one.minimum, one.maximum
        if (low is not None and bound < low) or (high is not None and bound > high):
            self.note(key, "beyond-author", f"must be within the author's limits: {limits(low, high)}")
        elif key == "min" and isinstance(one, Range) and (bound - (low or 0)) % one.step:
            words = f"must be {low or 0} plus a multiple of {one.step}, as the author's steps are counted from there"
            self.note(key, "step", words)

    def _default(self) -> None:
        if self.faults:
            return
        key = "locked" if "locked" in self.wishes else "default"
        if key not in self.wishes:
            self._keep_default()
            return
        try:
            value = fit(self.parameter, self.wishes[key])
            if value is None and (key == "locked" or isinstance(self.parameter, Range | Selection)):
                raise UnfitError("required", "needs a value")
        except UnfitError as unfit:
            self.note(key, unfit.code, unfit.message)
            return
        self.parameter = replace(self.parameter, default=value, locked=key == "locked")

    def _keep_default(self) -> None:
        """The author's default must be within the curator's limits."""
        one = self.parameter
        if one.default is None or not ("min" in self.wishes or "max" in self.wishes):
            return
        try:
            fit(one, one.default)
        except UnfitError as unfit:
            said = f"leaves the author's default {one.default} out: it {unfit.message}. Set a default, too"
            self.note("min" if "min" in self.wishes else "max", "default-out-of-limits", said)

    def _who(self) -> None:
        if self.faults or not self.wishes.get("hidden") or self.parameter.locked:
            return
        if self.parameter.required and self.parameter.default is None:
            self.note("hidden", "no-default", "needs a default: it is required, and nobody is asked for it")
        else:
            self.parameter = replace(self.parameter, locked=True)

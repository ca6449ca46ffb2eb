"""Typed readers of environment variables. A bad value stops the process with the name, the value and what is allowed."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

READ: set[str] = set()  # every name a reader was asked for; .env.example and the settings page are tested against it


def _raw(name: str) -> str | None:
    """The variable's text, or what the file named by NAME_FILE holds (as container secrets do)."""
    READ.add(name)
    value, path = os.environ.get(name), os.environ.get(f"{name}_FILE")
    if value is not None and path is not None:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set: set one of them.")
    if path is None:
        return value
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ImproperlyConfigured(f"{name}_FILE is {path!r}, which can't be read: {error}.") from error


def text(name: str, default: str = "", *, allowed: tuple[str, ...] = ()) -> str:
    value = _raw(name)
    if value is None or value == "":
        return default
    if allowed and value not in allowed:
        raise ImproperlyConfigured(f"{name} is {value!r}. Allowed: {', '.join(allowed)}.")
    return value


def domain(name: str, default: str = "") -> str:
    """A domain name in small letters, with or without a port: `apps.example.org`, `localhost:8443`."""
    value = text(name, default).lower()
    if value and not re.fullmatch(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*(:[0-9]{1,5})?", value):
        raise ImproperlyConfigured(f"{name} is {value!r}. Allowed: a domain, like apps.example.org or localhost:8443.")
    return value


def boolean(name: str, default: bool) -> bool:
    value = _raw(name)
    if value is None or value == "":
        return default
    match value.strip().lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off":
            return False
        case _:
            raise ImproperlyConfigured(f"{name} is {value!r}. Allowed: 1, 0, true, false, yes, no, on, off.")


def integer(name: str, default: int, *, minimum: int = 0, maximum: int = 2**53) -> int:
    value = _raw(name)
    if value is None or value == "":
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}. Allowed: a whole number.") from None
    if not minimum <= number <= maximum:
        raise ImproperlyConfigured(f"{name} is {number}. Allowed: {minimum} to {maximum}.")
    return number


def words(name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Words divided by commas or blanks."""
    value = _raw(name)
    if value is None or value == "":
        return default
    return tuple(word for word in value.replace(",", " ").split() if word)


def integers(name: str, *, minimum: int = 1, maximum: int = 2**31 - 1) -> tuple[int, ...]:
    """Whole numbers divided by commas or blanks."""
    found = words(name)
    if any(not (word.isascii() and word.isdigit() and minimum <= int(word) <= maximum) for word in found):
        raise ImproperlyConfigured(
            f"{name} is {' '.join(found)!r}. Allowed: whole numbers from {minimum} to {maximum}."
        )
    return tuple(map(int, found))


def subnet(name: str, default: str) -> str:
    """A private IPv4 network of at least 16 addresses."""
    value = text(name, default)
    try:
        found = ipaddress.IPv4Network(value.strip())
    except ValueError:
        found = None
    if found is None or not found.is_private or found.prefixlen > 28:
        raise ImproperlyConfigured(
            f"{name} is {value!r}. Allowed: a private IPv4 network such as {default}, at most /28."
        )
    return str(found)


def secret(name: str, *, minimum: int = 32) -> str:
    """A secret of at least `minimum` characters, or "" where it is not set."""
    value = _raw(name) or ""
    if value and len(value) < minimum:
        raise ImproperlyConfigured(f"{name} has {len(value)} characters. Allowed: at least {minimum}.")
    return value

"""Prices in words: the plain number with the installation's unit behind it (PRICE_UNIT), or that there is none to pay."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from django.conf import settings

FREE = "free"
CENT = Decimal("0.01")


def number(amount: Decimal) -> str:
    """ "0.50", "0.0125": two places, more where they say something."""
    plain = f"{amount.normalize():f}"
    return plain if len(plain.partition(".")[2]) > 2 else f"{amount:.2f}"


def price(amount: Decimal) -> str:
    """A price as it is set: "0.50 EUR", or "free"."""
    return f"{number(amount)} {settings.PRICE_UNIT}".strip() if amount else FREE


def total(amount: Decimal) -> str:
    """What comes to be paid, in hundredths: "12.50 EUR", "less than 0.01 EUR", "0.00 EUR"."""
    rounded = amount.quantize(CENT, ROUND_HALF_UP)
    words = f"{CENT if amount and not rounded else rounded} {settings.PRICE_UNIT}".strip()
    return f"less than {words}" if amount and not rounded else words

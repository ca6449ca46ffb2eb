"""Searching the catalog: full text with prefixes on plain PostgreSQL, and the nearest known word when nothing fits."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db.models import CharField, F, Value
from django.db.models.expressions import Combinable

from apps_catalog.models import App, AppQuerySet

WORD = re.compile(r"[^\W_]+")
CAPITALS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
WORDS_MAX = 8
WORD_LENGTH_MAX = 60
TEXT_MAX = 20_000  # characters of a description that are searched


def words_of(text: str) -> list[str]:
    """Small letters and digits without accents: the same for what is stored and what is asked."""
    return _words(text[:TEXT_MAX])


def _words(text: str) -> list[str]:
    if not text.isascii():
        plain = unicodedata.normalize("NFKD", text)
        text = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return [word[:WORD_LENGTH_MAX] for word in WORD.findall(text.lower())]


def vector_for(app: App) -> Combinable:
    """The search vector: name above categories and author above the description. `OpenFOAM` is found by `foam` too."""
    parts = (
        ("A", f"{app.name} {CAPITALS.sub(' ', app.name)} {app.slug}"),
        ("B", " ".join(app.categories)),
        ("C", app.author),
        ("D", app.summary),
    )
    vectors = [
        SearchVector(Value(" ".join(words_of(text)), output_field=CharField()), weight=weight, config="simple")
        for weight, text in parts
    ]
    return vectors[0] + vectors[1] + vectors[2] + vectors[3]


def find(apps: AppQuerySet, text: str) -> AppQuerySet:
    """The apps that have, for every word asked, a word that begins so; `rank` says how well. Blank text finds all."""
    words = words_of(text)[:WORDS_MAX]
    if not words:
        alike = apps.annotate(rank=Value(0.0))
        return alike.none() if text.strip() else alike
    query = SearchQuery(" & ".join(f"'{word}':*" for word in words), search_type="raw", config="simple")
    return apps.filter(search=query).annotate(rank=SearchRank(F("search"), query))


def did_you_mean(apps: AppQuerySet, text: str) -> str:
    """The words asked, each unknown one replaced by the nearest word of a visible app's name; "" where none is near."""
    asked = words_of(text)[:WORDS_MAX]
    known = set(_words(" ".join(apps.order_by().values_list("name", flat=True))))
    better = [word if _begins_any(word, known) else _nearest(word, known) for word in asked]
    return " ".join(better) if all(better) and better != asked else ""


def _begins_any(word: str, known: Iterable[str]) -> bool:
    return any(candidate.startswith(word) for candidate in known)


def _nearest(word: str, known: Iterable[str]) -> str:
    """Only words that share a beginning or an end are compared in full: 10,000 names stay a matter of milliseconds."""
    near = [
        candidate
        for candidate in known
        if abs(len(candidate) - len(word)) <= 3 and (candidate[:1] == word[:1] or candidate[-2:] == word[-2:])
    ]
    found = difflib.get_close_matches(word, near, n=1, cutoff=0.65)
    return found[0] if found else ""

"""What the catalog page shows for a wish: apps found and sorted, categories with counts, pages, suggestions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from urllib.parse import urlencode

from django.db.models import Case, Count, F, Func, IntegerField, TextField, Value, When
from django.http import QueryDict

from apps_catalog import search, services
from apps_catalog.models import App, AppQuerySet
from portal.people.models import User

PAGE = 24
TEXT_MAX = 200
RUNS_LOOKED_AT = 300
RANKED_MAX = 2000  # weighing more would take longer than it helps: so many fit only one or two letters
SORTS = {"best": "Best match", "name": "Name", "updated": "Updated", "recent": "Used by me"}


@dataclass(frozen=True)
class Wish:
    """What someone asks of the catalog, as its address says it."""

    text: str = ""
    category: str = ""
    sort: str = ""
    page: int = 1

    @classmethod
    def read(cls, asked: QueryDict) -> Wish:
        """Anything that makes no sense is left out: a catalog address always answers."""
        number = asked.get("page", "")
        return cls(
            text=_clean(asked.get("q", "")),
            category=_clean(asked.get("category", "")),
            sort=asked.get("sort", "") if asked.get("sort", "") in SORTS else "",
            page=max(1, int(number)) if number.isascii() and number.isdigit() and len(number) < 6 else 1,
        )

    @property
    def order(self) -> str:
        usual = "best" if self.text else "name"
        return usual if not self.sort or (self.sort == "best" and not self.text) else self.sort

    @property
    def query(self) -> str:
        """The query string that gives this wish again, as short as it can be."""
        page = self.page if self.page > 1 else ""
        given = {"q": self.text, "category": self.category, "sort": self.sort, "page": page}
        return urlencode({key: value for key, value in given.items() if value})

    @property
    def narrowed(self) -> bool:
        return bool(self.text or self.category)


def _clean(text: str) -> str:
    return text.replace("\0", "").strip()[:TEXT_MAX]


@dataclass(frozen=True)
class Card:
    """One app on the shelf. `obstacle` says why it can't be launched now, or is empty."""

    app: App
    obstacle: str
    last_run: datetime | None


@dataclass(frozen=True)
class Category:
    name: str
    path: str
    depth: int
    count: int
    current: bool
    query: str


@dataclass(frozen=True)
class Sort:
    label: str
    current: bool
    query: str


class Shelf:
    """The catalog as one person sees it for one wish. Each part costs one query, whatever the number of apps."""

    def __init__(self, user: User, wish: Wish) -> None:
        self.user = user
        self.wish = wish
        self.visible: AppQuerySet = App.objects.visible_to(user).filter(published=True, role=App.Role.APP)
        self.found = search.find(self.visible, wish.text)

    @cached_property
    def _in_category(self) -> AppQuerySet:
        return self.found.in_category(self.wish.category) if self.wish.category else self.found

    @cached_property
    def _counts(self) -> dict[str, int]:
        """How many of the apps found are in each category and below it; "" counts them all. One pass over the rows."""
        each = Func(
            F("category_prefixes"),
            template="unnest(array_append(%(expressions)s, ''))",
            output_field=TextField(),
            set_returning=True,
        )
        return dict(self.found.order_by().annotate(path=each).values_list("path").annotate(found=Count("pk")))

    @property
    def found_total(self) -> int:
        """In all categories."""
        return self._counts.get("", 0)

    @property
    def total(self) -> int:
        return self._counts.get(self.wish.category, 0)

    @cached_property
    def pages(self) -> int:
        return max(1, -(-self.total // PAGE))

    @cached_property
    def page(self) -> int:
        return min(self.wish.page, self.pages)

    @property
    def first(self) -> int:
        return (self.page - 1) * PAGE + 1

    @property
    def last(self) -> int:
        return min(self.page * PAGE, self.total)

    @property
    def newer(self) -> str:
        return self._page_query(self.page - 1) if self.page > 1 else ""

    @property
    def older(self) -> str:
        return self._page_query(self.page + 1) if self.page < self.pages else ""

    @property
    def place(self) -> str:
        return f"Page {self.page} of {self.pages}"

    def _page_query(self, page: int) -> str:
        return replace(self.wish, page=page).query or "page=1"

    @cached_property
    def cards(self) -> list[Card]:
        if not self.total:
            return []
        # Keys first: thousands of narrow rows are sorted and skipped faster than wide ones.
        keys = list(self._ordered(self._in_category).values_list("pk", flat=True)[self.first - 1 : self.last])
        rows = App.objects.for_lists().in_bulk(keys)
        apps = [rows[key] for key in keys if key in rows]
        return [Card(app, _obstacle(app), self.last_runs.get(app.pk)) for app in apps]

    def _ordered(self, apps: AppQuerySet) -> AppQuerySet:
        match self.wish.order:
            case "best" if self.total <= RANKED_MAX:
                return apps.order_by(F("rank").desc(), "name", "pk")
            case "updated":
                return apps.order_by(F("default_version__published_at").desc(nulls_last=True), "name", "pk")
            case "recent":
                places = [When(pk=pk, then=Value(place)) for place, pk in enumerate(self.last_runs)]
                if places:
                    used = Case(*places, default=Value(len(places)), output_field=IntegerField())
                    return apps.order_by(used, "name", "pk")
        return apps.order_by("name", "pk")

    @cached_property
    def last_runs(self) -> dict[int, datetime]:
        """Apps this person launched lately, newest first. The relation is what the jobs app declares on people."""
        runs = self.user.jobs.order_by("-number").values_list("version__app_id", "created_at")[:RUNS_LOOKED_AT]
        latest: dict[int, datetime] = {}
        for app_id, at in runs:
            latest.setdefault(app_id, at)
        return latest

    @cached_property
    def categories(self) -> list[Category]:
        """The tree: every top category, and what lies below those on the way to the chosen one."""
        known = {*self._counts, self.wish.category} - {""}
        shown = sorted(filter(self._is_open, known), key=lambda path: path.casefold().split("/"))
        return [self._category(path, self._counts.get(path, 0)) for path in shown]

    def _is_open(self, path: str) -> bool:
        above = path.rpartition("/")[0]
        chosen = self.wish.category
        return not above or chosen == above or chosen.startswith(f"{above}/")

    def _category(self, path: str, count: int) -> Category:
        return Category(
            name=path.rpartition("/")[2],
            path=path,
            depth=min(path.count("/"), 4),
            count=count,
            current=path == self.wish.category,
            query=replace(self.wish, category=path, page=1).query,
        )

    @property
    def everything(self) -> Category:
        query = replace(self.wish, category="", page=1).query
        return Category("All apps", "", 0, self.found_total, not self.wish.category, query)

    @property
    def sorts(self) -> list[Sort]:
        return [
            Sort(label, key == self.wish.order, replace(self.wish, sort=key, page=1).query)
            for key, label in SORTS.items()
            if key != "best" or self.wish.text
        ]

    @cached_property
    def suggestion(self) -> str:
        """What was perhaps meant, where nothing fits."""
        return search.did_you_mean(self.visible, self.wish.text) if self.wish.text and not self.found_total else ""

    @property
    def suggestion_query(self) -> str:
        return Wish(text=self.suggestion).query

    @cached_property
    def is_bare(self) -> bool:
        """Nothing at all to choose from, whatever is asked."""
        return not self.total and not self.visible.exists()


def _obstacle(app: App) -> str:
    return services.not_launchable(app.default_version) if app.default_version else "No version of it is published."

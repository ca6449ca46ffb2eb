"""In whose name a command imports, and how findings are marked on a terminal."""

from __future__ import annotations

from django.core.management.base import CommandError

from portal.people.models import User

MARKS = {"error": "x", "warning": "!", "info": "-"}
CALLED_WRONGLY = 2  # the exit code, where 1 is for files that were refused


def curator_named(username: str) -> User:
    """The person named; without a name whoever runs manage.py, who has the whole installation in hand anyway."""
    if not username:
        return User(username="manage.py", is_curator=True)
    user = User.objects.filter(username=username).first()
    if user is None:
        said = f"There is no person {username!r}. Make one with manage.py createperson."
        raise CommandError(said, returncode=CALLED_WRONGLY)
    if not user.curates:
        said = f"{username} is not a curator. Give the role in the administration, or leave out --as."
        raise CommandError(said, returncode=CALLED_WRONGLY)
    return user

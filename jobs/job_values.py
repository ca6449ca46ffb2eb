"""What one job alone has: its random letters, its password, its API key, its account variables, the users of its image.

The same job always gets the same, whichever process starts or adopts it, and none of it is in a column: random values
follow from the installation's key and the job, secrets are opened when it starts.
"""

from __future__ import annotations

import string
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps_catalog.launch.binding import JobValues
from apps_catalog.launch.jobfiles import GROUP, PASSWD
from apps_catalog.launch.plan import needs_api_key
from apps_catalog.launch.spec import AccountVariable, RunPlan
from apps_catalog.services import spec_of
from jobs.models import Job
from jobs.models.jobs import LostRace
from jobs.runtimes.base import Runtime, RuntimeFault
from portal.people import account_variables, sealing, tokens

ALPHABET = string.ascii_letters + string.digits
UNBIASED = 256 - 256 % len(ALPHABET)  # bytes from here on would make some letters likelier than others
PASSWORD_LETTERS = 16
KEY_LETTERS = 43  # 256 bits
KEY_MARGIN = timedelta(hours=1)  # beyond the time limit: for the start, the grace, and clocks that differ
TEXT_BYTES_MAX = 256 * 1024
TEXTS_KEPT = 768


def letters(job: Job, what: str, count: int) -> str:
    """`count` letters and digits, each as likely as the others, that follow from the job and the installation's key."""
    raw = sealing.derived(f"job {job.number} {job.code} {what}", 4 * count + 64)
    found = [ALPHABET[byte % len(ALPHABET)] for byte in raw if byte < UNBIASED]
    return "".join(found[:count])


@dataclass(frozen=True)
class Addresses:
    """Where a job is reached; see JobValues."""

    public_ip: str = ""
    public_name: str = ""
    connect_url: str = ""


def password_of(job: Job) -> str:
    """What %NIMBIXPASSWD% is in this job."""
    return letters(job, "password", PASSWORD_LETTERS)


def values_of(
    job: Job,
    plan: RunPlan,
    *,
    users: tuple[str, str] = ("", ""),
    hosts: tuple[str, ...] = ("localhost",),
    addresses: Addresses = Addresses(),
) -> JobValues:
    """What `bind` fills into the plan. `users` are /etc/passwd and /etc/group of the image.

    Raises RuntimeFault(start_refused) where an account variable that is required has no value any more.
    """
    return JobValues(
        name=job.name,
        random128=letters(job, "random", 128),
        password=password_of(job),
        hosts=hosts,
        public_ip=addresses.public_ip,
        public_name=addresses.public_name,
        connect_url=addresses.connect_url,
        api_key=_api_key(job, plan),
        account=_account(job, plan),
        image_passwd=users[0],
        image_group=users[1],
    )


def trusted(job: Job) -> bool:
    """Whether the app is certified, or the owner of the job brought it: only such programs are given a key of theirs."""
    return job.version.certified or job.version.app.created_by_id == job.owner_id


def _api_key(job: Job, plan: RunPlan) -> str:
    """A key for the JARVICE door that ends with the job; "" where the author asks for none, or may not have it."""
    if not needs_api_key(plan) or not trusted(job):
        return ""
    text = f"slw_{letters(job, 'api key', KEY_LETTERS)}"
    seconds = plan.limits.walltime_s + settings.STOP_GRACE_S
    with transaction.atomic():
        if Job.objects.select_for_update().get(pk=job.pk).terminal:  # else it could come after its own revocation
            raise LostRace(f"Job {job.number} has ended; it gets no key any more.")
        expires_at = timezone.now() + timedelta(seconds=seconds) + KEY_MARGIN
        tokens.keep_for_job(user=job.owner, job_number=job.number, text=text, expires_at=expires_at)
    return text


def _account(job: Job, plan: RunPlan) -> dict[str, str]:
    """The values of the account variables in the plan. An optional one that is gone by now is left out."""
    names = [variable.name for variable in plan.variables if variable.account]
    if not names:
        return {}
    spec = spec_of(job.version)
    declared = spec.variables_of(spec.commands[job.command])
    values = account_variables.values_for(job.owner, names, inherited=inherited(declared))
    gone = [name for name in names if name not in values and name in declared and declared[name].required]
    if gone:
        said = (
            f"The account variable {gone[0]} that this app needs was set when the job was submitted, and is not any more. "
            "Ask an operator to set it for you, then run the job again."
        )
        raise RuntimeFault(said, code="start_refused", retry=False)
    return values


def inherited(declared: Mapping[str, AccountVariable]) -> frozenset[str]:
    """The names of those for which a team's value serves."""
    return frozenset(name for name, variable in declared.items() if variable.inherit)


class ImageTexts:
    """Small files of images, such as /etc/passwd: asked for at the first job of an image, and kept in the process."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._lock = threading.Lock()

    def users(self, runtime: Runtime, plan: RunPlan) -> tuple[str, str]:
        """/etc/passwd and /etc/group; nothing is asked where the plan has no such file. Raises RuntimeFault."""
        late = {file.path for file in plan.files if file.late}
        if not {PASSWD, GROUP} & late:
            return "", ""
        return self.text(runtime, plan.image, PASSWD), self.text(runtime, plan.image, GROUP)

    def text(self, runtime: Runtime, image: str, path: str) -> str:
        """One file, "" where the image has none or it is too long. Raises RuntimeFault."""
        with self._lock:
            found = self._kept.get((image, path))
        if found is None:
            found = (runtime.read_file(image, path, TEXT_BYTES_MAX) or b"").decode("utf-8", "replace")
            if "sha256:" in image:  # a name alone may mean other bytes tomorrow
                with self._lock:
                    self._kept[image, path] = found
                    while len(self._kept) > TEXTS_KEPT:
                        self._kept.popitem(last=False)
        return found

"""What an attempt does around its container, by the stage of its task: bring what it reads, take what it wrote.

One class a stage; `Whole` is a job without stages. execute tells the story that all of them share.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, cast

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage

from apps_catalog.launch.spec import RunPlan
from apps_catalog.launch.stage_plan import BASE, CHUNK, INPUTS, MISSING, TASKS, WRITTEN
from apps_catalog.models import Version
from jobs import bundles, caches, chunks, collect, gathering, identity, putting_back, sources, stage_secrets, staging
from jobs.care import Care, Leaving, Stopped, rest
from jobs.events import record
from jobs.folders import Folder, Given, give, host_root
from jobs.models import Attempt, Job, JobStage, Task
from jobs.outcomes import Chunk, Outcome
from jobs.runtimes.base import ContainerSpec, Handle, Runtime
from jobs.sources import Passage
from jobs.sources.bypass import NoSource
from jobs.sources.passage import DELIVER, FETCH
from jobs.states import AttemptState, FailureClass, Stage
from jobs.ten_steps import DELIVERING
from portal.errors import PortalError

AWAY = 503  # of a PortalError: trying again can help


class Ends(Exception):
    """Raised where an attempt ends before its container has begun: `outcome` says how."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


@dataclass(frozen=True)
class Work:
    """One attempt's. `plan` None: nothing runs in a container, `alone` is all there is to do."""

    attempt: Attempt
    job: Job
    folder: Folder
    host: str
    plan: RunPlan | None
    machine: str
    disk_mib: int
    shared: ClassVar[bool] = False  # whether its folder is the slot's, and so the next attempt's too

    def bring(self, care: Care) -> Given:
        """Make ready what the container is to find. May be repeated. Raises Ends, RuntimeFault, PortalError."""
        raise NotImplementedError

    def make_ready(self, runtime: Runtime) -> None:
        """Before anything is brought. Raises RuntimeFault."""

    def fit(self, spec: ContainerSpec) -> ContainerSpec:
        """The container as it is asked for."""
        return spec

    def take(self, care: Care, outcome: Outcome, *, exited: bool) -> Outcome:
        """Take what it wrote into the store, once it has stopped. May be repeated."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forget its folder, when all is settled."""
        self.folder.remove()

    def alone(self, care: Care) -> Outcome:
        """What is done where no container runs. Raises Ends, PortalError."""
        raise NotImplementedError

    @property
    def written(self) -> tuple[Path, ...]:
        """The folders whose size counts against the disk limit."""
        return (self.folder.root,)

    @property
    def handle(self) -> Handle:
        """Where it runs, if it has begun: known from its name alone."""
        return Handle(name=self.attempt.name, adopted=True)

    @property
    def begun(self) -> bool:
        """Whether its program has been started, or may have been: it is never started a second time."""
        return self.attempt.state == AttemptState.RUNNING

    @property
    def task(self) -> Task:
        return self.attempt.task

    @property
    def version(self) -> Version | None:
        """What its container runs."""
        return self.job.version

    def _collect(self, root: Path, outcome: Outcome) -> Outcome:
        """Whatever the outcome: half a result helps to find out why."""
        collected = collect.collect(
            root,
            store=default_storage,
            prefix=f"results/{self.job.number}/{self.task.stage}-{self.task.index}-{self.attempt.number}",
            files_max=settings.RESULTS_FILES_MAX,
            bytes_max=settings.RESULTS_LIMIT_MIB * 2**20,
        )
        reason = f"{outcome.reason} {collected.truncated}".strip()
        return dataclasses.replace(outcome, results=collected.items, reason=reason)


@dataclass(frozen=True)
class Whole(Work):
    """A job without stages: its vault is brought and put back, /results is collected."""

    def bring(self, care: Care) -> Given:
        staging.bring(care)
        return Given()

    def take(self, care: Care, outcome: Outcome, *, exited: bool) -> Outcome:
        outcome = putting_back.put_back(care, outcome)
        return self._collect(self.folder.results, outcome) if exited else outcome


@dataclass(frozen=True)
class StageWork(Work):
    """What all stages share: a folder BASE of its own, the code, the caches, the secrets."""

    row: JobStage = field(kw_only=True)
    stage: ClassVar[Stage]

    @property
    def version(self) -> Version | None:
        return self.row.version

    @property
    def written(self) -> tuple[Path, ...]:
        return (self.folder.home, self.folder.base)

    def bring(self, care: Care) -> Given:
        plan = cast("RunPlan", self.plan)
        version = self.version
        assert version is not None  # noqa: S101 - a stage that has a plan has a version
        self._make_base(plan)
        code = bundles.unpacked(Path(default_storage.path(version.bundle)), version.bundle_digest, host_root(self.host))
        secrets = stage_secrets.variables(self.job.owner, plan.secrets)
        sources = {
            "base": self.folder.base,
            "bundle": code,
            "shared_cache": caches.shared(),
            "user_cache": caches.of_person(self.job.owner),
        }
        task = f"{self.job.number}-{self.task.stage}-{self.task.index}"
        given = self.own(care)
        return Given({**sources, **given.sources}, {"SLIPWAY_TASK": task, **given.env, **secrets})

    def own(self, care: Care) -> Given:
        """What only this stage has."""
        raise NotImplementedError

    def _make_base(self, plan: RunPlan) -> None:
        """Its folder, with the one it writes to, and places for what is mounted in it, which an engine would make as root."""
        base = self.folder.base
        made = [base, self._place(WRITTEN[self.stage])]
        for path in made:
            path.mkdir(mode=0o700, exist_ok=True)
        target = self._place(INPUTS[self.stage].target)
        if INPUTS[self.stage].target == CHUNK:
            target.parent.mkdir(mode=0o700, exist_ok=True)
            target.touch()
            made.append(target.parent)
        else:
            target.mkdir(mode=0o700, exist_ok=True)
        for path in (*made, target):
            give(path, plan)
            if path.is_dir():
                path.chmod(0o2770 if os.geteuid() else 0o700)

    def _place(self, target: str) -> Path:
        """Where a path below BASE lies on the host."""
        return self.folder.base / target.removeprefix(f"{BASE}/")

    def _halt(self, care: Care) -> bool:
        return bool(care.stopping()) or care.leaving.is_set()

    def _demand_going(self, care: Care) -> None:
        if care.leaving.is_set():
            raise Leaving
        if care.stopping():
            raise Ends(Outcome(FailureClass(care.stopping()), "Stopped before it began."))

    def _refused(self, fault: PortalError, *, lasting: bool = False) -> Ends:
        return Ends(Outcome(FailureClass.USER, fault.message, lasting=lasting))


@dataclass(frozen=True)
class Partition(StageWork):
    """Imports the source; the partitioner writes chunks. Without one, each source file is a chunk."""

    stage: ClassVar[Stage] = Stage.PARTITION

    def own(self, care: Care) -> Given:
        caches.tidy(self.job.owner, self.attempt)
        return Given({"source": self._fetched(care)})

    def take(self, care: Care, outcome: Outcome, *, exited: bool) -> Outcome:
        if outcome.failure is not None:
            return outcome
        try:
            made = chunks.take(
                self._place(WRITTEN[self.stage]),
                storage=cast("FileSystemStorage", default_storage),
                prefix=self._prefix,
                most=settings.CHUNKS_MAX,
                bytes_max=settings.CHUNKS_LIMIT_MIB * 2**20,
            )
        except PortalError as refused:
            return dataclasses.replace(outcome, failure=FailureClass.USER, reason=refused.message, lasting=True)
        return dataclasses.replace(outcome, chunks=made)

    def alone(self, care: Care) -> Outcome:
        self.folder.root.mkdir(parents=True, exist_ok=True)
        place = self._fetched(care)
        names = sorted(path.name for path in place.iterdir())
        if not names:
            raise Ends(Outcome(FailureClass.USER, "The source has no file, so there is nothing to run.", lasting=True))
        if len(names) > settings.CHUNKS_MAX:
            said = f"The source has {len(names):,} files; a job has at most {settings.CHUNKS_MAX:,} chunks. Use fewer."
            raise Ends(Outcome(FailureClass.USER, said, lasting=True))
        storage = cast("FileSystemStorage", default_storage)
        made: list[Chunk] = []
        for number, name in enumerate(names):
            self._demand_going(care)
            try:
                made.append(chunks.take_file(place, name, storage=storage, prefix=self._prefix, number=number))
            except PortalError as refused:
                raise self._refused(refused, lasting=True) from refused
        files = "1 file" if len(names) == 1 else f"{len(names):,} files"
        return Outcome(None, f"The source has {files}; each is a chunk.", 0, chunks=made)

    @property
    def _prefix(self) -> str:
        """Each attempt's own: one that was given up for lost, and still runs, must not write into the chunks of the next."""
        return f"chunks/{self.job.number}/{self.attempt.number}"

    def _fetched(self, care: Care) -> Path:
        """The folder with the source's files, fetched anew: what an earlier process left may be cut."""
        place = self.folder.inputs / "source"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o755, parents=True)
        source = sources.source_of(self.job.source, self.job.owner)
        if isinstance(source, list):
            said = f"The source can't be read any more: {source[0].message}"
            raise Ends(Outcome(FailureClass.USER, said, lasting=True))
        rest()
        passage = Passage.of(care, self.row, FETCH)
        try:
            passage.watched(lambda: source.fetch(place, passage))
        except (PortalError, Stopped) as refused:
            self._demand_going(care)
            if not isinstance(refused, PortalError):
                raise
            said = f"The source was not fetched: {refused.message}"
            raise Ends(Outcome(FailureClass.USER, said, lasting=refused.status != AWAY)) from refused
        self._demand_going(care)
        if not isinstance(source, NoSource):
            care.tell(f"The source is here: {passage.done()}.")
        for path in place.iterdir():
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                identity.share_file(fd)
            finally:
                os.close(fd)
        return place


@dataclass(frozen=True)
class Run(StageWork):
    """One chunk, mounted as TASK_DIR/data.bin; TASK_RESULTS_DIR is collected."""

    stage: ClassVar[Stage] = Stage.RUN

    def own(self, care: Care) -> Given:
        chunk = Path(default_storage.path(self.task.chunk))
        if not chunk.is_file():
            said = "The chunk of this task is not in the store any more. Run the job anew."
            raise Ends(Outcome(FailureClass.USER, said, lasting=True))
        return Given({"chunk": chunk}, {"CHUNK_NUMBER": str(self.task.index)})

    def take(self, care: Care, outcome: Outcome, *, exited: bool) -> Outcome:
        return self._collect(self._place(WRITTEN[self.stage]), outcome) if exited else outcome


@dataclass(frozen=True)
class Assemble(StageWork):
    """The files of all tasks in one folder; OUTPUT_DIR is collected. Then the results go to the destination."""

    stage: ClassVar[Stage] = Stage.ASSEMBLE

    def own(self, care: Care) -> Given:
        place = self.folder.inputs / "results"
        try:
            gathering.gather(self.job, place, lambda: self._halt(care))
        except PortalError as refused:
            raise self._refused(refused, lasting=True) from refused
        self._demand_going(care)
        missing = json.dumps(gathering.missing_chunks(self.job))
        self._note(MISSING, [missing])
        self._note(TASKS, (json.dumps(task) + "\n" for task in gathering.tasks_of(self.job)))
        variables = {"MISSING_CHUNKS": missing, "MISSING_CHUNKS_FILE": MISSING, "TASKS_FILE": TASKS}
        return Given({"gathered": place}, variables)

    def _note(self, target: str, texts: Iterable[str]) -> None:
        """A file for the program to read; where it has begun, and an earlier process wrote it, written anew."""
        note = self._place(target)
        note.unlink(missing_ok=True)  # whatever a program may have put in its place
        with note.open("x", encoding="ascii") as file:
            file.writelines(texts)
        give(note, cast("RunPlan", self.plan))

    def take(self, care: Care, outcome: Outcome, *, exited: bool) -> Outcome:
        if not exited:
            return outcome
        outcome = self._collect(self._place(WRITTEN[self.stage]), outcome)
        if outcome.failure is not None:
            return outcome
        files = [(one.path, Path(default_storage.path(one.stored))) for one in outcome.results if one.stored]
        return self._deliver(care, outcome, files)

    def alone(self, care: Care) -> Outcome:
        return self._deliver(
            care, Outcome(None, "The files of all tasks are the results.", 0), gathering.files_of(self.job)
        )

    def _deliver(self, care: Care, outcome: Outcome, files: gathering.Files) -> Outcome:
        destination = sources.destination_of(self.job.destination, self.job.owner)
        if isinstance(destination, list):
            said = f"The results are kept here, for their destination can't be used any more: {destination[0].message}"
            return dataclasses.replace(outcome, failure=FailureClass.USER, reason=said, lasting=True)
        if destination.trivial:
            return outcome
        record(self.job.number, DELIVERING, "The results are on their way to their destination.")
        passage = Passage.of(care, self.row, DELIVER)
        files = list(files)  # the rows behind it are read before the connection is given back
        rest()
        try:
            passage.watched(lambda: destination.deliver(files, passage))
        except (PortalError, Stopped) as refused:
            self._demand_going(care)
            if not isinstance(refused, PortalError):
                raise
            said = f"The results are kept here, but did not reach their destination: {refused.message}"
            lasting = refused.status != AWAY
            return dataclasses.replace(outcome, failure=FailureClass.USER, reason=said, lasting=lasting)
        self._demand_going(care)
        care.tell(f"The results are at their destination: {passage.done()}.")
        return outcome


WORK: Mapping[Stage, type[StageWork]] = {each.stage: each for each in (Partition, Run, Assemble)}

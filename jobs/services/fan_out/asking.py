"""What is asked for in a job in stages, before any judgement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from apps_catalog.launch.spec import Json
from apps_catalog.models import Version
from jobs.models import Job, JobStage, JobTemplate
from jobs.states import Stage

SECTIONS: Mapping[Stage, str] = {Stage.PARTITION: "partitioner", Stage.RUN: "app", Stage.ASSEMBLE: "assembler"}


@dataclass(frozen=True)
class FanOut:
    """A job in stages as somebody asks for it. `partitioner` and `assembler` None: passthrough.

    `parameters` has one object each for partitioner, app and assembler, `machines` the name of a machine type by stage
    ("" or absent: the cheapest that fits). Everything but the rows may be anything that JSON can say. `alternatives` has by
    section which alternative of its schema a form shows where: what is wrong is said of that one.
    """

    app: Version
    template: JobTemplate | None = None
    partitioner: Version | None = None
    assembler: Version | None = None
    parameters: Json = field(default_factory=dict)
    source: Json = field(default_factory=dict)
    destination: Json = field(default_factory=dict)
    config: Json = field(default_factory=dict)
    name: str = ""
    description: str = ""
    machines: Json = field(default_factory=dict)
    alternatives: Mapping[str, Mapping[tuple[str, str], int]] = field(default_factory=dict)

    def version(self, stage: Stage) -> Version | None:
        return {Stage.PARTITION: self.partitioner, Stage.RUN: self.app, Stage.ASSEMBLE: self.assembler}[stage]

    def section(self, stage: Stage) -> Json:
        """The parameters of a stage; {} where nothing was sent for it."""
        return self.parameters.get(SECTIONS[stage], {}) if isinstance(self.parameters, Mapping) else self.parameters


def fan_out_of(job: Job) -> FanOut:
    """What a job in stages, draft or not, was asked for."""
    rows = JobStage.objects.filter(job=job).select_related("version__app")
    stages = {Stage(row.stage): row for row in rows}
    return FanOut(
        app=job.version,
        template=job.template,
        partitioner=stages[Stage.PARTITION].version,
        assembler=stages[Stage.ASSEMBLE].version,
        parameters=job.parameters,
        source=job.source,
        destination=job.destination,
        config=job.config,
        name=job.label,
        description=job.description,
        machines={str(stage): row.machine_asked for stage, row in stages.items()},
    )


def over_template(
    template: JobTemplate,
    *,
    parameters: Json = None,
    source: Json = None,
    destination: Json = None,
    config: Json = None,
) -> dict[str, Json]:
    """The parts of a FanOut that a template gives defaults for: what is given goes over them.

    Parameters and settings are merged key by key, at the top level of each section; a source or a destination is
    replaced whole. What is not an object is left as it is, for the judge to refuse.
    """
    return {
        "parameters": _merged_sections(template.parameters, parameters),
        "source": template.source if source is None else source,
        "destination": template.destination if destination is None else destination,
        "config": _merged(template.config, config),
    }


def _merged(below: Json, above: Json) -> Json:
    if above is None:
        return below
    return {**below, **above} if isinstance(below, Mapping) and isinstance(above, Mapping) else above


def _merged_sections(below: Mapping[str, Json], above: Json) -> Json:
    if not isinstance(above, Mapping):
        return below if above is None else above
    return {key: _merged(below.get(key), above.get(key)) for key in {**below, **above}}

"""The sweep document: read and checked as a whole, and written back.

`parse_document` reports every problem at once, each with the path of its field.
`loading.load_document` reads the document's text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from experiments.search.document.collector import read_collector
from experiments.search.document.command import value_text
from experiments.search.document.limits import (
    MAX_PRIORITY,
    MAX_TRIALS,
    MIN_PRIORITY,
    Limits,
    Resources,
    Retries,
    read_limits,
    read_resources,
    read_retries,
)
from experiments.search.document.loading import storable_document
from experiments.search.document.plan import (
    Plan,
    dump_objective,
    read_objective,
    read_plan,
)
from experiments.search.document.trial import TrialTemplate, read_inputs, read_trial
from experiments.search.fields import (
    DefinitionError,
    Diagnostics,
    Fields,
    Problem,
    is_number,
    shown,
)
from experiments.search.recommendations import suited_policy
from experiments.search.records import JSONValue, Objective
from experiments.search.samplers import fresh_seed
from experiments.search.space.space import SearchSpace
from experiments.search.termination import read_policy
from experiments.search.wording import counted

EXAMPLE = "{primary_metric: accuracy, goal: maximize}"


DEFAULT_NAME = "default"
POOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,99}")
MAX_TAGS = 100
TRIAL = (
    "{command: python train.py}, or launches: false if your own processes ask for "
    "trials"
)
# Fields of Azure's schema that have no meaning here.
IGNORED = ("$schema", "name", "properties", "identity", "queue_settings", "outputs")


@dataclass(frozen=True)
class SweepDefinition:
    """A valid sweep document with every default filled in.

    `sampling_algorithm` and `early_termination` are the canonical mappings of
    `make_sampler` and `make_policy`, always with a seed. `compute` names the worker
    pool, whose free slots go to sweeps of a higher `priority` first. `warnings` say
    what is allowed but probably a mistake.
    """

    experiment_name: str
    trial: TrialTemplate
    search_space: SearchSpace
    sampling_algorithm: Mapping[str, JSONValue]
    objective: Objective
    limits: Limits
    display_name: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, JSONValue] = field(default_factory=dict)
    early_termination: Mapping[str, JSONValue] | None = None
    compute: str = DEFAULT_NAME
    priority: int = 0
    launches: bool = True
    resources: Resources = field(default_factory=Resources)
    retries: Retries = field(default_factory=Retries)
    metrics_collector: Mapping[str, JSONValue] | None = None
    warnings: tuple[Problem, ...] = field(default=(), compare=False)

    def dump(self) -> dict[str, JSONValue]:
        """The canonical document; parsing it gives an equal definition."""
        document: dict[str, JSONValue] = {
            "experiment_name": self.experiment_name,
            "display_name": self.display_name,
            "description": self.description,
            "tags": dict(self.tags),
            "trial": self.trial.dump(),
            "inputs": dict(self.inputs),
            "search_space": self.search_space.dump(),
            "constraints": [rule.text for rule in self.search_space.constraints],
            "sampling_algorithm": dict(self.sampling_algorithm),
            "objective": dump_objective(self.objective),
            "early_termination": dict(self.early_termination or {}),
            "limits": self.limits.dump(),
            "compute": self.compute,
            "priority": self.priority,
            "resources": self.resources.dump(),
            "retries": self.retries.dump(),
            "metrics_collector": dict(self.metrics_collector or {}),
        }
        kept: dict[str, JSONValue] = {n: v for n, v in document.items() if v}
        if not self.launches:
            kept["launches"] = False
        return kept


def parse_document(
    document: Mapping[str, object], *, new_seed: Callable[[], int] = fresh_seed
) -> SweepDefinition:
    """Read and check a whole sweep document.

    A missing seed comes from `new_seed`, and the definition keeps it. Raises
    DefinitionError with every problem.
    """
    definition, problems = examine(document, new_seed=new_seed)
    if problems:
        raise DefinitionError(problems)
    return definition


def examine(
    document: Mapping[str, object], *, new_seed: Callable[[], int] = fresh_seed
) -> tuple[SweepDefinition, Sequence[Problem]]:
    """What could be read of a document, with defaults for the rest, and every problem.

    Raises DefinitionError for what is not a document at all.
    """
    storable, refused = storable_document(document)
    diagnostics = Diagnostics()
    definition = _read(Fields(storable, "", diagnostics), new_seed)
    paths = {problem.path for problem in refused}
    others = (each for each in diagnostics.problems if each.path not in paths)
    return definition, [*refused, *others]


def _read(document: Fields, new_seed: Callable[[], int]) -> SweepDefinition:
    diagnostics = document.diagnostics
    objective = read_objective(document.inner("objective", required=EXAMPLE))
    plan = read_plan(
        document.raw("search_space"),
        document.raw("sampling_algorithm"),
        diagnostics,
        constraints=document.raw("constraints"),
        new_seed=new_seed,
    )
    inputs = read_inputs(document.inner("inputs"))
    launches = document.flag("launches", True)
    policy = read_policy(
        document.raw("early_termination"),
        objective,
        diagnostics,
        path="early_termination",
        auto=suited_policy(plan.settings.get("type"), timed=_is_timed(document)),
    )
    definition = SweepDefinition(
        experiment_name=document.text("experiment_name", DEFAULT_NAME, most=200),
        display_name=document.text("display_name", "", most=200),
        description=document.text("description", ""),
        tags=_read_tags(document.inner("tags")),
        trial=read_trial(
            document.inner("trial", required=TRIAL if launches else ""),
            launches=launches,
            parameters=plan.names,
            optional=plan.optional,
            inputs=inputs,
        ),
        inputs=inputs,
        search_space=plan.space,
        sampling_algorithm=plan.settings,
        objective=objective,
        early_termination=None if policy is None else policy.settings(),
        limits=_read_limits(document, plan),
        compute=_read_compute(document),
        launches=launches,
        priority=document.integer("priority", 0, least=MIN_PRIORITY, most=MAX_PRIORITY),
        resources=read_resources(document.inner("resources")),
        retries=read_retries(document.inner("retries")),
        metrics_collector=_read_collector(document, objective, launches=launches),
    )
    _read_leftovers(document)
    return replace(definition, warnings=tuple(diagnostics.warnings))


def _is_timed(document: Fields) -> bool:
    """Whether the time of the sweep is limited, and not only its trials."""
    limits = document.raw("limits")
    return isinstance(limits, Mapping) and limits.get("timeout") is not None


def _read_collector(
    document: Fields, objective: Objective, *, launches: bool
) -> Mapping[str, JSONValue] | None:
    collector = document.raw("metrics_collector")
    if not launches and collector is not None:
        document.warn(
            "metrics_collector",
            "No worker collects metrics of trials that your own processes run.",
        )
    primary = objective.primary_metric
    return read_collector(collector, document.diagnostics, primary=primary)


def _read_limits(document: Fields, plan: Plan) -> Limits:
    default = plan.grid_size or 1 if plan.is_grid else None
    uncounted = plan.space.is_finite and plan.space.count() is None
    if uncounted or (default is not None and default > MAX_TRIALS):
        default = None
    fields = document.inner(
        "limits", required="{max_total_trials: 40}" if default is None else ""
    )
    limits = read_limits(fields, default_total=default)
    size = plan.space.count() if plan.space.parameters else None
    if size is not None and size < limits.max_total_trials:
        document.warn(
            "limits.max_total_trials",
            f"The space has {counted(size, 'configuration')}, so the sweep ends after "
            f"{counted(size, 'trial')}.",
        )
    return limits


def _read_tags(document: Fields | None) -> dict[str, str]:
    if document is None:
        return {}
    tags: dict[str, str] = {}
    for name, value in document.entries():
        if isinstance(value, bool | str) or is_number(value):
            tags[name] = value_text(value)
        else:
            document.error(name, f"A tag must be text, not {shown(value)}.")
    if len(tags) > MAX_TAGS:
        document.diagnostics.error(
            document.path, f"There may be {MAX_TAGS} tags, not {len(tags)}."
        )
    return tags


def _read_compute(document: Fields) -> str:
    name = document.text("compute", DEFAULT_NAME, most=200).removeprefix("azureml:")
    if POOL.fullmatch(name):
        return name
    document.must_be("compute", "a worker pool, such as default", value=name)
    return DEFAULT_NAME


def _read_leftovers(document: Fields) -> None:
    document.option("type", "sweep", ("sweep",))
    for key in IGNORED:
        if document.raw(key) is not None and key != "$schema":
            document.warn(key, f"{key} has no meaning here and is ignored.")
    document.close()

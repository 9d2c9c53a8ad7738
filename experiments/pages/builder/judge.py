"""What only the database knows of a form: pools, stored files, earlier trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from django.db.models import Q

from experiments.code.folders import shared_code_problem
from experiments.models import CodeSnapshot, Pool, Sweep, Team, Trial, User
from experiments.pages.builder.code.fields import (
    FILES,
    FOLDER,
    kept_files,
    missing_script,
)
from experiments.pages.builder.document import SHORT_DIGEST
from experiments.pages.builder.form import Findings, SweepForm
from experiments.search.fields import Problem, listed, shown
from experiments.search.records import Goal, Objective
from experiments.sweeps.warnings import gpu_warnings, slack_warnings

MAX_REFUSAL = 1000


def findings(
    form: SweepForm,
    *,
    team: Team,
    user: User,
    pools: Sequence[Pool],
    source: Sweep | None,
) -> Findings:
    """The problems and warnings of a form; `source` is the sweep that it copies."""
    pool = _pool(form, pools)
    kept = kept_files(team, user, form.text("code"))
    refused = form.text("refused")[:MAX_REFUSAL]
    problems: list[Problem] = []
    if refused and form.picks["code_kind"] == FILES:
        problems.append(Problem("trial.code", refused))
    problems += _pool_problems(form, team, pools)
    problems += _code_problems(form, team, pool, kept)
    resources = form.document.get("resources")
    gpus = resources.get("gpus") if isinstance(resources, Mapping) else 0
    warnings = [
        *([] if refused else _script_warnings(form, kept)),
        *gpu_warnings(pool, gpus),
        *_slack_warnings(form, team, source),
    ]
    return Findings(problems, warnings, kept)


def _slack_warnings(form: SweepForm, team: Team, source: Sweep | None) -> list[Problem]:
    """Judged by trials of the same experiment and of the copied sweep."""
    objective = objective_of(form)
    settings = form.document.get("early_termination")
    if objective is None or settings is None:
        return []
    name = form.text("experiment_name").strip()
    earlier = Q(experiment__team=team, experiment__name=name)
    if source is not None:
        earlier |= Q(sweep=source)
    return slack_warnings(settings, objective, Trial.objects.kept().filter(earlier))


def _pool(form: SweepForm, pools: Sequence[Pool]) -> Pool | None:
    # Compared here: PostgreSQL takes no NUL, not even to compare with.
    name = form.text("compute").strip().removeprefix("azureml:")
    return next((pool for pool in pools if pool.name == name), None)


def _pool_problems(
    form: SweepForm, team: Team, pools: Sequence[Pool]
) -> Iterator[Problem]:
    if _pool(form, pools) is None:
        names = [pool.name for pool in pools]
        allowed = listed(names, last="or") if names else "none yet"
        yield Problem(
            "compute",
            f"The pool must be one of team {team.name} on which you may run commands:"
            f" {allowed}, not "
            f"{shown(form.text('compute').strip())}.",
        )


def _code_problems(
    form: SweepForm,
    team: Team,
    pool: Pool | None,
    kept: CodeSnapshot | None,
) -> Iterator[Problem]:
    kind, code = form.picks["code_kind"], form.text("code").strip()
    if kind == FILES and code and kept is None:
        yield Problem(
            "trial.code",
            f"Team {team.name} has no upload {code[:SHORT_DIGEST]}. Choose the files"
            " again.",
        )
    folder = form.text("folder").strip()
    if kind == FOLDER and folder and not folder.startswith("/"):
        yield Problem(
            "trial.code.folder",
            f"Only the command line can pack the folder {folder}. Choose its files"
            " here, or enter an absolute path on the workers, such as"
            " /srv/code/digits.",
        )
    code_document = form.document.get("trial", {}).get("code")
    problem = pool and shared_code_problem(code_document, pool)
    if problem:
        yield problem


def _script_warnings(form: SweepForm, kept: CodeSnapshot | None) -> Iterator[Problem]:
    """A warning if the command's script is not among the files."""
    is_known = kept is not None or not form.text("code").strip()
    if form.picks["code_kind"] != FILES or not is_known:
        return
    paths = {str(file["path"]) for file in kept.files} if kept else ()
    words = missing_script(form.text("command"), paths)
    if words:
        yield Problem("trial.code", words)


def objective_of(form: SweepForm) -> Objective | None:
    """The entered objective, once it has a metric and a goal."""
    metric = form.text("primary_metric").strip()
    goals: Mapping[str, Goal] = {"maximize": "maximize", "minimize": "minimize"}
    goal = goals.get(form.text("goal"))
    return Objective(metric, goal) if metric and goal else None

"""Whose form it is: the team, the draft that is edited, the sweep that is copied."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest

from experiments import access, snapshots
from experiments.gpu_doubts import gpu_doubts
from experiments.models import Experiment, Pool, Sweep, Team, Trial, User
from experiments.pages.builder.compose import SHORT_DIGEST, compose
from experiments.pages.builder.entries import Entries
from experiments.pages.builder.fields import NO_POLICY
from experiments.pages.builder.fill import entries_of
from experiments.pages.builder.source_fields import FILES, FOLDER
from experiments.pages.code_files import kept_files
from experiments.pages.context import current_team
from experiments.search.definition import SweepDefinition, parse_document
from experiments.search.problems import DefinitionError, Problem, listed, shown
from experiments.search.records import Goal, Objective
from experiments.search.termination import make_policy
from experiments.shared_code import shared_code_problem
from experiments.slack import slack_doubts
from experiments.submission import sweep_document


@dataclass(frozen=True)
class Bench:
    """Where a form stands. `source` is the sweep that it is a copy of, but for its
    `early_termination` where that is given.
    """

    team: Team
    user: User
    draft: Sweep | None = None
    source: Sweep | None = None
    experiment: Experiment | None = None
    early_termination: Mapping[str, Any] | None = None

    @property
    def may_create(self) -> bool:
        return access.can_steer(self.user, self.team)

    def first_entries(self) -> Entries:
        """What the form holds when it is opened."""
        sweep = self.draft or self.source
        if sweep is None:
            name = self.experiment.name if self.experiment else "default"
            pool = access.pools_for_team(self.team).values_list("name", flat=True)
            return Entries.fresh(experiment_name=name, compute=pool.first() or "")
        definition = parse_document(self._document(sweep))
        entries = entries_of(definition)
        code = sweep.code.digest if sweep.code else ""
        name = "" if self.source else entries.text("display_name")
        return entries.with_texts(code=code, display_name=name)

    def _document(self, sweep: Sweep) -> Mapping[str, Any]:
        document = sweep_document(sweep)
        if self.experiment is not None and self.draft is None:
            document["experiment_name"] = self.experiment.name
        if self.early_termination is not None:
            document["early_termination"] = self.early_termination
        return document

    def adopt_code(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """The document with its code kept here: files are stored, and the names of
        uploads made whole. Raises DefinitionError."""
        trial = document.get("trial")
        code = trial.get("code") if isinstance(trial, Mapping) else None
        if not isinstance(trial, Mapping) or not isinstance(code, Mapping):
            return document
        digest = self._kept(code)
        if digest is None:
            return document
        return {**document, "trial": {**trial, "code": {"upload": digest}}}

    def _kept(self, code: Mapping[str, Any]) -> str | None:
        files = code.get("files")
        if isinstance(files, Mapping) and all(
            isinstance(text, str) for text in files.values()
        ):
            contents = {str(name): text.encode() for name, text in files.items()}
            try:
                kept = snapshots.store_files(self.team, contents, user=self.user)
            except snapshots.CodeError as error:
                raise DefinitionError(
                    [Problem("trial.code.files", str(error))]
                ) from error
            return kept.digest
        found = kept_files(self.team, self.user, str(code.get("upload", "")))
        return found.digest if found else None

    def problems(self, entries: Entries) -> list[Problem]:
        """What only the database knows: pools and files that are not the team's."""
        return [*self._pool_problems(entries), *self._code_problems(entries)]

    def doubts(self, entries: Entries) -> list[Problem]:
        """What hosts and earlier trials give reason to doubt."""
        resources = compose(entries).document.get("resources")
        gpus = resources.get("gpus") if isinstance(resources, Mapping) else 0
        return [*gpu_doubts(self._pool(entries), gpus), *self._slack_doubts(entries)]

    def _slack_doubts(self, entries: Entries) -> list[Problem]:
        """By trials of the same experiment, or of the sweep that is copied."""
        objective = _objective(entries)
        if objective is None or entries.policy == NO_POLICY:
            return []
        name = entries.text("experiment_name").strip()
        earlier = Q(experiment__team=self.team, experiment__name=name)
        if self.source is not None:
            earlier |= Q(sweep=self.source)
        document = compose(entries).document
        settings = document.get("early_termination")
        return slack_doubts(settings, objective, Trial.objects.filter(earlier))

    def _pool_problems(self, entries: Entries) -> Iterator[Problem]:
        name = entries.text("compute").strip()
        pools = list(access.pools_for_team(self.team).values_list("name", flat=True))
        if name.removeprefix("azureml:") not in pools:
            allowed = listed(pools, last="or") if pools else "none yet"
            yield Problem(
                "compute",
                f"The pool must be one of the team {self.team.name}: {allowed}, not "
                f"{shown(name)}.",
            )

    def _pool(self, entries: Entries) -> Pool | None:
        name = entries.text("compute").strip().removeprefix("azureml:")
        pools = access.pools_for_team(self.team)
        # Compared here: PostgreSQL takes no NUL, not even to compare with.
        return next((pool for pool in pools if pool.name == name), None)

    def _code_problems(self, entries: Entries) -> Iterator[Problem]:
        kind, code = entries.code_kind, entries.text("code").strip()
        if kind == FILES and code and kept_files(self.team, self.user, code) is None:
            yield Problem(
                "trial.code",
                f"The team {self.team.name} has no upload {code[:SHORT_DIGEST]}; "
                "choose the files again.",
            )
        folder = entries.text("folder").strip()
        if kind == FOLDER and folder and not folder.startswith("/"):
            yield Problem(
                "trial.code.folder",
                f"{folder} is a folder, which only the command line can pack; choose "
                "its files here, or name a whole path on the workers, such as "
                "/srv/code/digits.",
            )
        pool = self._pool(entries)
        trial = compose(entries).document.get("trial", {})
        problem = pool and shared_code_problem(trial.get("code"), pool)
        if problem:
            yield problem


def _objective(entries: Entries) -> Objective | None:
    """What was entered, once that is a metric and a goal."""
    metric = entries.text("primary_metric").strip()
    goals: Mapping[str, Goal] = {"maximize": "maximize", "minimize": "minimize"}
    goal = goals.get(entries.text("goal"))
    return Objective(metric, goal) if metric and goal else None


def new_token() -> str:
    """The one-time token of a form."""
    return secrets.token_urlsafe(16)


def bench_for_new(request: HttpRequest) -> Bench:
    """The bench of a new sweep: for an experiment, a copy, or the current team.

    Raises Http404 for what the viewer may not see, and without any team.
    """
    user = access.viewer(request)
    source = _chosen(access.sweeps_for(user).select_related("code"), request, "clone")
    experiments = access.experiments_for(user).select_related("team")
    experiment = _chosen(experiments, request, "experiment")
    team = _posted_team(request, user)
    if team is None and source is not None:
        team = source.experiment.team
    if team is None:
        team = experiment.team if experiment else current_team(request)
    if team is None:
        raise Http404("You are in no team yet.")
    homes = [source.experiment.team_id] if source else []
    homes += [experiment.team_id] if experiment else []
    if any(home != team.pk for home in homes):
        raise Http404("The sweep or experiment belongs to another team.")
    request.team = team  # type: ignore[attr-defined]
    policy = _policy(request, source) if source is not None else None
    return Bench(
        team, user, source=source, experiment=experiment, early_termination=policy
    )


def _chosen(queryset: Any, request: HttpRequest, name: str) -> Any:
    """The row that the address asks for; None when it asks for none."""
    text = request.GET.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Http404(f"There is no {name} {text!r}.")
    return access.found_or_404(queryset, pk=int(text))


def _policy(request: HttpRequest, source: Sweep) -> Mapping[str, Any] | None:
    """The early termination that a copy is to have instead; None for the same."""
    try:
        asked = json.loads(request.GET.get("early_termination", "null"))
        policy = make_policy(asked, source.objective)
    except (ValueError, RecursionError, DefinitionError) as error:
        raise Http404("The address asks for no policy of early termination.") from error
    return policy.settings() if policy is not None else None


def _posted_team(request: HttpRequest, user: User) -> Team | None:
    """The team that the form was opened for, wherever its person has been since."""
    slug = request.POST.get("team", "") if request.method == "POST" else ""
    if not slug.isprintable():
        raise Http404("There is no such team.")
    return access.found_or_404(access.teams_for(user), slug=slug) if slug else None


def adopted(bench: Bench, document: Mapping[str, Any]) -> SweepDefinition:
    """The checked document, its code kept. Raises DefinitionError."""
    return parse_document(bench.adopt_code(document))

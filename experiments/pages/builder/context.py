"""The context of a form: its team, the draft it edits or the sweep it copies."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.http import Http404, HttpRequest, QueryDict

from experiments import access
from experiments.code import snapshots
from experiments.models import (
    Experiment,
    Pool,
    Sweep,
    SweepTemplate,
    Team,
    User,
)
from experiments.pages.builder.code.fields import (
    kept_files,
)
from experiments.pages.builder.filling import form_of, form_of_any, fresh_form
from experiments.pages.builder.form import Findings, SweepForm, inside
from experiments.pages.builder.judge import findings
from experiments.pages.frame import current_team, set_team
from experiments.scheduling.occupancy import TeamSlots, team_slots
from experiments.search.document.changes import document_changes
from experiments.search.document.definition import SweepDefinition, parse_document
from experiments.search.fields import DefinitionError, Problem
from experiments.search.space.bounds import with_bounds
from experiments.search.space.space import SearchSpace
from experiments.search.termination import make_policy
from experiments.sweeps.creation import copy_document, sweep_document
from experiments.sweeps.editing import POLICY
from experiments.tracking.spaces import search_space


@dataclass(frozen=True)
class FormContext:
    """The team and user of a form. It edits `draft`, or changes the sweep `started`, or
    copies `source`, perhaps with another `early_termination`, other ranges
    (`search_space`) or the same seed, or starts from `template`.
    """

    team: Team
    user: User
    draft: Sweep | None = None
    source: Sweep | None = None
    experiment: Experiment | None = None
    early_termination: Mapping[str, Any] | None = None
    search_space: Mapping[str, Any] | None = None
    template: SweepTemplate | None = None
    keeps_seed: bool = False
    started: Sweep | None = None

    @cached_property
    def pools(self) -> Sequence[Pool]:
        """Those of the team on which the user may run commands."""
        return list(access.runnable(access.pools_for_team(self.team), self.user))

    @cached_property
    def slots(self) -> TeamSlots:
        return team_slots(self.team)

    @property
    def may_create(self) -> bool:
        return access.can_steer(self.user, self.team)

    def form(self, data: QueryDict) -> SweepForm:
        """The form with a POST's data."""
        stored = self.stored.texts if self.stored is not None else None
        return SweepForm(data, judge=self.judge, stored=stored)

    @cached_property
    def stored(self) -> SweepForm | None:
        """The form of the sweep that has started, as the sweep is now."""
        return self._filled(self.started) if self.started is not None else None

    def first_form(self) -> SweepForm:
        """The form as it is opened."""
        if self.template is not None:
            return self.form(self._of_template(self.template).data)
        if self.stored is not None:
            return self.form(self.stored.data)
        sweep = self.draft or self.source
        if sweep is None:
            name = self.experiment.name if self.experiment else "default"
            pool = self.pools[0].name if self.pools else ""
            return self.form(fresh_form(experiment_name=name, compute=pool).data)
        return self.form(self._filled(sweep).data)

    def _filled(self, sweep: Sweep) -> SweepForm:
        filled = form_of(parse_document(self._document(sweep)))
        code = sweep.code.digest if sweep.code else ""
        name = "" if self.source else filled.text("display_name")
        return filled.with_data(code=code, display_name=name)

    def _of_template(self, template: SweepTemplate) -> SweepForm:
        document = dict(self.adopt_code(template.document))
        if self.experiment is not None:
            document["experiment_name"] = self.experiment.name
        filled = form_of_any(document)
        if filled is None:
            raise Http404(f"The form cannot show template {template.name}.")
        return filled

    def _document(self, sweep: Sweep) -> Mapping[str, Any]:
        document = (
            copy_document(sweep) if sweep == self.source else sweep_document(sweep)
        )
        if self.keeps_seed:
            document["sampling_algorithm"] = sweep.definition["sampling_algorithm"]
        if self.experiment is not None and self.draft is None:
            document["experiment_name"] = self.experiment.name
        if self.early_termination is not None:
            document["early_termination"] = self.early_termination
        if self.search_space is not None:
            document["search_space"] = self.search_space
        return document

    def changes(self, form: SweepForm) -> list[str]:
        """What differs from the sweep that is copied, once the form is valid."""
        if self.source is None or form.definition is None:
            return []
        copied = parse_document(copy_document(self.source))
        return document_changes(copied, _with_whole_digest(form, form.definition))

    def adopt_code(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """The document with its files stored, and the full names of uploads. Raises
        DefinitionError."""
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
            except snapshots.SnapshotError as error:
                raise DefinitionError(
                    [Problem("trial.code.files", str(error))]
                ) from error
            return kept.digest
        found = kept_files(self.team, self.user, str(code.get("upload", "")))
        return found.digest if found else None

    def judge(self, form: SweepForm) -> Findings:
        """What only the database knows."""
        found = findings(
            form, team=self.team, user=self.user, pools=self.pools, source=self.source
        )
        if self.started is None:
            return found
        # What else the database knows is of fields that cannot change any more.
        policy = [each for each in found.warnings if inside(each.path, POLICY)]
        return replace(found, problems=(), warnings=policy)


def _with_whole_digest(form: SweepForm, definition: SweepDefinition) -> SweepDefinition:
    """The form's document names its upload by a short digest."""
    trial, kept = definition.trial, form.findings.kept
    if kept is None or not isinstance(trial.code, dict) or "upload" not in trial.code:
        return definition
    return replace(definition, trial=replace(trial, code={"upload": kept.digest}))


def new_token() -> str:
    """The one-time token of a form."""
    return secrets.token_urlsafe(16)


def context_for_new(request: HttpRequest) -> FormContext:
    """The context of a new sweep: for an experiment, a copy, or the current team.

    Raises Http404 for what the viewer may not see, and without any team.
    """
    user = access.viewer(request)
    source = _chosen(access.sweeps_for(user).select_related("code"), request, "clone")
    experiment = _chosen(access.experiments_for(user), request, "experiment")
    template = _chosen(access.templates_for(user), request, "template")
    team = _posted_team(request, user)
    if team is None and source is not None:
        team = source.experiment.team
    if team is None and template is not None:
        team = template.team
    if team is None:
        team = experiment.team if experiment else current_team(request)
    if team is None:
        raise Http404("You are in no team yet.")
    homes = [source.experiment.team_id] if source else []
    homes += [row.team_id for row in (experiment, template) if row is not None]
    if any(home != team.pk for home in homes):
        raise Http404("The sweep, experiment or template belongs to another team.")
    set_team(request, team)
    policy = _policy(request, source) if source is not None else None
    return FormContext(
        *(team, user, None, source, experiment),
        early_termination=policy,
        search_space=_bounded_space(request, source) if source is not None else None,
        template=template,
        keeps_seed=source is not None and request.GET.get("seed") == "same",
    )


def _chosen(queryset: Any, request: HttpRequest, name: str) -> Any:
    """The row that the address names, if any."""
    text = request.GET.get(name, "")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Http404(f"{name} {text!r} does not exist.")
    return access.found_or_404(queryset, pk=int(text))


def _policy(request: HttpRequest, source: Sweep) -> Mapping[str, Any] | None:
    """The early termination that the copy gets; None for that of its source."""
    try:
        asked = json.loads(request.GET.get("early_termination", "null"))
        policy = make_policy(asked, source.objective)
    except (ValueError, RecursionError, DefinitionError) as error:
        raise Http404(
            "The early termination policy in the address is not valid."
        ) from error
    return policy.settings() if policy is not None else None


def _bounded_space(request: HttpRequest, source: Sweep) -> Mapping[str, Any] | None:
    """The search space that the copy gets; None for that of its source."""
    asked = request.GET.getlist("bounds")
    if not asked:
        return None
    try:
        document = with_bounds(search_space(source), asked)
        SearchSpace.parse(document)
    except DefinitionError as error:
        raise Http404(str(error)) from error
    return document


def _posted_team(request: HttpRequest, user: User) -> Team | None:
    """The team that the form was opened for, which the user may have left since."""
    slug = request.POST.get("team", "") if request.method == "POST" else ""
    if not slug.isprintable():
        raise Http404("No such team.")
    return access.found_or_404(access.teams_for(user), slug=slug) if slug else None

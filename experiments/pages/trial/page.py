"""What the templates of one trial's page show, and its parts that stay fresh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from experiments.lifecycle import POLICY
from experiments.models import Attempt, Trial
from experiments.models.missing import MissingData, sentences
from experiments.models.trials import Origin, TrialState
from experiments.pages.curves import (
    MAX_OPTIONS,
    groups_of,
    is_series,
    lines_model,
    matching,
    picked_group,
)
from experiments.pages.experiments.run_table import child_table
from experiments.pages.log_text import last_lines
from experiments.pages.log_view import log_context
from experiments.pages.outputs.files import outputs_context
from experiments.pages.space import ParameterPicture, picture
from experiments.pages.trial import phases
from experiments.pages.trial.detail import TrialDetail
from experiments.pages.trial.threshold import (
    chart_question,
    line_name,
    own_name,
    threshold_label,
    threshold_model,
)
from experiments.pages.trial.verdicts import (
    FACT_COLUMNS,
    FEW,
    SOME,
    fact_columns,
    fitting,
    kept_words,
    verdict_rows,
)
from experiments.pages.trial.why import resumed_words, why_of
from experiments.pages.trial_rows import origin_words
from experiments.search.space.params import outside
from experiments.sweeps.requests import refusal_of, rerun_refusal
from experiments.sweeps.warm_start import sources_of
from experiments.tracking.axes import UNSET, ParameterAxis, axes_of, same_value
from experiments.tracking.spaces import search_space, trial_params, version_of


@dataclass(frozen=True)
class TrialParameter:
    name: str
    is_set: bool
    value: Any
    rival_is_set: bool
    rival_value: Any
    differs: bool
    picture: ParameterPicture | None


def parameter_rows(
    trial: Trial,
    rival: Trial | None,
    axes: Mapping[str, ParameterAxis],
    *,
    best: Trial | None,
) -> list[TrialParameter]:
    """In the order of the space; parameters that only the trials have come last."""
    own, others = trial_params(trial), trial_params(rival) if rival else None
    names = dict.fromkeys([*axes, *own, *(others or {})])
    marked = [
        (each, "best" if best and each.pk == best.pk else each.state)
        for each in (rival, trial)
        if each is not None
    ]
    return [_row(name, own, others, axes.get(name), marked) for name in names]


def _row(
    name: str,
    own: Mapping[str, Any],
    others: Mapping[str, Any] | None,
    axis: ParameterAxis | None,
    marked: Sequence[tuple[Trial, str]],
) -> TrialParameter:
    value = own.get(name, UNSET)
    other = UNSET if others is None else others.get(name, UNSET)
    return TrialParameter(
        name=name,
        is_set=value is not UNSET,
        value=None if value is UNSET else value,
        rival_is_set=other is not UNSET,
        rival_value=None if other is UNSET else other,
        differs=others is not None and not same_value(value, other),
        picture=picture(axis, name, marked),
    )


# The parts of the page that its feed may replace, each with its own template.
PARTS = (
    "head",
    "why",
    "decisions",
    "parameters",
    "metrics",
    "attempts",
    "log",
    "children",
    "outputs",
)
MAX_CHILDREN = 50
FAILURE_LINES = 6


def page_context(
    detail: TrialDetail, query: QueryDict, *, steers: bool
) -> dict[str, Any]:
    """What the page and its parts show; ``steers``: the viewer may change the trial."""
    trial, attempt = detail.trial, detail.attempt
    return {
        "trial": trial,
        "sweep": trial.sweep,
        "attempt": attempt,
        "shown": detail.shown_attempt,
        "ranking": detail.ranking,
        "is_best": detail.ranking.is_best(trial),
        "elapsed": detail.elapsed,
        "times_run": sum(a.claimed_at is not None for a in detail.attempts),
        "saved": detail.saved,
        "slot": phases.slot_words(attempt),
        "recent": trial.ended_at and (detail.now - trial.ended_at).days < 1,
        "compare_url": compare_url(detail),
        "why": why_of(detail),
        "simulator_words": simulator_words(detail),
        "failure_lines": last_lines(detail.failure_log, FAILURE_LINES),
        **log_context(trial, detail.shown_attempt, query),
        **outputs_context(trial, detail.shown_attempt, query),
        "missing": missing_words(attempt),
        **children_context(trial),
        "tags": trial.run.visible_tags.items() if hasattr(trial, "run") else (),
        **(_actions(detail) if steers else {}),
        **decisions_context(detail, query),
        **parameters_context(detail),
        **attempts_context(detail),
        **charts_context(detail, query),
    }


def children_context(trial: Trial) -> dict[str, Any]:
    names, children = child_table(trial, most=MAX_CHILDREN)
    return {"children": children, "child_metrics": names}


def missing_words(attempt: Attempt | None) -> list[str]:
    """What of the attempt's results was lost or refused, as sentences."""
    data = MissingData.of(attempt.missing if attempt else None)
    return [*data.lost, *sentences(data.names())]


def _actions(detail: TrialDetail) -> dict[str, Any]:
    """What a member can do with the trial. ``repeat_words``: the text of a button."""
    trial, sweep = detail.trial, detail.trial.sweep
    can_repeat = (
        sweep is not None
        and trial.has_ended
        and not rerun_refusal(sweep, [trial.number])
    )
    words = "Retry" if trial.state == TrialState.FAILED else "Run again"
    return {
        "can_cancel": not trial.has_ended and not trial.stop_reason,
        # After an early end, until a rerun without one exists.
        "can_rerun": can_repeat
        and trial.reason == POLICY
        and detail.whole_rerun is None,
        "repeat_words": words if can_repeat else "",
        "can_clone": sweep is not None and not refusal_of(sweep),
    }


def parameters_context(detail: TrialDetail) -> dict[str, Any]:
    ranking, trial = detail.ranking, detail.trial
    best, rival = next(iter(ranking.leaders), None), ranking.rival_of(trial)
    return {
        "origin": origin_words(trial),
        "repeated": source_trial(trial),
        "source": sources_of([trial]).get(trial.pk),
        "outside": outside_words(trial),
        "space_words": space_words(trial),
        "rival": rival,
        "rival_is_best": bool(rival and best and rival.pk == best.pk),
        "parameters": parameter_rows(trial, rival, axes_of(trial.sweep), best=best),
    }


def source_trial(trial: Trial) -> Trial | None:
    """The trial that it repeats, with the same or with changed values."""
    number = trial.source_number
    if number is None or trial.sweep is None or trial.origin == Origin.REPLACEMENT:
        return None
    return trial.sweep.trials.filter(number=number).first()


def space_words(trial: Trial) -> str:
    """Which of several search spaces the trial is from."""
    sweep = trial.sweep
    if sweep is None or sweep.space_version == 1:
        return ""
    number = version_of(sweep, trial.number)
    return f"Search space {number} of {sweep.space_version}"


def outside_words(trial: Trial) -> list[str]:
    """What of a requested trial is outside the search space."""
    if trial.sweep is None or not trial.is_requested:
        return []
    return list(outside(search_space(trial.sweep), trial.params))


def compare_url(detail: TrialDetail) -> str:
    rival = detail.ranking.rival_of(detail.trial)
    if rival is None:
        return ""
    ids = f"{rival.pk},{detail.trial.pk}"
    return f"{reverse('compare')}?{urlencode({'trials': ids}, safe=',')}"


def simulator_words(detail: TrialDetail) -> str:
    """The text of the link to the simulator; empty without reports to simulate."""
    if detail.trial.sweep is None or not detail.trial.reports:
        return ""
    if detail.decisions or detail.policy is not None:
        return "Simulate other settings"
    return "See what a policy would have ended"


def decisions_context(detail: TrialDetail, query: QueryDict) -> dict[str, Any]:
    whole = query.get("decisions") == "all"
    first, count = detail.first_check, detail.verdicts.count
    verdicts = verdict_rows(detail.decisions, detail.objective, whole=whole)
    changed = query.copy()
    changed["decisions"] = "all"
    return {
        "verdicts": [row for row in verdicts if row.rank < 2],
        "checks_to_see": len(detail.decisions),
        "kept_words": kept_words(detail.decisions),
        "unjudged": min(detail.trial.reports, first - 1),
        "first_check": first,
        "is_early": detail.is_early,
        "resumed": resumed_words(detail),
        "has_policy": detail.policy is not None or count > 0,
        "checks": count,
        "shown_checks": fitting(count, SOME),
        "shown_on_phones": fitting(count, FEW),
        "more_decisions": 0 if whole or fitting(count, FEW) == count else count,
        "more_on_phones_only": fitting(count, SOME) == count,
        "decisions_url": f"?{changed.urlencode()}",
        "line_name": line_name(detail.policy_kind),
        "own_name": own_name(detail.policy_kind),
        "fact_names": [FACT_COLUMNS[name] for name in fact_columns(detail.decisions)],
    }


def attempts_context(detail: TrialDetail) -> dict[str, Any]:
    attempt = detail.attempt
    if attempt is None:
        return {"phases": [], "bar": [], "earlier": [], "attempts_words": ""}
    return {
        "phases": phases.phases(detail.trial, attempt, detail.now),
        "bar": phases.bar(attempt, detail.now),
        "earlier": phases.earlier(detail.attempts, attempt),
        "attempts_words": phases.attempts_in_words(detail.attempts),
    }


def charts_context(detail: TrialDetail, query: QueryDict) -> dict[str, Any]:
    curve = threshold_model(
        detail.trial,
        detail.decisions,
        policy=detail.policy_kind,
        unjudged=detail.first_check - 1,
    )
    others = detail.other_metrics
    groups = groups_of(list(filter(is_series, others)))
    wanted = query.get("metric", "")
    group = picked_group(groups, wanted)
    many = len(groups) > MAX_OPTIONS
    options = (matching(groups, wanted) or groups) if many else groups
    return {
        "curve": curve,
        "curve_label": threshold_label(detail.trial, curve),
        "curve_question": chart_question(detail.policy_kind, detail.decisions),
        "metric_groups": options[:MAX_OPTIONS],
        "all_metrics": len(groups) if many else 0,
        "metric_group": group,
        "singles": [m for m in others if not is_series(m)][:MAX_OPTIONS],
        "lines": lines_model(group),
        "other_choices": [pair for pair in query.items() if pair[0] != "metric"],
    }

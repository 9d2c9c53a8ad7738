"""Compare: a few trials side by side, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from experiments import access, storage
from experiments.models import Trial, User
from experiments.pages.compare.charts import (
    chosen_metrics,
    metric_models,
    primary_model,
)
from experiments.pages.compare.comparison import Comparison, Entrant
from experiments.pages.compare.lead import all_words, lead_of
from experiments.pages.compare.outputs import compared_code, compared_files
from experiments.pages.compare.table import (
    as_text,
    equal_rows,
    hidden_differences,
    sections,
)
from experiments.pages.frame import get, set_team, whole_number
from experiments.pages.log_text import last_lines, parse_log
from experiments.search.wording import counted

MIN_TRIALS, MAX_TRIALS = 2, 8
LOG_LINES = 6
LOG_BYTES = 16 << 10
MAX_PATH, MAX_NAMES = 1_000, 100


def _trials(request: HttpRequest) -> QuerySet[Trial]:
    return access.trials_for(access.viewer(request)).select_related(
        "sweep__pool", "sweep__code", "current_attempt__worker"
    )


def asked_ids(request: HttpRequest, name: str = "trials") -> list[int]:
    """The ids of ``trials=1,2,3``, or of ``trials=1&trials=2`` as a form without
    scripts sends them, each once; 404 for anything else."""
    text = ",".join(request.GET.getlist(name))
    parts = [part.strip() for part in text[:500].split(",") if part.strip()]
    ids = [whole_number(part, most_digits=18) for part in parts]
    if None in ids:
        raise Http404(f"{name} must be numbers, such as {name}=1,2,3.")
    return list(dict.fromkeys(number for number in ids if number is not None))


def compare_url(ids: Sequence[int], more: Sequence[tuple[str, str]] = ()) -> str:
    query = f"?trials={','.join(map(str, ids))}"
    return f"{reverse('compare')}{query}{'&' * bool(more)}{urlencode(more)}"


def _found(request: HttpRequest, ids: Sequence[int]) -> list[Trial]:
    """The trials in the given order; 404 if the viewer cannot see one of them."""
    found = {trial.pk: trial for trial in _trials(request).filter(pk__in=ids)}
    if len(found) < len(ids):
        raise Http404("One of these trials does not exist, or you cannot see it.")
    if found:
        set_team(request, found[ids[0]].experiment.team)
    return [found[pk] for pk in ids]


def compare(request: HttpRequest) -> HttpResponse:
    ids = asked_ids(request)
    trials = _found(request, ids[: MAX_TRIALS + 1])
    problem = _problem(trials)
    if problem:
        few = {"problem": problem, "trials": trials, "ids": ",".join(map(str, ids))}
        return render(request, "experiments/compare/few.html", few)
    comparison = Comparison(trials, timezone.now())
    user = access.viewer(request)
    context: dict[str, Any] = {
        **_page(request, comparison),
        **_charts(comparison, request.GET.getlist("metric")),
        "files": compared_files(
            comparison, user, path=request.GET.get("file", "")[:MAX_PATH]
        ),
        "codes": compared_code(
            comparison, user, opened=whole_number(request.GET.get("code", ""))
        ),
        "rerun_url": _rerun_url(user, comparison),
    }
    return render(request, "experiments/compare/page.html", context)


def _problem(trials: Sequence[Trial]) -> str:
    if len(trials) < MIN_TRIALS:
        return "Compare at least two trials: add one by its number."
    if len(trials) > MAX_TRIALS:
        return f"At most {MAX_TRIALS} trials can be compared. Remove some."
    if len({trial.experiment.team_id for trial in trials}) > 1:
        return "These trials belong to different teams. Compare trials of one team."
    return ""


def _page(request: HttpRequest, comparison: Comparison) -> dict[str, Any]:
    everything = request.GET.get("all") == "1"
    ids = [entrant.trial.pk for entrant in comparison.entrants]
    wanted = request.GET.getlist("metric")
    keep = _kept(request)
    switched = [pair for pair in keep if pair[0] != "all"]
    found = sections(
        comparison,
        only_differences=not everything,
        metrics=chosen_metrics(comparison, wanted) if wanted else (),
    )
    return {
        "comparison": comparison,
        "lead": lead_of(comparison),
        "columns": [
            {
                "entrant": entrant,
                "remove_url": compare_url(
                    [i for i in ids if i != entrant.trial.pk], keep
                ),
                "log": _log(entrant.trial),
            }
            for entrant in comparison.entrants
        ],
        "sections": found,
        "as_text": as_text([each.name for each in comparison.entrants], found),
        "equal": [] if everything else equal_rows(comparison),
        "hidden": 0 if everything else hidden_differences(comparison),
        "all_words": all_words(len(ids)),
        "everything": everything,
        "switch_url": compare_url(
            ids, switched if everything else [*switched, ("all", "1")]
        ),
        "here": compare_url(ids, keep),
        "keep": keep,
        "link": request.build_absolute_uri(compare_url(ids, keep)),
        "ids": ",".join(map(str, ids)),
        "can_add": len(ids) < MAX_TRIALS,
        "code_words": code_words(comparison.entrants),
    }


def _kept(request: HttpRequest) -> list[tuple[str, str]]:
    """What stays in the address when the trials change."""
    metrics = [("metric", name) for name in request.GET.getlist("metric")]
    return metrics + [("all", "1")] * (request.GET.get("all") == "1")


def code_words(entrants: Sequence[Entrant]) -> str:
    """The versions of the code that they ran, and how many have one; else empty."""
    sweeps = [entrant.trial.sweep for entrant in entrants]
    codes = [sweep.code.digest for sweep in sweeps if sweep and sweep.code]
    versions = set(codes)
    if not versions:
        return ""
    words = counted(len(versions), "code version")
    if len(versions) == 1:
        words = f"one code version, {codes[0][:8]}"
    few = len(codes) < len(entrants)
    return f"{words}, in {len(codes)} of {len(entrants)}" if few else words


def _log(trial: Trial) -> Any:
    log = storage.visible_log(trial.current_attempt, last=LOG_BYTES)
    return last_lines(parse_log(log), LOG_LINES)


def _charts(comparison: Comparison, wanted: Sequence[str]) -> dict[str, Any]:
    """The primary metric's curves, and those of the chosen metrics."""
    names = chosen_metrics(comparison, wanted)
    models = metric_models(comparison, names)
    return {
        "primary_chart": primary_model(comparison),
        "metric_names": comparison.common_metrics[:MAX_NAMES],
        "chosen": names,
        "metric_charts": [
            (f"metric-{n}", name, chart)
            for n, (name, chart) in enumerate(zip(names, models, strict=True), 1)
        ],
    }


def _rerun_url(user: User, comparison: Comparison) -> str:
    """The question before the trials run again; empty where they cannot."""
    if len(comparison.sweeps) != 1 or comparison.noun != "trials":
        return ""
    sweep = comparison.sweeps[0]
    if not (sweep.launches and access.can_steer(user, sweep.experiment.team)):
        return ""
    ids = ",".join(str(entrant.trial.pk) for entrant in comparison.entrants)
    return f"{reverse('sweep_again', args=(sweep.pk,))}?trials={ids}"


def compare_add(request: HttpRequest) -> HttpResponse:
    """Add a trial by its number in the first trial's sweep or by its label, or a run
    by its name."""
    ids = asked_ids(request)
    wanted = request.GET.get("number", "").strip()
    trial = _by_name(request, _found(request, ids), wanted)
    if trial is None:
        messages.error(
            request,
            f"There is no trial or run {wanted[:80]!r}. Enter a number, such as 17, or"
            " a name, such as digits-3/17.",
        )
        return redirect(compare_url(ids, _kept(request)))
    added = list(dict.fromkeys([*ids, trial.pk]))
    return redirect(compare_url(added, _kept(request)))


def _by_name(
    request: HttpRequest, trials: Sequence[Trial], wanted: str
) -> Trial | None:
    label, _, number = wanted.rpartition("/")
    if whole_number(number) is None:
        return _run_by_name(request, trials, wanted)
    found = _trials(request).filter(number=number)
    if not label:
        among = found.filter(sweep=trials[0].sweep_id) if trials else found.none()
        is_run = bool(trials) and trials[0].sweep_id is None
        return _run_by_name(request, trials, wanted) if is_run else among.first()
    slug, _, sweep = label.rpartition("-")
    if whole_number(sweep) is None:
        return _run_by_name(request, trials, wanted)
    named = found.filter(sweep__experiment__slug=slug, sweep__number=sweep)
    if trials:
        named = named.filter(experiment__team=trials[0].experiment.team_id)
    return named.first()


def _run_by_name(
    request: HttpRequest, trials: Sequence[Trial], wanted: str
) -> Trial | None:
    """The run with that id, as in ``run 31``; else the newest one of that name in the
    team, if possible in the experiment."""
    if not trials:
        return None
    first = trials[0]
    runs = _trials(request).filter(sweep=None)
    own = runs.filter(experiment__team=first.experiment.team_id).order_by("-pk")
    number = whole_number(wanted.removeprefix("run "), most_digits=18)
    if number is not None and (found := own.filter(pk=number).first()):
        return found
    own = own.filter(run__name=wanted)
    return own.filter(experiment=first.experiment_id).first() or own.first()


urlpatterns = [
    get("compare/", compare, "compare"),
    get("compare/add/", compare_add, "compare_add"),
]

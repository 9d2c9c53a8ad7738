"""What the viewer may see of experiments, sweeps, runs and trials that has the words of
a search: a fixed number of queries, each of which stops at a limit.

The words are parts of names, labels such as `digits-3`, tags and notes; all must be
there. `digits-3/17` and `3/17` are trials, `#word` is a tag.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat

from experiments import access
from experiments.formatting import named_metric_text
from experiments.models import Experiment, Run, Sweep, Trial, User

MAX_QUERY, MAX_WORDS = 200, 6
# Of one kind: rows in the answer, and how far they are counted.
MAX_SHOWN, MAX_LISTED, MAX_COUNTED, MAX_NOTED = 3, 30, 100, 1_000
TRIAL = re.compile(r"(?:(?P<slug>[\w-]+)-)?(?P<sweep>\d{1,9})/(?P<trial>\d{1,9})")


@dataclass(frozen=True)
class Found:
    """One line of the answer."""

    url: str
    title: str
    text: str = ""
    fact: str = ""
    glyph: str = "chevron-right"
    state: str = ""


@dataclass(frozen=True)
class FoundKind:
    """The lines of one kind. ``count`` has a plus where there are more."""

    name: str
    title: str
    lines: Sequence[Found]
    count: int

    @property
    def count_text(self) -> str:
        return f"{self.count}+" if self.count >= MAX_COUNTED else str(self.count)


def words_of(query: str) -> list[str]:
    return query.replace("\0", "").split()[:MAX_WORDS]


def find_rows(user: User, query: str, *, most: int) -> list[FoundKind]:
    """Sweeps, trials, experiments and runs, at most ``most`` of each."""
    words = words_of(query)
    kinds = (
        ("sweeps", "Sweeps", _sweeps(user, words), _sweep_line),
        ("trials", "Trials", _trials(user, words), _trial_line),
        ("experiments", "Experiments", _experiments(user, words), _experiment_line),
        ("runs", "Runs", _runs(user, words), _run_line),
    )
    found = []
    for name, title, rows, line in kinds:
        # Their keys are enough to count; only what is shown is read.
        keys = list(rows.values_list("pk", flat=True)[:MAX_COUNTED])
        if not keys:
            continue
        shown = {row.pk: row for row in _joined(rows.model, keys[:most])}
        lines = [line(shown[key]) for key in keys[:most] if key in shown]
        found.append(FoundKind(name, title, lines, len(keys)))
    return found


def _joined(model: Any, keys: Sequence[int]) -> QuerySet[Any]:
    joins = {
        Sweep: ("experiment",),
        Trial: ("sweep__experiment", "experiment", "run"),
        Experiment: ("team",),
    }
    rows: QuerySet[Any] = model.objects.filter(pk__in=keys)
    return rows.select_related(*joins[model])


def _all(words: Sequence[str], *columns: str, tags: str) -> Q:
    """Each word is a part of one of the columns or of a tag; `#word` only of a tag."""
    found = Q()
    for word in words:
        if word.startswith("#") and len(word) > 1:
            found &= Q(**{f"{tags}__icontains": _in_json(word[1:])})
            continue
        one = Q(**{f"{tags}__icontains": _in_json(word)})
        for column in columns:
            one |= Q(**{f"{column}__icontains": word})
        found &= one
    return found


def _in_json(word: str) -> str:
    """As it is written inside JSON text."""
    return word.replace("\\", "\\\\").replace('"', '\\"')


def _sweeps(user: User, words: Sequence[str]) -> QuerySet[Sweep]:
    rows = access.sweeps_for(user).filter(archived_at=None).select_related(None)
    label = Concat("experiment__slug", Value("-"), Cast("number", CharField()))
    named = rows.annotate(label_text=label, tag_text=Cast("tags", TextField()))
    has = _all(words, "label_text", "name", "notes", tags="tag_text")
    return named.filter(has).order_by("-pk")


def _experiments(user: User, words: Sequence[str]) -> QuerySet[Experiment]:
    rows = access.experiments_for(user).filter(archived_at=None)
    named = rows.annotate(tag_text=Cast("tags", TextField()))
    has = _all(words, "name", "question", "notes", tags="tag_text")
    return named.filter(has).order_by("-pk")


def _runs(user: User, words: Sequence[str]) -> QuerySet[Trial]:
    rows = access.trials_for(user).filter(sweep=None, run__archived_at=None)
    has = _all(words, "run__name", "run__note", tags="run__tags")
    return rows.select_related(None).filter(has).order_by("-pk")


def _trials(user: User, words: Sequence[str]) -> QuerySet[Trial]:
    """By name, else by tags and notes."""
    rows = access.trials_for(user).filter(sweep__isnull=False).select_related(None)
    rows = rows.order_by("-pk")
    if len(words) == 1 and (match := TRIAL.fullmatch(words[0])):
        numbers = {"sweep__number": int(match["sweep"]), "number": int(match["trial"])}
        named = rows.filter(**numbers)
        slug = match["slug"]
        return named.filter(experiment__slug__icontains=slug) if slug else named
    return rows.filter(archived_at=None, pk__in=_noted(user, words))


def _noted(user: User, words: Sequence[str]) -> list[int]:
    """Trials whose note or own tags have the words; MLflow's tags do not count. From
    the Run rows, of which there are fewer than trials, of the sweeps that the user may
    see: those of others would take their places up to the limit."""
    seen = access.sweeps_for(user).order_by().values("pk")
    rows = Run.objects.exclude(note="", tags="{}").filter(trial__sweep__in=seen)
    rows = rows.filter(trial__archived_at=None)
    found = rows.filter(_all(words, "note", tags="tags")).order_by("-pk")
    plain = [word.removeprefix("#").lower() for word in words]
    return [
        run.pk
        for run in found.only("note", "tags")[:MAX_NOTED]
        if all(word in f"{run.note} {run.visible_tags}".lower() for word in plain)
    ]


def _sweep_line(sweep: Sweep) -> Found:
    fact = f"{sweep.primary_metric}, {sweep.state}"
    url = sweep.get_absolute_url()
    return Found(url, sweep.label, sweep.name, fact, sweep.state, sweep.state)


def _experiment_line(row: Experiment) -> Found:
    text = row.question
    return Found(row.get_absolute_url(), row.name, text, row.team.name, "file")


def _run_line(run: Trial) -> Found:
    note = run.run.note.partition("\n")[0][:80]
    fact = f"{run.experiment.name}, {run.state}"
    return Found(run.get_absolute_url(), run.label, note, fact, run.state, run.state)


def _trial_line(trial: Trial) -> Found:
    run = getattr(trial, "run", None)
    tags = ", ".join(run.visible_tags) if run else ""
    note = run.note.partition("\n")[0] if run else ""
    text = " · ".join(filter(None, (tags, note)))[:80]
    metric = trial.sweep.primary_metric if trial.sweep else ""
    value = named_metric_text(trial.value, metric) if trial.value is not None else ""
    fact = f"{metric} {value}" if value else trial.state
    url = trial.get_absolute_url()
    return Found(url, trial.label, text, fact, trial.state, trial.state)


def recent_rows(user: User) -> list[FoundKind]:
    """Without words: the sweeps that changed last, the viewer's own first."""
    rows = access.sweeps_for(user).filter(archived_at=None)
    own = list(rows.filter(created_by=user).order_by("-updated_at")[:MAX_SHOWN])
    pks = [sweep.pk for sweep in own]
    others = rows.exclude(pk__in=pks).order_by("-updated_at")[: 5 - len(own)]
    lines = [_sweep_line(sweep) for sweep in (*own, *others)]
    return [FoundKind("recent", "Changed last", lines, len(lines))] if lines else []
